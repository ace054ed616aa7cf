//! The whole: the only place that knows everything there is, and starts and stops it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::discover;
use crate::fleet::{Fleet, GpuPlan};
use crate::gpus;
use crate::host::Host;
use crate::jobs::Jobs;
use crate::servers::Target;
use crate::store::Store;
use crate::usage;
use crate::view::{AgentView, View};
use crate::web::toolkit::{SharedWeb, WebConfig};
use crate::web::{self, Reload, Web};

mod advice;
mod conductor;
mod once;
mod sockets;
mod stores;
mod taps;
mod totals;

pub use advice::advice;
use conductor::{Command, Conductor};
pub use sockets::Sockets;
use taps::Taps;
use totals::Totals;

/// What is said on the command line and not in the config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Simulated servers and a recorded GPU instead of real ones.
    pub demo: bool,
    /// The config's file as it was given, read anew by a reload.
    pub config_file: Option<PathBuf>,
    /// Addresses that were given on the command line and hold over every reload.
    pub listen: Vec<SocketAddr>,
    /// The web config that was given on the command line and holds over every reload.
    pub web_config_file: Option<PathBuf>,
    /// Sockets that were bound already.
    pub sockets: Sockets,
}

/// A running agent.
#[derive(Debug)]
pub struct App {
    jobs: Jobs,
    fleet: Fleet,
    addresses: Vec<SocketAddr>,
    config: Config,
    store: Option<Store>,
    totals: Totals,
}

impl App {
    /// Binds, then starts everything. Must be called inside a runtime.
    ///
    /// # Errors
    /// An address cannot be bound, or a file that the config names cannot be used; nothing runs then.
    pub async fn start(mut config: Config, options: Options) -> anyhow::Result<App> {
        options.hold_over(&mut config);
        let shared_web = web_config(&config).map_err(|faults| anyhow::anyhow!(faults.join("\n")))?.shared();
        let mut listeners = Vec::new();
        for address in &config.listen {
            let bound = options.sockets.listen(*address).and_then(TcpListener::from_std);
            let bound = bound.map_err(|error| cannot_listen(*address, &error, "--listen or `listen`"));
            listeners.push(bound.map_err(anyhow::Error::msg)?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let fleet = Fleet::counting(about(&config, &options), config.max_models, &config.buckets);
        let counted = fleet.clone();
        let jobs = Jobs::new(Arc::new(move |job| {
            counted.counted().count_panic(job);
            tracing::error!(job, "a job panicked; its next beat comes all the same");
        }));

        let mut taps = Taps::new(fleet.clone(), jobs.clone(), options.sockets.clone());
        let bound = if options.demo { Vec::new() } else { bind_taps(&mut taps, &config).await? };
        options.sockets.tell_unused();
        if !options.demo {
            tell_advice(&config);
        }
        let (commands, inbox) = mpsc::channel(16);
        let hands = Hands {
            fleet: fleet.clone(),
            jobs: jobs.clone(),
            web: shared_web.clone(),
            commands: commands.clone(),
            taps,
        };
        let mut conductor = Conductor::new(&config, options, hands, addresses.clone());
        conductor.open_store().await;
        let (store, totals) = (conductor.store(), conductor.totals());
        conductor.start(&config, bound)?;
        jobs.serve(conductor.run(inbox, jobs.stopping()));

        let web = Web {
            fleet: fleet.clone(),
            reload: reload_through(commands),
            allow_hosts: config.allow_hosts.clone(),
            listen: addresses.clone(),
            stopping: jobs.stopping(),
        };
        for listener in listeners {
            jobs.serve(web::tls::serve(
                listener,
                web::router(web.clone()),
                shared_web.clone(),
                jobs.stopping(),
            ));
        }
        Ok(App { jobs, fleet, addresses, config, store, totals })
    }

    /// One look at everything the config names, without listening; nothing takes longer than
    /// `within`.
    ///
    /// # Errors
    /// A target's certificates or headers cannot be used.
    pub async fn poll_once(config: &Config, within: Duration) -> anyhow::Result<View> {
        once::poll_once(config, within).await
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it knows.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Runs until `stop` completes, then tells all to end, waits no longer than the grace or until
    /// `hurry` completes, and says how many had to be cut.
    pub async fn run(self, stop: impl Future<Output = ()>, hurry: impl Future<Output = ()>) -> usize {
        stop.await;
        let cut = self.jobs.stop(self.config.grace, hurry).await;
        self.totals.look().await;
        if let Some(store) = self.store {
            stores::close(store).await;
        }
        cut
    }
}

/// Why an address cannot be listened on, and what would do. `key`: what names it.
fn cannot_listen(address: SocketAddr, error: &io::Error, key: &str) -> String {
    let then = match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "; is an opsagent running there (opsagent status)? {key} in the config takes another port"
            )
        }
        ErrorKind::AddrNotAvailable => "; is it an address of this machine?".into(),
        ErrorKind::PermissionDenied => "; a port from 1024 on needs no privilege".into(),
        _ => String::new(),
    };
    format!("cannot listen on {address}: {error}{then}")
}

/// Listens for the taps, if none of them is before itself.
async fn bind_taps(taps: &mut Taps, config: &Config) -> anyhow::Result<Vec<taps::Bound>> {
    let tapped = |target: &&Target| config.taps.iter().any(|tap| tap.target == target.name);
    let tapped = config.targets.iter().filter(tapped);
    let tapped: Vec<_> = tapped.map(|target| (target.name.clone(), target.url.clone())).collect();
    let faults = taps::loops(config, &discover::addresses_here(&tapped).await);
    let bound = if faults.is_empty() { taps.bind(config) } else { Err(faults) };
    bound.map_err(|faults| anyhow::anyhow!(faults.join("\n")))
}

/// Says in the log what may not be what was meant.
fn tell_advice(config: &Config) {
    for sentence in advice(config, usage::most_open_files()) {
        tracing::warn!("{sentence}");
    }
}

fn about(config: &Config, options: &Options) -> AgentView {
    AgentView {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: Timestamp::now(),
        demo: options.demo,
        config_file: config.file.as_ref().map(|file| file.display().to_string()),
        config_ok: true,
        config_at: Timestamp::now(),
        config_errors: Vec::new(),
    }
}

impl Options {
    /// What was said on the command line holds, whatever the file says.
    fn hold_over(&self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        if self.web_config_file.is_some() {
            config.web_config_file.clone_from(&self.web_config_file);
        }
    }
}

/// TLS and passwords, as the config's file of them says. Blocks.
fn web_config(config: &Config) -> Result<WebConfig, Vec<String>> {
    config.web_config_file.as_deref().map_or_else(|| Ok(WebConfig::default()), WebConfig::load)
}

fn reload_through(commands: mpsc::Sender<Command>) -> Reload {
    Arc::new(move || {
        let commands = commands.clone();
        Box::pin(async move {
            let (answer, told) = oneshot::channel();
            let gone = |()| vec!["the agent is stopping".to_owned()];
            commands.send(Command::Reload(answer)).await.map_err(|_| gone(()))?;
            told.await.map_err(|_| gone(()))?
        })
    })
}

/// What the conductor works with.
struct Hands {
    fleet: Fleet,
    jobs: Jobs,
    web: SharedWeb,
    commands: mpsc::Sender<Command>,
    taps: Taps,
}

/// The host as the config says where it is told.
fn host(config: &Config) -> Host {
    Host::at(config.paths.procfs.clone(), config.paths.sysfs.clone(), &config.model_folders)
}

/// What the fleet is told of the GPUs by the config.
fn gpu_plan(config: &Config, backends: &[gpus::Backend]) -> GpuPlan {
    GpuPlan {
        backends: backends.iter().map(|backend| backend.name).collect(),
        expected: config.expected_gpus.clone(),
        next_model_bytes: config.next_model_bytes,
    }
}

/// What the backends of GPUs are told by the config.
fn gpu_options(config: &Config) -> gpus::Options {
    gpus::Options {
        nvml_library: config.nvml_library.clone(),
        sysfs: config.paths.sysfs.clone(),
        procfs: config.paths.procfs.clone(),
    }
}
