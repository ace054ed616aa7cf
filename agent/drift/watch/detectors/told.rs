//! What the detectors know: how much evidence there is, and what a change would take to be found.

use super::Detectors;
use crate::drift::evidence::Evidence;
use crate::drift::slow::Slow;
use crate::drift::{Stream, StreamState};

/// M that is nothing yet in any stream: about what quiet runs leave in one, by a bet of 0.03 against a bound of 0.01.
/// Against other bounds they leave more, up to 16.
const QUIET: f64 = 12.0;

/// What is left of an earlier, wider bound for some hundred runs after it was made anew, as a logarithm. One run that
/// exceeds adds 0.7 and more.
const LEFT: f64 = 0.1;

impl Detectors {
    /// How much evidence each stream has. One that warms up, or has no check to watch, has none: that is not zero.
    pub(in crate::drift::watch) fn states(&self) -> Vec<StreamState> {
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
        let slow = self.slow.as_ref().and_then(Slow::evidence);
        states.extend(slow.map(|evidence| of(Stream::FingerprintSlow, evidence)));
        states.extend((self.quality.checks() > 0).then(|| StreamState {
            stream: Stream::Quality,
            evidence: self.quality.ln_m(),
            threshold: self.quality.threshold(),
        }));
        states.extend(self.sampler.as_ref().map(|evidence| of(Stream::Sampling, evidence)));
        states.extend(self.performance.as_ref().map(|evidence| of(Stream::Performance, evidence)));
        states
    }

    /// Whether the long prompts are held against the baseline.
    pub(in crate::drift::watch) fn watches_long(&self) -> bool {
        self.long.is_some()
    }

    /// Whether some stream has more evidence than quiet runs leave in it: a new baseline would throw that away.
    pub(in crate::drift::watch) fn has_evidence(&self) -> bool {
        self.states().iter().any(|state| state.evidence > self.quiet(state.stream))
    }

    /// ln M that quiet runs leave in a stream at most.
    fn quiet(&self, stream: Stream) -> f64 {
        let detectors = match stream {
            // Each check that is watched leaves about one.
            Stream::Quality => return (QUIET + self.quality.checks() as f64).ln(),
            Stream::FingerprintFast => [Some(&self.short), self.long.as_ref()],
            Stream::FingerprintSlow => [self.slow.as_ref().and_then(Slow::evidence), None],
            Stream::Sampling => [self.sampler.as_ref(), None],
            Stream::Performance => [self.performance.as_ref(), None],
            Stream::Identity => [None, None],
        };
        let each = detectors.into_iter().flatten().map(|evidence| evidence.quiet() + LEFT);
        each.fold(QUIET.ln(), f64::max)
    }

    /// Whether single runs have no more evidence than quiet ones leave: what exceeds next is where a change begins.
    pub(in crate::drift::watch) fn is_calm(&self) -> bool {
        let runs = [Some(&self.short), self.long.as_ref(), self.sampler.as_ref()];
        runs.into_iter().flatten().all(|evidence| evidence.ln_m() <= QUIET.ln().max(evidence.quiet() + LEFT))
    }

    /// The streams that are more than half way to an alarm.
    pub(in crate::drift::watch) fn suspected(&self) -> impl Iterator<Item = Stream> {
        let states = self.states().into_iter();
        states.filter(|state| state.evidence > state.threshold / 2.0).map(|state| state.stream)
    }

    /// Runs to the alarm of a change that makes that share of the runs exceed.
    pub(in crate::drift::watch) fn runs_to_alarm(&self, share: f64) -> Option<u64> {
        self.short.runs_to_alarm(share)
    }

    /// The same of a change that only long prompts show, in runs that ask them.
    pub(in crate::drift::watch) fn long_runs_to_alarm(&self) -> Option<u64> {
        self.long.as_ref()?.runs_to_alarm(1.0)
    }

    /// The slow path. `None`: texts are compared.
    pub(in crate::drift::watch) fn slow(&self) -> Option<&Slow> {
        self.slow.as_ref()
    }

    /// Failures of that check in a row to the alarm of quality. `None`: it is not watched.
    pub(in crate::drift::watch) fn failures_to_alarm(&self, canary: &str) -> Option<u64> {
        self.quality.failures_to_alarm(canary)
    }

    /// Runs to the alarm of speed.
    pub(in crate::drift::watch) fn slower_runs_to_alarm(&self) -> Option<u64> {
        self.performance.as_ref()?.runs_to_alarm(1.0)
    }

    /// Upper bound of the rate of runs that exceed although nothing changed.
    pub(in crate::drift::watch) fn bound(&self) -> f64 {
        self.short.rate().bound()
    }

    /// Steps of the short canaries that were taken in.
    #[cfg(test)]
    pub(in crate::drift::watch) fn counted(&self) -> u64 {
        self.short.rate().counted().0
    }

    /// What is left of δ for the bounds of the short canaries.
    #[cfg(test)]
    pub(in crate::drift::watch) fn left(&self) -> f64 {
        self.short.left()
    }
}
