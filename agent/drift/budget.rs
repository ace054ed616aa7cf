//! How many false alarms are allowed, and what that makes of each stream's threshold.

use serde::{Deserialize, Serialize};

use super::words::Stream;

/// False alarms a year that a model may have, over all its streams.
pub const ALARMS_A_YEAR: f64 = 0.1;

/// The part of them that is kept for the chance that a bound on benign exceedances is wrong.
///
/// A fifth: a fingerprint of 300 runs then needs 4 runs for a full change. A tenth leaves a bound so much wider that it
/// needs 5, and more than a fifth gains nothing before the threshold's own loss.
const OF_BOUNDS: f64 = 0.2;

/// Below this, alarms and shares are as good as none: with it the numbers stay finite.
const LEAST: f64 = 1e-6;

/// Seconds of a year of 365 days.
pub(super) const YEAR: f64 = 365.0 * 86_400.0;

impl Stream {
    /// Its share of the false alarms that are allowed. They sum up to 1; identity is an event, and costs none.
    ///
    /// Half goes to the fast fingerprint, which must find each change of weights, cache, template or sampler: with 0.3 a
    /// full change takes 5 runs after 300, with 0.5 it takes 4. The others lose at most one run by it.
    pub const fn share(self) -> f64 {
        match self {
            Self::Identity => 0.0,
            Self::FingerprintFast => 0.5,
            Self::FingerprintSlow | Self::Performance => 0.1,
            Self::Quality => 0.25,
            Self::Sampling => 0.05,
        }
    }
}

/// What a stream may spend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// ln A: an alarm at and above it.
    pub threshold: f64,
    /// The probability of a false alarm since a bound of benign exceedances is wrong: of all bounds of this stream
    /// together, those of baselines that follow by themselves among them. It is there anew each year, and when a person
    /// says what the baseline is.
    pub delta: f64,
}

impl Budget {
    /// Of a stream that takes a step every `seconds`, for a model that may have `alarms` false alarms a year:
    /// A = N / (w (α − δ)), where N is the steps of a year, w the stream's share, α the alarms and δ what is kept for
    /// the bounds. So the streams' N / A sum up to α − δ, and their own δ, each its share of it, to δ.
    ///
    /// Each stream has bounds of its own, which may be wrong: so δ is shared, and not given to each; and within a stream
    /// the bounds share it (see [`super::bound::share_of`]), however often the baseline grows or is made anew.
    pub fn of(stream: Stream, alarms: f64, seconds: f64) -> Budget {
        let alarms = alarms.max(LEAST);
        let share = stream.share().max(LEAST);
        let steps = (YEAR / seconds.max(1.0)).max(1.0);
        let delta = alarms * OF_BOUNDS;
        // A delta is a probability: whoever allows many alarms a year gets no bound that is wrong for sure.
        Budget {
            threshold: (steps / (share * (alarms - delta))).ln().max(0.0),
            delta: (share * delta).min(0.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_streams_spend_in_a_year_is_what_is_allowed() {
        for seconds in [60.0, 300.0, 3600.0] {
            let steps = YEAR / seconds;
            let tests = Stream::ALL.iter().filter(|stream| stream.share() > 0.0);
            let spent: f64 = tests
                .map(|stream| Budget::of(*stream, 0.1, seconds))
                .map(|budget| steps / budget.threshold.exp() + budget.delta)
                .sum();
            assert!((spent - 0.1).abs() < 1e-9, "{spent}");
        }
    }

    #[test]
    fn a_slower_beat_needs_less_evidence() {
        let every = |seconds| Budget::of(Stream::FingerprintFast, ALARMS_A_YEAR, seconds).threshold;
        assert!((every(300.0) - 14.781_7).abs() < 1e-3, "{}", every(300.0));
        assert!((every(300.0) - every(900.0) - 3.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn odd_settings_give_numbers_all_the_same() {
        for (alarms, seconds) in [(0.0, 300.0), (1e9, 300.0), (0.1, 0.0), (0.1, 1e12)] {
            let budget = Budget::of(Stream::Quality, alarms, seconds);
            assert!(budget.threshold.is_finite() && budget.threshold >= 0.0, "{budget:?}");
            assert!((0.0..=0.1).contains(&budget.delta), "{budget:?}");
        }
    }
}
