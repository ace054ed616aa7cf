//! What each detector may spend of the false alarms that are allowed.

use crate::drift::budget::Budget;
use crate::drift::slow::BLOCK;
use crate::drift::{Plan, Stream};

/// The part of the fast fingerprint's budget that goes to its long prompts: they are asked once an hour, apart, and
/// never averaged with the short ones, since they carry the noise.
const LONG_PART: f64 = 0.1;

/// Seconds from one run with the long prompts to the next.
const LONG_EVERY: f64 = 3600.0;

/// Looks beside the beat that may count as evidence, for the time of each beat: a person's and those that look again.
/// They add to the runs a year for which the false alarms are promised, and so the thresholds are set for as many more.
pub(super) const EXTRA: f64 = 0.02;

/// Graded answers in the time of a beat that the quality's threshold is set for: two of the beat, and as many that are asked
/// again when a check that always passed failed.
pub(super) const ANSWERS: f64 = 4.0;

/// Seconds from one run with the long prompts to the next: a beat that is longer asks them each time.
pub(super) fn long_every(plan: &Plan) -> f64 {
    LONG_EVERY.max(plan.every_seconds)
}

/// What each detector may spend.
pub(super) struct Budgets {
    pub short: Budget,
    pub long: Budget,
    pub sampler: Budget,
    pub slow: Budget,
    pub quality: Budget,
    pub performance: Budget,
}

impl Budgets {
    pub(super) fn of(plan: &Plan) -> Budgets {
        let beat = plan.every_seconds / (1.0 + EXTRA);
        let of = |stream, seconds| Budget::of(stream, plan.alarms_a_year, seconds);
        let part = |budget: Budget, part: f64| Budget {
            threshold: budget.threshold - part.ln(),
            delta: budget.delta * part,
        };
        Budgets {
            short: part(of(Stream::FingerprintFast, beat), 1.0 - LONG_PART),
            long: part(of(Stream::FingerprintFast, long_every(plan) / (1.0 + EXTRA)), LONG_PART),
            sampler: of(Stream::Sampling, beat),
            slow: of(Stream::FingerprintSlow, beat * BLOCK as f64),
            quality: of(Stream::Quality, plan.every_seconds / ANSWERS),
            performance: of(Stream::Performance, beat),
        }
    }
}
