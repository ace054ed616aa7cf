//! Who is asked by canaries, as the config wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Conductor;
use crate::app::stores;
use crate::app::totals::{self, Totals};
use crate::canary::asker::Limits;
use crate::canary::{Beat, Beats, Memory, Plan, RUNS_AT_ONCE, TICK};
use crate::demo;
use crate::fleet::Fleet;
use crate::jobs::{Job, JobHandle};
use crate::servers::Target;
use crate::store::Store;
use crate::suite::Own;

/// How often it is looked how the store fares.
const STORE_EVERY: Duration = Duration::from_secs(2);

/// What asks, by target.
pub(super) struct Canaries {
    store: Option<Store>,
    /// Grows each time somebody else wrote to it.
    writes: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
    asked: BTreeMap<String, Asked>,
    /// Tells how the store fares, or plays the demo.
    job: Option<JobHandle>,
    /// Keeps totals in the store.
    keep: Option<JobHandle>,
}

/// A target whose models are asked.
struct Asked {
    target: Target,
    plan: Plan,
    own: Vec<Own>,
    /// It began with a store: one that opens later is for those, too, that are asked already.
    stored: bool,
    memory: Memory,
    _job: JobHandle,
}

/// Tells how the store fares, and counts when somebody else wrote to it.
struct TellStore(Fleet, Store, Arc<AtomicU64>);

impl Job for TellStore {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.record_store(Some(stores::view(&self.1)));
            // Out of time, its disk hangs: the next look asks again, and each look of a beat reads what is there.
            if timeout(STORE_EVERY, self.1.changed_by_others()).await == Ok(true) {
                self.2.fetch_add(1, Ordering::Relaxed);
            }
        })
    }
}

impl Canaries {
    pub(super) fn new() -> Canaries {
        let gate = Arc::new(Semaphore::new(RUNS_AT_ONCE));
        let writes = Arc::default();
        Canaries { store: None, writes, gate, asked: BTreeMap::new(), job: None, keep: None }
    }
}

impl Conductor {
    /// Opens the store, if models are to be asked or the config names its place, and none is open yet. Without one
    /// they are asked all the same.
    pub(in crate::app) async fn open_store(&mut self) {
        let wanted = self.config.canaries.enabled || self.config.store.path.is_some();
        if !wanted || self.options.demo {
            return;
        }
        if let Some(store) = &self.canaries.store {
            store.keep(self.config.store.retention);
            return;
        }
        match stores::open(&self.config).await {
            Ok(store) => {
                let job = TellStore(self.fleet.clone(), store.clone(), Arc::clone(&self.canaries.writes));
                self.canaries.job =
                    Some(self.jobs.every("look at the store", Duration::ZERO, STORE_EVERY, job));
                self.totals.keep_in(store.clone()).await;
                let (first, every) = (totals::FIRST, totals::EVERY);
                self.canaries.keep = Some(self.jobs.every("keep totals", first, every, self.totals.clone()));
                self.canaries.store = Some(store);
            }
            Err(view) => {
                let error = view.error.clone().unwrap_or_default();
                tracing::error!(
                    error,
                    "the store cannot be used: what canaries learn is lost with the agent's end"
                );
                self.fleet.record_store(Some(view));
            }
        }
    }

    /// The store that was opened at the start.
    pub(in crate::app) fn store(&self) -> Option<Store> {
        self.canaries.store.clone()
    }

    /// Who keeps totals.
    pub(in crate::app) fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// Asks the models of those targets that the config names: starts what is new, stops what is not wanted any more,
    /// and leaves the rest as it is.
    pub(super) fn ask_canaries(&mut self) {
        if self.options.demo {
            let job = demo::Canaries::new(self.fleet.clone());
            self.canaries.job = Some(self.jobs.every("play canaries", demo::EVERY, demo::EVERY, job));
            return;
        }
        let plan = &self.config.canaries;
        let wanted: BTreeSet<&String> = self.running.keys().filter(|name| plan.wants_target(name)).collect();
        let gone: Vec<String> =
            self.canaries.asked.keys().filter(|name| !wanted.contains(name)).cloned().collect();
        for name in gone {
            self.canaries.asked.remove(&name);
            self.fleet.forget_canaries(&name);
        }
        let own = &self.config.own_canaries;
        let stored = self.canaries.store.is_some();
        for name in wanted {
            let (target, _) = &self.running[name];
            let before = self.canaries.asked.remove(name);
            let same = |asked: &Asked| {
                asked.target == *target && asked.plan == *plan && asked.own == *own && asked.stored == stored
            };
            if before.as_ref().is_some_and(|asked| !same(asked)) {
                tracing::info!(target = name, "canaries are asked by another plan, or have a store by now");
            }
            let asked = match before {
                Some(asked) if same(&asked) => asked,
                before => self.ask(target, before.map(|asked| asked.memory).unwrap_or_default()),
            };
            self.canaries.asked.insert(name.clone(), asked);
        }
    }

    /// The target is watched no more.
    pub(super) fn forget_asked(&mut self, target: &str) {
        self.canaries.asked.remove(target);
    }

    fn ask(&self, target: &Target, memory: Memory) -> Asked {
        let Canaries { store, writes, gate, .. } = &self.canaries;
        let (plan, own) = (self.config.canaries.clone(), self.config.own_canaries.clone());
        let beats = Beats {
            target: target.clone(),
            plan: Arc::new(plan.clone()),
            own: Arc::new(own.clone()),
            fleet: self.fleet.clone(),
            clients: self.clients.clone(),
            machine: self.machine.clone(),
            store: store.clone(),
            writes: Arc::clone(writes),
            gate: Arc::clone(gate),
            limits: Limits::default(),
        };
        let job = Beat::new(beats, memory.clone());
        let job = self.jobs.every(format!("ask the models of {}", target.name), TICK, TICK, job);
        Asked { target: target.clone(), plan, own, stored: store.is_some(), memory, _job: job }
    }
}
