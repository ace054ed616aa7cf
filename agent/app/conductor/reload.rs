//! A new config: read whole, refused whole, or taken with no more stops and starts than it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Conductor;
use crate::app::{gpu_options, host, taps, tell_advice, web_config};
use crate::config::{Config, ConfigError};
use crate::discover;
use crate::servers::Target;
use crate::web::toolkit::WebConfig;

impl Conductor {
    /// Reads the config anew, all of it or nothing.
    pub(super) async fn reload(&mut self) -> Result<(), Vec<String>> {
        let options = self.options.clone();
        // Files may lie on a slow disk; meanwhile the jobs go on.
        let read = tokio::task::spawn_blocking(move || {
            let lines = |faults: Vec<ConfigError>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
            let mut new = Config::load(options.config_file.as_deref()).map_err(lines)?;
            options.hold_over(&mut new);
            let web = web_config(&new)?;
            Ok((new, web))
        });
        let read =
            read.await.unwrap_or_else(|error| Err(vec![format!("reading the config failed: {error}")]));
        let result = match read {
            Ok((new, web)) => {
                let named: Vec<_> =
                    new.targets.iter().map(|target| (target.name.clone(), target.url.clone())).collect();
                let here = discover::addresses_here(&named).await;
                // What goes with a target is kept first.
                self.totals.look().await;
                let taken = self.take(new, web, &here);
                if taken.is_ok() && !self.options.demo {
                    self.open_store().await;
                    self.ask_canaries();
                }
                taken
            }
            Err(faults) => Err(faults),
        };
        match &result {
            Ok(()) => {
                tracing::info!("the config was read anew");
                if !self.options.demo {
                    tell_advice(&self.config);
                }
            }
            Err(faults) => {
                for fault in faults {
                    tracing::error!(%fault, "the config was refused; the old one goes on");
                }
            }
        }
        let max_models = result.is_ok().then_some(self.config.max_models);
        self.fleet.record_reload(result.clone().err().unwrap_or_default(), max_models);
        result
    }

    /// Takes a new config: only the jobs that differ are stopped and started. `here`: the addresses of this
    /// machine that its targets are at.
    fn take(
        &mut self,
        new: Config,
        web: WebConfig,
        here: &[(String, SocketAddr)],
    ) -> Result<(), Vec<String>> {
        let file = new.file.as_ref().map_or_else(String::new, |file| format!("{}: ", file.display()));
        let mut faults = Vec::new();
        for (key, differs) in [
            ("listen", new.listen != self.config.listen),
            ("allow_hosts", new.allow_hosts != self.config.allow_hosts),
            // What was counted by other bounds cannot be counted anew.
            ("buckets", new.buckets != self.config.buckets),
            ("grace", new.grace != self.config.grace),
            ("paths.procfs", new.paths.procfs != self.config.paths.procfs),
            ("store.path", new.store.path != self.config.store.path),
            // Another log, or the same anew, would count twice what both hold.
            ("paths.kernel_log", new.paths.kernel_log != self.config.paths.kernel_log),
        ] {
            if differs {
                faults.push(format!("{file}{key}: cannot change while the agent runs: restart it"));
            }
        }
        faults.extend(new.targets.iter().filter_map(|target| {
            let fault = target.connect(&self.clients, self.machine.clone()).err()?;
            Some(format!("{file}target {}: {fault}", target.name))
        }));
        if !self.options.demo {
            faults.extend(taps::loops(&new, here).into_iter().map(|fault| format!("{file}{fault}")));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        // The last that can fail, before anything is changed.
        let bound = if self.options.demo { Vec::new() } else { self.bind_taps(&new, &file)? };
        self.web.store(Arc::new(web));
        if self.options.demo {
            return Ok(());
        }
        let wanted: BTreeMap<&str, &Target> =
            new.targets.iter().map(|target| (target.name.as_str(), target)).collect();
        let ports: BTreeSet<u16> = here.iter().map(|(_, address)| address.port()).collect();
        // What the new config names by another address is one server, and one target.
        let is_named =
            |target: &Target| target.url.port_or_known_default().is_some_and(|port| ports.contains(&port));
        let ends: Vec<String> = self
            .running
            .values()
            .filter(|(target, _)| match wanted.get(target.name.as_str()) {
                Some(wanted) => *wanted != target,
                None => !target.discovered || !new.discover || is_named(target),
            })
            .map(|(target, _)| target.name.clone())
            .collect();
        for name in ends {
            match wanted.get(name.as_str()) {
                // What is known of it stays if the address is the same.
                Some(_) => drop(self.running.remove(&name)),
                None => self.unwatch(&name),
            }
        }
        for target in &new.targets {
            if !self.running.contains_key(&target.name) {
                self.watch(target, Duration::ZERO).map_err(|error| vec![error.to_string()])?;
            }
        }
        let gpus_differ =
            (self.config.gpu_every, gpu_options(&self.config)) != (new.gpu_every, gpu_options(&new));
        let discovery_differs =
            (self.config.discover, self.config.discover_every) != (new.discover, new.discover_every);
        let host_differs = (self.config.host_every, host(&self.config)) != (new.host_every, host(&new));
        self.config = new;
        self.run_taps(bound);
        self.follow_logs();
        self.plan_gpus();
        self.beat_found();
        if gpus_differ {
            self.read_gpus();
        }
        if host_differs {
            self.look_at_host();
        }
        if discovery_differs {
            self.look_for_servers();
        }
        Ok(())
    }

    /// Gives the servers that were found the config's beat and limits, where they have others.
    fn beat_found(&mut self) {
        let Config { every, timeout, hung_after, .. } = self.config;
        let differ: Vec<Target> = self
            .running
            .values()
            .map(|(target, _)| target)
            .filter(|target| target.discovered)
            .map(|target| Target { every, timeout, hung_after, ..target.clone() })
            .filter(|target| self.running[&target.name].0 != *target)
            .collect();
        for target in differ {
            self.running.remove(&target.name);
            if let Err(error) = self.watch(&target, Duration::ZERO) {
                tracing::warn!(target = target.name, %error, "a server that was found cannot be watched");
            }
        }
    }
}
