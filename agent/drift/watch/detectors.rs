//! The evidence of each stream against one baseline.

use serde::{Deserialize, Serialize};

use crate::drift::baseline::Baseline;
use crate::drift::budget::Budget;
use crate::drift::compare::Compared;
use crate::drift::evidence::Evidence;
use crate::drift::look::SAMPLER;
use crate::drift::{Plan, Stream, StreamState};

/// The part of the fast fingerprint's budget that goes to its long prompts: they are asked once an hour, apart, and
/// never averaged with the short ones, since they carry the noise.
const LONG_PART: f64 = 0.1;

/// Seconds from one run with the long prompts to the next.
const LONG_EVERY: f64 = 3600.0;

/// Runs with long prompts that a baseline needs, for them to be compared: they have two to five states.
const LEAST_LONG_RUNS: u64 = 12;

/// Looks beside the beat that may count as evidence, for each beat: a person's and those that look again. They add to
/// the runs a year for which the false alarms are promised, and so the thresholds are set for as many more.
pub(super) const EXTRA: f64 = 0.02;

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
}

/// What a run adds to each detector.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    pub short: Option<bool>,
    pub long: Option<bool>,
    pub sampler: Option<bool>,
}

impl Steps {
    pub(super) fn of(compared: &Compared) -> Steps {
        Steps { short: compared.short, long: compared.long, sampler: compared.sampler }
    }
}

impl Detectors {
    pub(super) fn new(baseline: &Baseline, plan: &Plan) -> Detectors {
        let [short, long, sampler] = budgets(plan);
        let runs = baseline.runs;
        Detectors {
            short: Evidence::new(0, runs, short),
            long: (baseline.long_runs >= LEAST_LONG_RUNS).then(|| Evidence::new(0, baseline.long_runs, long)),
            sampler: baseline.canaries.contains_key(SAMPLER).then(|| Evidence::new(0, runs, sampler)),
        }
    }

    /// Another beat or another number of allowed alarms.
    pub(super) fn replan(&mut self, plan: &Plan) {
        let [short, long, sampler] = budgets(plan);
        self.short.set_threshold(short.threshold);
        if let Some(evidence) = &mut self.long {
            evidence.set_threshold(long.threshold);
        }
        if let Some(evidence) = &mut self.sampler {
            evidence.set_threshold(sampler.threshold);
        }
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
        raised.sort_unstable();
        raised.dedup();
        raised
    }

    /// How much evidence each stream has.
    pub(super) fn states(&self) -> Vec<StreamState> {
        let of = |stream, evidence: &Evidence| StreamState {
            stream,
            evidence: evidence.ln_m(),
            threshold: evidence.threshold(),
        };
        let short = of(Stream::FingerprintFast, &self.short);
        let fast = match &self.long {
            // The one that is nearer to its alarm stands for the stream.
            Some(long) if long.threshold() - long.ln_m() < short.threshold - short.evidence => {
                of(Stream::FingerprintFast, long)
            }
            _ => short,
        };
        let mut states = vec![fast];
        states.extend(self.sampler.as_ref().map(|evidence| of(Stream::Sampling, evidence)));
        states
    }

    /// Whether some stream is more than half way to an alarm.
    pub(super) fn suspects(&self) -> bool {
        self.states().iter().any(|state| state.evidence > state.threshold / 2.0)
    }

    /// Runs to the alarm of a change that makes that share of the runs exceed.
    pub(super) fn runs_to_alarm(&self, share: f64) -> Option<u64> {
        self.short.runs_to_alarm(share)
    }

    /// The same of a change that only long prompts show, in runs that ask them.
    pub(super) fn long_runs_to_alarm(&self) -> Option<u64> {
        self.long.as_ref()?.runs_to_alarm(1.0)
    }

    /// Upper bound of the rate of runs that exceed although nothing changed.
    pub(super) fn bound(&self) -> f64 {
        self.short.rate().bound()
    }
}

/// What the short answers, the long ones and the sampler's may spend.
fn budgets(plan: &Plan) -> [Budget; 3] {
    let beat = plan.every_seconds / (1.0 + EXTRA);
    let part = |budget: Budget, part: f64| Budget {
        threshold: budget.threshold - part.ln(),
        delta: budget.delta * part,
    };
    let fast = Budget::of(Stream::FingerprintFast, plan.alarms_a_year, beat);
    let hourly = Budget::of(Stream::FingerprintFast, plan.alarms_a_year, LONG_EVERY.max(beat));
    let sampler = Budget::of(Stream::Sampling, plan.alarms_a_year, beat);
    [part(fast, 1.0 - LONG_PART), part(hourly, LONG_PART), sampler]
}
