//! What the fleet is told of real traffic.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Live, Traffic, TrafficPlan, World};
use crate::fleet::{Fleet, Known};
use crate::sample::Source;
use crate::view::TapView;

impl Fleet {
    /// Where whoever sees a target's requests writes them down. `None`: there is no such target.
    pub fn live(&self, target: &str, source: Source) -> Option<Arc<Live>> {
        let Known { targets, max_models, traffic, .. } = &mut *self.lock();
        let world = self.world(traffic, *max_models);
        let entry = targets.get_mut(target)?;
        let live = entry.traffic.live(target, source, &world);
        entry.expect(&world);
        Some(live)
    }

    /// What the config says of real traffic: what is promised.
    pub fn plan_traffic(&self, plan: TrafficPlan) {
        let Known { targets, max_models, traffic, .. } = &mut *self.lock();
        let before = std::mem::replace(traffic, plan);
        for slo in before.slos.iter().filter(|slo| !traffic.slos.iter().any(|one| one.name == slo.name)) {
            self.counted().traffic.forget_slo(&slo.name);
        }
        let world = self.world(traffic, *max_models);
        for (name, entry) in targets.iter_mut().filter(|_| before != *traffic) {
            entry.traffic.replan(name, &world);
        }
    }

    /// A tap listens in front of the target, or cannot, and why.
    pub fn record_tap(&self, target: &str, listen: &[SocketAddr], error: Option<String>) {
        let open = listen.iter().any(|address| !address.ip().is_loopback());
        let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
        let tap = TapView { listen: listen.join(", "), open, error, connections: 0 };
        self.with_traffic(target, |traffic| traffic.tap = Some(tap));
    }

    /// The target has no tap any more.
    pub fn forget_tap(&self, target: &str) {
        self.with_traffic(target, Traffic::forget_tap);
    }

    /// The target's log is followed, or cannot be, and why.
    pub fn record_log(&self, target: &str, place: impl Into<String>, error: Option<String>) {
        self.with_traffic(target, |traffic| traffic.record_log(place.into(), error));
    }

    /// The target's log is followed no more.
    pub fn forget_log(&self, target: &str) {
        self.with_traffic(target, Traffic::forget_log);
    }

    /// Counts what ended since the last time. Cheap: a view does it too, and so whoever asks after an end sees it;
    /// it is called each second, so that what waits to be counted stays short.
    pub fn settle(&self) {
        self.settle_all(&mut self.lock());
    }

    pub(in crate::fleet) fn settle_all(&self, known: &mut Known) {
        let Known { targets, gone, max_models, traffic, .. } = known;
        let world = self.world(traffic, *max_models);
        for entry in targets.values_mut() {
            entry.settle(&world);
        }
        gone.settle(self.counted());
    }

    fn with_traffic(&self, target: &str, change: impl FnOnce(&mut Traffic)) {
        if let Some(entry) = self.lock().targets.get_mut(target) {
            change(&mut entry.traffic);
        }
    }

    /// As of now.
    pub(in crate::fleet) fn world<'a>(&'a self, plan: &'a TrafficPlan, max_models: usize) -> World<'a> {
        World { plan, counted: self.counted(), max_models, now: Instant::now(), at: Timestamp::now() }
    }
}
