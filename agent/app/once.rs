//! One look at everything, without a running agent: `opsagent status` beside nothing, and
//! `opsagent check --connect`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use url::Url;

use super::{Options, about, gpu_options, gpu_plan, host};
use crate::config::Config;
use crate::discover::{Known, Report, Search};
use crate::fleet::Fleet;
use crate::gpus::BACKENDS;
use crate::http::Clients;
use crate::owners::Owners;
use crate::poll::{GpuPoller, HostPoller, ListenToKernel, PollServer, Whose};
use crate::procs::Machine;
use crate::servers::Target;
use crate::view::{DiscoveryView, View};

/// Polls each target of the config once, reads the GPUs and looks at the host; nothing takes longer
/// than `within`. With discovery on, looks for servers first.
///
/// # Errors
/// A target's certificates or headers cannot be used.
pub(super) async fn poll_once(config: &Config, within: Duration) -> anyhow::Result<View> {
    let fleet = Fleet::new(about(config, &Options::default()), config.max_models);
    let (clients, machine) = (Clients::new(), Machine::at(&config.paths.procfs));
    let start = Instant::now();
    let mut targets = config.targets.clone();
    if config.discover {
        let report = look(&targets, &clients, &machine, within).await;
        targets.extend(report.found);
        fleet.record_discovery(report.view);
    }
    let within = within.saturating_sub(start.elapsed());
    let mut polls = Vec::new();
    for mut target in targets {
        target.timeout = target.timeout.min(within);
        let server = target.connect(&clients, machine.clone()).map_err(anyhow::Error::msg)?;
        fleet.add(&target, false);
        polls.push(PollServer::new(&target.name, server, target.timeout, fleet.clone()));
    }
    fleet.plan_gpus(gpu_plan(config, BACKENDS));
    let options = gpu_options(config);
    let mut reads: Vec<GpuPoller> = BACKENDS
        .iter()
        .map(|backend| {
            let open = backend.opener(options.clone());
            let whose = Whose::by(Owners::new(machine.clone()));
            let poller = GpuPoller::new(backend.name, open, config.gpu_every, fleet.clone());
            poller.within(within).joined_by(whose)
        })
        .collect();
    let mut host =
        HostPoller::new(Arc::new(host(config)), config.host_every, fleet.clone()).within(within / 2);
    let listener = |place| ListenToKernel::new(place, fleet.clone()).within(within);
    let mut kernel_log = config.paths.kernel_log.place().map(listener);
    let listen = async {
        if let Some(log) = &mut kernel_log {
            log.once().await;
        }
    };
    let polls = join_all(polls.iter_mut().map(PollServer::once));
    // A target that has no answer by then is told as not polled; a driver that has none tells so itself.
    let polls = tokio::time::timeout(within, polls);
    let reads = join_all(reads.iter_mut().map(GpuPoller::once));
    tokio::join!(polls, reads, host.once(), listen).0.ok();
    Ok(fleet.view())
}

/// One look for servers. What is not done by then is told as not tried.
async fn look(targets: &[Target], clients: &Clients, machine: &Machine, within: Duration) -> Report {
    let targets: Vec<(String, Url)> =
        targets.iter().map(|target| (target.name.clone(), target.url.clone())).collect();
    let known = Known { targets, own: Vec::new() };
    let mut search = Search::new(machine.clone(), clients.clone());
    let report = tokio::time::timeout(within, search.look(&known)).await.ok().flatten();
    let nothing = || Report {
        found: Vec::new(),
        same: Vec::new(),
        view: DiscoveryView { enabled: true, ..DiscoveryView::default() },
    };
    report.unwrap_or_else(nothing)
}
