//! The evidence of each stream against one baseline.

use serde::{Deserialize, Serialize};

use crate::drift::baseline::Baseline;
use crate::drift::budget::Budget;
use crate::drift::compare::Compared;
use crate::drift::evidence::Evidence;
use crate::drift::look::SAMPLER;
use crate::drift::quality::Quality;
use crate::drift::slow::{BLOCK, Slow};
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

/// M that quiet runs leave in a stream: with a bet of 0.03 against a bound of 0.01, about 12.
const QUIET: f64 = 12.0;

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
}

/// Graded answers for each beat that the quality's threshold is set for: two of the beat, and as many that are asked
/// again when a check that always passed failed.
pub(super) const ANSWERS: f64 = 4.0;

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
    pub(super) fn new(baseline: &Baseline, plan: &Plan) -> Detectors {
        let budgets = Budgets::of(plan);
        // Those that were left out of it count against the bound: else benign ones among them would raise alarms.
        let (exceeding, runs) = (baseline.exceeding, baseline.runs + baseline.exceeding);
        let long = baseline.long_runs >= LEAST_LONG_RUNS;
        let stable = baseline.checks.iter().filter(|(_, record)| record.is_stable());
        let checks =
            stable.map(|(canary, record)| (canary.clone(), record.asked - record.passed, record.asked));
        Detectors {
            short: Evidence::new(exceeding, runs, budgets.short),
            long: long.then(|| Evidence::new(0, baseline.long_runs, budgets.long)),
            sampler: baseline
                .canaries
                .contains_key(SAMPLER)
                .then(|| Evidence::new(exceeding, runs, budgets.sampler)),
            slow: (!baseline.text_mode).then(|| Slow::new(budgets.slow)),
            quality: Quality::new(checks, budgets.quality),
            performance: baseline.band.map(|_| Evidence::new(0, baseline.idle_runs, budgets.performance)),
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

    /// Takes in whether a graded answer failed. Tells whether that raises the alarm of quality.
    pub(super) fn graded(&mut self, canary: &str, failed: bool) -> bool {
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
        states.extend(self.slow.as_ref().map(|slow| StreamState {
            stream: Stream::FingerprintSlow,
            evidence: slow.evidence().map_or(0.0, Evidence::ln_m),
            threshold: slow.threshold(),
        }));
        states.push(StreamState {
            stream: Stream::Quality,
            evidence: self.quality.ln_m(),
            threshold: self.quality.threshold(),
        });
        states.extend(self.sampler.as_ref().map(|evidence| of(Stream::Sampling, evidence)));
        states.extend(self.performance.as_ref().map(|evidence| of(Stream::Performance, evidence)));
        states
    }

    /// Whether the long prompts are held against the baseline.
    pub(super) fn watches_long(&self) -> bool {
        self.long.is_some()
    }

    /// Whether some stream has more evidence than quiet runs leave in it: a new baseline would throw that away.
    pub(super) fn has_evidence(&self) -> bool {
        let most = |stream| match stream {
            // Each check that is watched leaves about one.
            Stream::Quality => (QUIET + self.quality.checks() as f64).ln(),
            _ => QUIET.ln(),
        };
        self.states().iter().any(|state| state.evidence > most(state.stream))
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

    /// The slow path. `None`: texts are compared.
    pub(super) fn slow(&self) -> Option<&Slow> {
        self.slow.as_ref()
    }

    /// Failures of that check in a row to the alarm of quality. `None`: it is not watched.
    pub(super) fn failures_to_alarm(&self, canary: &str) -> Option<u64> {
        self.quality.failures_to_alarm(canary)
    }

    /// Runs to the alarm of speed.
    pub(super) fn slower_runs_to_alarm(&self) -> Option<u64> {
        self.performance.as_ref()?.runs_to_alarm(1.0)
    }

    /// Upper bound of the rate of runs that exceed although nothing changed.
    pub(super) fn bound(&self) -> f64 {
        self.short.rate().bound()
    }
}

/// What each detector may spend.
struct Budgets {
    short: Budget,
    long: Budget,
    sampler: Budget,
    slow: Budget,
    quality: Budget,
    performance: Budget,
}

impl Budgets {
    fn of(plan: &Plan) -> Budgets {
        let beat = plan.every_seconds / (1.0 + EXTRA);
        let of = |stream, seconds| Budget::of(stream, plan.alarms_a_year, seconds);
        let part = |budget: Budget, part: f64| Budget {
            threshold: budget.threshold - part.ln(),
            delta: budget.delta * part,
        };
        Budgets {
            short: part(of(Stream::FingerprintFast, beat), 1.0 - LONG_PART),
            long: part(of(Stream::FingerprintFast, LONG_EVERY.max(beat)), LONG_PART),
            sampler: of(Stream::Sampling, beat),
            slow: of(Stream::FingerprintSlow, beat * BLOCK as f64),
            quality: of(Stream::Quality, plan.every_seconds / ANSWERS),
            performance: of(Stream::Performance, beat),
        }
    }
}
