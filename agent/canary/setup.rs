//! What a beat stands on.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

use super::Plan;
use super::asker::Limits;
use crate::drift;
use crate::fleet::{Fleet, Live};
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::Source;
use crate::servers::{Kind, Target};
use crate::store::Store;
use crate::suite::{Own, Suite};

/// What a beat stands on.
#[derive(Debug, Clone)]
pub struct Beats {
    /// The target.
    pub target: Target,
    /// What the config says.
    pub plan: Arc<Plan>,
    /// The config's own canaries.
    pub own: Arc<Vec<Own>>,
    /// Where what is found is told.
    pub fleet: Fleet,
    /// The ways to servers.
    pub clients: Clients,
    /// This machine.
    pub machine: Machine,
    /// What outlives a restart. `None`: nothing does.
    pub store: Option<Store>,
    /// Grows each time somebody else wrote to the store, such as a command at a shell.
    pub writes: Arc<AtomicU64>,
    /// So many runs at once, over all targets: [`RUNS_AT_ONCE`](super::RUNS_AT_ONCE).
    pub gate: Arc<Semaphore>,
    /// How long questions and loads may take.
    pub limits: Limits,
}

/// The same, with the kind that the server was found to be.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) beats: Beats,
    pub(super) kind: &'static Kind,
}

impl std::ops::Deref for Setup {
    type Target = Beats;

    fn deref(&self) -> &Beats {
        &self.beats
    }
}

impl Beats {
    /// What drift is told of a model.
    pub(super) fn drift_plan(&self, model: &str) -> drift::Plan {
        let plan = drift::Plan::new(&self.target.name, model, self.plan.every);
        drift::Plan { alarms_a_year: self.plan.false_alarms_per_year, ..plan }
    }

    /// All that a model is asked.
    pub(super) fn suite(&self, model: &str) -> Suite {
        Suite::of(&self.own, self.plan.builtin, &self.target.name, model)
    }

    /// Where generations are written down. `None`: the target is gone.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.fleet.live(&self.target.name, Source::Canary)
    }
}
