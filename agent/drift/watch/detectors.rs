//! The evidence of each stream against one baseline.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::budgets::Budgets;
use crate::drift::baseline::Baseline;
use crate::drift::budget::{Budget, YEAR};
use crate::drift::compare::Compared;
use crate::drift::evidence::Evidence;
use crate::drift::look::SAMPLER;
use crate::drift::quality::Quality;
use crate::drift::recovery::Recovery;
use crate::drift::slow::Slow;
use crate::drift::{Plan, Stream};

mod told;

/// Runs with long prompts that a baseline needs, for them to be compared: they have two to five states.
pub const LEAST_LONG_RUNS: u64 = 12;

/// The evidence of each stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Detectors {
    /// All of a run's short answers, the sampler's among them.
    short: Evidence,
    /// The long ones. `None`: the baseline has too few of them.
    #[serde(default)]
    long: Option<Evidence>,
    /// The sampler's alone. `None`: the baseline has none.
    #[serde(default)]
    sampler: Option<Evidence>,
    /// Medians of the short answers' mean distance. `None`: texts are compared, whose share has no such scale.
    #[serde(default)]
    slow: Option<Slow>,
    /// The checks that were stable in the baseline.
    quality: Quality,
    /// Speed while nobody else used the server. `None`: the baseline has too few such runs.
    #[serde(default)]
    performance: Option<Evidence>,
    /// Since when δ is spent: after a year there is as much again. `None`: not known, of an earlier version.
    #[serde(default)]
    since: Option<Timestamp>,
}

/// What a run adds to each detector.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    pub short: Option<bool>,
    pub long: Option<bool>,
    pub sampler: Option<bool>,
    pub slower: Option<bool>,
    /// The short answers' mean distance, and the tolerance of its medians.
    pub score: Option<(f64, f64)>,
}

impl Steps {
    pub(super) fn of(compared: &Compared) -> Steps {
        Steps { short: compared.short, long: compared.long, sampler: compared.sampler, ..Steps::default() }
    }
}

impl Detectors {
    /// For a baseline that is made anew by a person's word: nothing of δ is spent.
    pub(super) fn new(baseline: &Baseline, plan: &Plan, now: Timestamp) -> Detectors {
        Detectors { since: Some(now), ..Detectors::of(baseline, &Budgets::of(plan)) }
    }

    /// For one that follows by itself: what those before it took of δ is gone, but for what came with the time.
    pub(super) fn following(&self, baseline: &Baseline, plan: &Plan, now: Timestamp) -> Detectors {
        let mut budgets = Budgets::of(plan);
        let since = self.since.unwrap_or(now);
        let years = now.duration_since(since).as_secs_f64().max(0.0) / YEAR;
        let left =
            |budget: &mut Budget, left: f64| budget.delta = (left + years * budget.delta).min(budget.delta);
        left(&mut budgets.short, self.short.left());
        left(&mut budgets.quality, self.quality.left());
        for (budget, evidence) in [
            (&mut budgets.long, &self.long),
            (&mut budgets.sampler, &self.sampler),
            (&mut budgets.performance, &self.performance),
        ] {
            left(budget, evidence.as_ref().map_or(budget.delta, Evidence::left));
        }
        let slow = self.slow.as_ref().map_or(budgets.slow.delta, Slow::left);
        left(&mut budgets.slow, slow);
        Detectors { since: Some(now), ..Detectors::of(baseline, &budgets) }
    }

    fn of(baseline: &Baseline, budgets: &Budgets) -> Detectors {
        // Those that were left out of it count against the bound: else benign ones among them would raise alarms.
        let (exceeding, runs) = (baseline.exceeding, baseline.runs + baseline.exceeding);
        let long_runs = baseline.long_runs + baseline.long_exceeding;
        let long = baseline.long_runs >= LEAST_LONG_RUNS;
        let stable = baseline.checks.iter().filter(|(_, record)| record.is_stable());
        let checks =
            stable.map(|(canary, record)| (canary.clone(), record.asked - record.passed, record.asked));
        Detectors {
            short: Evidence::new(exceeding, runs, budgets.short),
            long: long.then(|| Evidence::new(baseline.long_exceeding, long_runs, budgets.long)),
            sampler: baseline
                .canaries
                .contains_key(SAMPLER)
                .then(|| Evidence::new(exceeding, runs, budgets.sampler)),
            slow: (!baseline.text_mode).then(|| Slow::new(budgets.slow)),
            quality: Quality::new(checks, budgets.quality),
            performance: baseline.band.map(|_| Evidence::new(0, baseline.idle_runs, budgets.performance)),
            since: None,
        }
    }

    /// Another beat or another number of allowed alarms.
    pub(super) fn replan(&mut self, plan: &Plan) {
        let budgets = Budgets::of(plan);
        self.short.set_threshold(budgets.short.threshold);
        self.quality.set_threshold(budgets.quality.threshold);
        for (evidence, budget) in [
            (&mut self.long, budgets.long),
            (&mut self.sampler, budgets.sampler),
            (&mut self.performance, budgets.performance),
        ] {
            if let Some(evidence) = evidence {
                evidence.set_threshold(budget.threshold);
            }
        }
        if let Some(slow) = &mut self.slow {
            slow.set_threshold(budgets.slow.threshold);
        }
    }

    /// For a new baseline of the fingerprint alone: what is known of checks and speed goes on.
    pub(super) fn renewed(self, baseline: &Baseline, plan: &Plan, now: Timestamp) -> Detectors {
        let following = self.following(baseline, plan, now);
        let Detectors { quality, performance, .. } = self;
        Detectors { quality, performance: performance.or(following.performance), ..following }
    }

    /// The evidence of checks, whose list may change while a baseline is in force.
    pub(super) fn quality(&mut self) -> &mut Quality {
        &mut self.quality
    }

    /// Takes in whether a graded answer failed. If that raises the alarm of quality, what is to pass for it to end.
    pub(super) fn graded(&mut self, canary: &str, failed: bool) -> Option<Recovery> {
        self.quality.observe(canary, failed)
    }

    /// Takes a run in: the streams that raise an alarm by it. A stream that holds one takes nothing in: those runs are
    /// neither evidence nor benign.
    pub(super) fn observe(&mut self, steps: Steps, latched: impl Fn(Stream) -> bool) -> Vec<Stream> {
        let mut raised = Vec::new();
        let only_sampler = steps.sampler == Some(true) && steps.short != Some(true);
        let any = match (steps.short, steps.sampler) {
            (None, None) => None,
            (short, sampler) => Some(short == Some(true) || sampler == Some(true)),
        };
        let fast = latched(Stream::FingerprintFast);
        let own = latched(Stream::Sampling);
        // One test over all short answers is found sooner than two with a part of the budget each; where the sampler's
        // alone raised it, the alarm is that stream's.
        if let Some(exceeds) = any.filter(|_| !(fast || own && only_sampler))
            && self.short.observe(exceeds)
        {
            raised.push(if only_sampler { Stream::Sampling } else { Stream::FingerprintFast });
        }
        if let (Some(evidence), Some(exceeds)) = (&mut self.long, steps.long.filter(|_| !fast))
            && evidence.observe(exceeds)
        {
            raised.push(Stream::FingerprintFast);
        }
        if let (Some(evidence), Some(exceeds)) = (&mut self.sampler, steps.sampler.filter(|_| !own))
            && evidence.observe(exceeds)
        {
            raised.push(Stream::Sampling);
        }
        if let (Some(slow), Some((score, tolerance))) = (&mut self.slow, steps.score)
            && !latched(Stream::FingerprintSlow)
            && !fast
            && slow.observe(score, tolerance)
        {
            raised.push(Stream::FingerprintSlow);
        }
        if let (Some(evidence), Some(slower)) = (&mut self.performance, steps.slower)
            && !latched(Stream::Performance)
            && evidence.observe(slower)
        {
            raised.push(Stream::Performance);
        }
        raised.sort_unstable();
        raised.dedup();
        raised
    }
}
