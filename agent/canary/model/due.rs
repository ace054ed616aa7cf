//! When something of a model is due.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::{LONG_EVERY, Model, Work};
use crate::canary::setup::Setup;

/// A beat comes this part of its length earlier or later, so that several do not fall together for ever.
const JITTER: f64 = 0.2;

impl Model {
    /// Since when something of it is due.
    pub(in crate::canary) fn next(&self, now: Instant) -> Option<Instant> {
        let follow = self.follow.iter().map(|(due, _)| *due);
        follow.chain([self.due, self.long_due]).filter(|due| *due <= now).min()
    }

    /// What is due, the beat first: what is beside it may wait.
    pub(in crate::canary) fn take_work(&mut self, now: Instant) -> Work {
        if self.due <= now {
            return Work::Beat;
        }
        if let Some(nth) = self.follow.iter().position(|(due, _)| *due <= now) {
            return Work::Follow(self.follow.remove(nth).1);
        }
        Work::Long
    }

    /// When what was done just now comes again.
    pub(in crate::canary) fn plan_next(&mut self, work: &Work, setup: &Setup) {
        let vary = |every: Duration| every.mul_f64(1.0 + JITTER * (2.0 * random() - 1.0));
        let now = Instant::now();
        match work {
            Work::Beat => self.due = now + vary(setup.plan.every),
            Work::Long => self.long_due = now + vary(LONG_EVERY.max(setup.plan.every)),
            Work::Follow(_) => {}
        }
    }
}

/// A number that nobody can foresee, 0..1.
pub(in crate::canary) fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
