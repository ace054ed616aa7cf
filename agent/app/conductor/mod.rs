//! Keeps the jobs as the config and discovery want them: one task owns the list, so it needs no lock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::canaries::Canaries;
use super::taps::{Bound, Taps};
use super::totals::Totals;
use super::{Hands, Options, gpu_options, gpu_plan};
use crate::config::{Config, LogTail};
use crate::demo;
use crate::discover::{Discover, Known, Report};
use crate::fleet::{ExpectedGpus, Fleet, TrafficPlan};
use crate::gpus::{self, Backend};
use crate::http::Clients;
use crate::jobs::{JobHandle, Jobs};
use crate::owners::Owners;
use crate::poll::{GpuPoller, KERNEL_LOG_EVERY, ListenToKernel, PollServer, Whose, listen_to_driver};
use crate::procs::{Machine, accepts};
use crate::servers::{Server, Target};
use crate::view::DiscoveryView;
use crate::web::toolkit::SharedWeb;

mod canaries;
mod host;
mod logs;
mod reload;
#[cfg(test)]
mod tests;
mod traffic;

/// How often it is looked whether a server that was found has been gone for too long.
const FORGET_BEAT: Duration = Duration::from_secs(5);

/// So many targets are polled at once at the start; the others are spread over their beat.
const AT_ONCE: usize = 16;

/// What the conductor is asked.
#[derive(Debug)]
pub(super) enum Command {
    /// Servers that discovery found, and targets that are one server, by name.
    Found(Vec<Target>, Vec<Vec<String>>),
    /// Read the config anew; the answer is its faults.
    Reload(oneshot::Sender<Result<(), Vec<String>>>),
}

/// Starts and stops the jobs.
pub(super) struct Conductor {
    config: Config,
    options: Options,
    fleet: Fleet,
    jobs: Jobs,
    web: SharedWeb,
    commands: mpsc::Sender<Command>,
    listen: Vec<SocketAddr>,
    clients: Clients,
    machine: Machine,
    running: BTreeMap<String, (Target, JobHandle)>,
    gpus: Vec<JobHandle>,
    /// Looks at the host.
    host: Option<JobHandle>,
    /// Listens to the kernel's log, while the config wants it.
    kernel_log: Option<JobHandle>,
    /// Looks for servers, while the config wants it.
    discover: Option<JobHandle>,
    /// What is watched, for discovery to know.
    watched: Arc<ArcSwap<Vec<(String, Url)>>>,
    /// Where the agent itself listens, its taps included: no server of a user's.
    own: Arc<ArcSwap<Vec<SocketAddr>>>,
    taps: Taps,
    /// The logs that are followed.
    logs: BTreeMap<LogTail, JobHandle>,
    /// Counts the requests that ended.
    settle: Option<JobHandle>,
    canaries: Canaries,
    totals: Totals,
}

impl Conductor {
    pub(super) fn new(config: &Config, options: Options, hands: Hands, listen: Vec<SocketAddr>) -> Conductor {
        let Hands { fleet, jobs, web, commands, taps } = hands;
        Conductor {
            config: config.clone(),
            options,
            totals: Totals::new(fleet.clone()),
            fleet,
            jobs,
            web,
            commands,
            clients: Clients::new(),
            machine: Machine::at(&config.paths.procfs),
            running: BTreeMap::new(),
            gpus: Vec::new(),
            host: None,
            kernel_log: None,
            discover: None,
            watched: Arc::default(),
            own: Arc::new(ArcSwap::from_pointee(listen.clone())),
            listen,
            taps,
            logs: BTreeMap::new(),
            settle: None,
            canaries: Canaries::new(),
        }
    }

    /// Starts what the config wants, or the demo. `bound`: the sockets of its taps.
    pub(super) fn start(&mut self, config: &Config, bound: Vec<Bound>) -> anyhow::Result<()> {
        self.plan_gpus();
        self.read_gpus();
        self.look_at_host();
        self.listen_to_kernel();
        self.settle_requests();
        if self.options.demo {
            self.fleet.plan_traffic(TrafficPlan { slos: demo::slos() });
            for (target, server) in demo::targets(&self.fleet) {
                self.poll(&target, server, Duration::ZERO);
            }
            self.ask_canaries();
            return Ok(());
        }
        let many = config.targets.len().max(1) as u32;
        for (nth, target) in config.targets.iter().enumerate() {
            let delay = if nth < AT_ONCE { Duration::ZERO } else { target.every * nth as u32 / many };
            self.watch(target, delay).with_context(|| format!("target {}", target.name))?;
        }
        self.run_taps(bound);
        self.follow_logs();
        self.ask_canaries();
        self.look_for_servers();
        Ok(())
    }

    /// Runs until the agent stops.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, stop: CancellationToken) {
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
        let mut forget = tokio::time::interval(FORGET_BEAT);
        loop {
            let hung_up = async {
                match &mut hangup {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                command = inbox.recv() => match command {
                    Some(Command::Found(targets, same)) => {
                        self.join(&same);
                        self.found(targets);
                    }
                    Some(Command::Reload(answer)) => {
                        // Whoever asked may have gone; the reload holds all the same.
                        answer.send(self.reload().await).ok();
                    }
                    None => return,
                },
                _ = hung_up => {
                    self.reload().await.ok();
                }
                _ = forget.tick() => self.forget(),
            }
        }
    }

    fn watch(&mut self, target: &Target, delay: Duration) -> Result<(), anyhow::Error> {
        let server = target.connect(&self.clients, self.machine.clone()).map_err(anyhow::Error::msg)?;
        self.fleet.add(target, false);
        self.poll(target, server, delay);
        Ok(())
    }

    fn poll(&mut self, target: &Target, server: Box<dyn Server>, delay: Duration) {
        let job = PollServer::new(&target.name, server, target.timeout, self.fleet.clone());
        let handle = self.jobs.every(format!("poll {}", target.name), delay, target.every, job);
        self.running.insert(target.name.clone(), (target.clone(), handle));
        self.tell_watched();
    }

    fn tell_watched(&self) {
        let watched = self.running.values().map(|(target, _)| (target.name.clone(), target.url.clone()));
        self.watched.store(Arc::new(watched.collect()));
    }

    /// Starts the job that looks for servers, or stops it, as the config wants.
    fn look_for_servers(&mut self) {
        if !self.config.discover {
            self.discover = None;
            self.fleet.record_discovery(DiscoveryView::default());
            return;
        }
        let (watched, own) = (self.watched.clone(), self.own.clone());
        let known = move || Known { targets: watched.load().to_vec(), own: own.load().to_vec() };
        let (fleet, commands) = (self.fleet.clone(), self.commands.clone());
        let tell = move |report: Report| {
            fleet.record_discovery(report.view);
            if !report.found.is_empty() || !report.same.is_empty() {
                // What has no room now is told again at the next look.
                commands.try_send(Command::Found(report.found, report.same)).ok();
            }
        };
        let job = Discover::new(self.machine.clone(), self.clients.clone(), Arc::new(known), Arc::new(tell));
        self.discover = Some(self.jobs.every("discover", Duration::ZERO, self.config.discover_every, job));
    }

    fn read_gpus(&mut self) {
        let paths = &self.config.paths;
        let any = gpus::any_device(&paths.sysfs, &paths.procfs);
        self.fleet.record_devices(any, gpus::without_driver(&paths.sysfs));
        let every = self.config.gpu_every;
        let options = gpu_options(&self.config);
        let backends = self.backends();
        self.gpus = backends
            .iter()
            .map(|backend| {
                let open = backend.opener(options.clone());
                let whose = Whose::by(Owners::new(self.machine.clone()));
                let listen = listen_to_driver(backend.name, self.fleet.clone());
                let job = GpuPoller::new(backend.name, open, every, self.fleet.clone());
                // The demo's cards tell by themselves who uses them: no such process is on this machine.
                let job = if self.options.demo { job } else { job.joined_by(whose) };
                let job = job.telling(listen);
                self.jobs.every(format!("read {}", backend.name), Duration::ZERO, every, job)
            })
            .collect();
    }

    /// Starts the job that listens to the kernel's log, or stops it, as the config wants. A demo's card has no
    /// kernel behind it.
    fn listen_to_kernel(&mut self) {
        let place = self.config.paths.kernel_log.place().filter(|_| !self.options.demo);
        if place.is_none() {
            self.fleet.forget_kernel_log();
        }
        self.kernel_log = place.map(|place| {
            let job = ListenToKernel::new(place, self.fleet.clone());
            self.jobs.every("listen to the kernel", Duration::ZERO, KERNEL_LOG_EVERY, job)
        });
    }

    fn backends(&self) -> &'static [Backend] {
        if self.options.demo { &[gpus::replay::BACKEND] } else { gpus::BACKENDS }
    }

    /// Tells the fleet which GPUs are expected, and which model. Nobody expects a real card of a demo.
    fn plan_gpus(&self) {
        let mut plan = gpu_plan(&self.config, self.backends());
        if self.options.demo {
            plan.expected = ExpectedGpus::Any;
        }
        self.fleet.plan_gpus(plan);
    }

    fn unwatch(&mut self, name: &str) {
        self.running.remove(name);
        self.fleet.remove(name);
        self.forget_asked(name);
        self.tell_watched();
    }

    /// Watches what was found, with the config's own beat and limits.
    fn found(&mut self, targets: Vec<Target>) {
        for found in targets {
            let Config { every, timeout, hung_after, .. } = self.config;
            let target = Target { every, timeout, hung_after, ..found };
            if self.running.contains_key(&target.name) || self.is_own(&target.url) {
                continue;
            }
            let kind = target.kind.map_or("unknown", |kind| kind.name);
            tracing::info!(target = target.name, kind, url = target.shown_url(), "found a server");
            if let Err(error) = self.watch(&target, Duration::ZERO) {
                tracing::warn!(target = target.name, %error, "a server that was found cannot be watched");
            }
        }
        self.ask_canaries();
    }

    /// Whether the agent itself listens there: a look that began before a reload took its new tap for a server.
    fn is_own(&self, url: &Url) -> bool {
        let found = url.socket_addrs(|| None).unwrap_or_default();
        found.iter().any(|at| self.own.load().iter().any(|own| accepts(*own, *at)))
    }

    /// Of targets that are one server, those that were found give way to the one that the config
    /// names: the look that found them may have begun before a reload, or its name may not have
    /// resolved then.
    fn join(&mut self, same: &[Vec<String>]) {
        let discovered = |running: &BTreeMap<String, (Target, JobHandle)>, name: &String| {
            running.get(name).map(|(target, _)| target.discovered)
        };
        for names in same {
            let Some(named) = names.iter().find(|name| discovered(&self.running, name) == Some(false)) else {
                continue;
            };
            for name in names.iter().filter(|name| *name != named) {
                if discovered(&self.running, name) == Some(true) {
                    tracing::info!(target = name, "a server that was found is target {named} of the config");
                    self.unwatch(name);
                }
            }
        }
    }

    fn forget(&mut self) {
        let gone: Vec<String> = self
            .running
            .values()
            .filter(|(target, _)| target.discovered)
            .filter(|(target, _)| {
                self.fleet.silent_for(&target.name).is_some_and(|silent| silent >= self.config.forget_after)
            })
            .map(|(target, _)| target.name.clone())
            .collect();
        for name in gone {
            tracing::info!(target = name, "a server that was found is gone for too long, and forgotten");
            self.unwatch(&name);
        }
    }
}
