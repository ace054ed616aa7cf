//! One look at everything, without a running agent: `opsagent status` beside nothing, and
//! `opsagent check --connect`.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Options, about};
use crate::config::Config;
use crate::fleet::Fleet;
use crate::gpus::{self, BACKENDS};
use crate::http::Clients;
use crate::poll::{GpuPoller, PollServer};
use crate::procs::Machine;
use crate::view::View;

/// Polls each target of the config once, and reads the GPUs; nothing takes longer than `within`.
/// With discovery on, looks for servers first.
///
/// # Errors
/// A target's certificates or headers cannot be used.
pub(super) async fn poll_once(config: &Config, within: Duration) -> anyhow::Result<View> {
    let fleet = Fleet::new(about(config, &Options::default()), config.max_models);
    let (clients, machine) = (Clients::new(), Machine::here());
    let targets = config.targets.clone();
    let mut polls = Vec::new();
    for mut target in targets {
        target.timeout = target.timeout.min(within);
        let server = target.connect(&clients, machine.clone()).map_err(anyhow::Error::msg)?;
        fleet.add(&target, false);
        polls.push(PollServer::new(&target.name, server, target.timeout, fleet.clone()));
    }
    let options = gpus::Options { nvml_library: config.nvml_library.clone() };
    let mut reads: Vec<GpuPoller> = BACKENDS
        .iter()
        .map(|backend| {
            let open = backend.opener(options.clone());
            GpuPoller::new(backend.name, open, config.gpu_every, fleet.clone()).within(within)
        })
        .collect();
    let all = async {
        tokio::join!(
            join_all(polls.iter_mut().map(PollServer::once)),
            join_all(reads.iter_mut().map(GpuPoller::once))
        )
    };
    // What has no answer by then is told as not polled.
    tokio::time::timeout(within, all).await.ok();
    Ok(fleet.view())
}
