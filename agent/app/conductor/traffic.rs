//! What the conductor does for real traffic: taps, what is promised, and the beat that counts what ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Conductor;
use crate::app::taps::Bound;
use crate::config::Config;
use crate::fleet::{Fleet, TrafficPlan};
use crate::jobs::Job;

/// How often what ended is counted, also while nobody asks.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// Counts what ended.
struct Settle(Fleet);

impl Job for Settle {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.0.settle() })
    }
}

impl Conductor {
    /// Starts the beat that counts what ended.
    pub(super) fn settle_requests(&mut self) {
        let job = Settle(self.fleet.clone());
        self.settle = Some(self.jobs.every("count requests", SETTLE_EVERY, SETTLE_EVERY, job));
    }

    /// Listens for the taps of a new config, and changes nothing else: what was bound is closed if it is dropped.
    pub(super) fn bind_taps(&mut self, new: &Config, file: &str) -> Result<Vec<Bound>, Vec<String>> {
        let bound = self.taps.bind(new);
        bound.map_err(|faults| faults.into_iter().map(|fault| format!("{file}{fault}")).collect())
    }

    /// Runs the taps as the config says, and tells the fleet what is promised. The targets must be watched.
    pub(in crate::app) fn run_taps(&mut self, bound: Vec<Bound>) {
        self.fleet.plan_traffic(TrafficPlan { slos: self.config.slos.clone() });
        self.taps.take(&self.config, bound);
        let own = self.listen.iter().copied().chain(self.taps.addresses());
        self.own.store(Arc::new(own.collect()));
    }
}
