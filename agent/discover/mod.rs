//! Looks for servers on this machine: the listening sockets of known processes, and the usual
//! ports. Asks each place as little as it takes to tell its kind, and each once.
//!
//! Knows neither the fleet nor the other jobs: it is told what is watched and tells what it found.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::Url;

use crate::http::{Clients, Resolver};
use crate::jobs::Job;
use crate::procs::Machine;
use crate::view::Tried;

mod here;
mod memory;
mod name;
mod process;
mod scan;
mod search;

use here::here;
pub use name::usual as usual_name;
pub use scan::{Here, Place, Scan, scan};
pub use search::{Known, Report, Search};

/// The addresses of this machine that these lead to, however they are written, each with its name.
pub async fn addresses_here(targets: &[(String, Url)]) -> Vec<(String, SocketAddr)> {
    here(&mut Resolver::default(), targets).await
}

/// Tells what is watched now.
pub type KnownNow = Arc<dyn Fn() -> Known + Send + Sync>;

/// Takes what was found. Must not block.
pub type Tell = Arc<dyn Fn(Report) + Send + Sync>;

/// The job that looks for servers on its beat.
pub struct Discover {
    search: Search,
    known: KnownNow,
    tell: Tell,
    told_empty: bool,
}

impl fmt::Debug for Discover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Discover({:?})", self.search)
    }
}

impl Discover {
    /// Looks on that machine; asks `known` at each look and tells `tell` what came of it.
    pub fn new(machine: Machine, clients: Clients, known: KnownNow, tell: Tell) -> Discover {
        Discover { search: Search::new(machine, clients), known, tell, told_empty: false }
    }

    /// Looks once and tells.
    pub async fn look(&mut self) {
        let known = (self.known)();
        let Some(report) = self.search.look(&known).await else { return };
        if report.found.is_empty() && known.targets.is_empty() && !self.told_empty {
            self.told_empty = true;
            log_empty(&report.view.tried);
        }
        (self.tell)(report);
    }
}

impl Job for Discover {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.look())
    }
}

/// Says, once, that nothing was found, what was tried, and how to go on.
fn log_empty(tried: &[Tried]) {
    let places: Vec<String> =
        tried.iter().map(|tried| format!("{} ({}): {}", tried.address, tried.why, tried.outcome)).collect();
    tracing::warn!(
        tried = places.join("; "),
        "no server found on this machine; start one, and it is found by itself, or name it in a config \
         (`opsagent config` prints an example)"
    );
}
