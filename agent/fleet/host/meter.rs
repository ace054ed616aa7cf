//! A sum of joules that only grows, out of a meter that begins anew. Pure.

use tokio::time::Instant;

use crate::sample::EnergySample;

/// No part of one processor draws as much, in watts. What would have taken more is no meter that came
/// round, but one that was set back: by the firmware after a sleep, by its driver loaded anew.
const MOST_WATTS: f64 = 2000.0;

/// One meter.
#[derive(Debug)]
pub(super) struct Meter {
    raw: f64,
    sum: f64,
    when: Instant,
    watts: Option<f64>,
}

impl Meter {
    /// A meter that is read for the first time: the sum begins at its count.
    pub(super) fn new(sample: &EnergySample, now: Instant) -> Meter {
        Meter { raw: sample.joules, sum: sample.joules, when: now, watts: None }
    }

    /// Takes what it shows now. Rounds that it went between two looks without being seen are lost; at
    /// 300 W one takes a quarter of an hour.
    pub(super) fn observe(&mut self, sample: &EnergySample, now: Instant) {
        let seconds = now.saturating_duration_since(self.when).as_secs_f64();
        let grown = if sample.joules >= self.raw {
            sample.joules - self.raw
        } else {
            let round = sample.wraps_at_joules.map(|end| end - self.raw + sample.joules);
            // Of one that was set back, what it shows since is all that can be known.
            round.filter(|grown| (0.0..=MOST_WATTS * seconds).contains(grown)).unwrap_or(sample.joules)
        };
        self.sum += grown;
        self.watts = (seconds > 0.0).then(|| grown / seconds).filter(|watts| *watts <= MOST_WATTS);
        (self.raw, self.when) = (sample.joules, now);
    }

    /// The sum, in joules.
    pub(super) fn joules(&self) -> f64 {
        self.sum
    }

    /// What it drew between the last two looks, in watts.
    pub(super) fn watts(&self) -> Option<f64> {
        self.watts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn show(joules: f64, wraps_at: Option<f64>) -> EnergySample {
        EnergySample { domain: "package-0".into(), joules, wraps_at_joules: wraps_at }
    }

    #[test]
    fn a_meter_that_comes_round_goes_on_in_the_sum() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(&show(262_000.0, Some(262_143.0)), start);
        meter.observe(&show(262_100.0, Some(262_143.0)), at(1));
        assert_eq!((meter.joules(), meter.watts()), (262_100.0, Some(100.0)));
        meter.observe(&show(57.0, Some(262_143.0)), at(2));
        assert_eq!((meter.joules(), meter.watts()), (262_200.0, Some(100.0)));
        meter.observe(&show(157.0, Some(262_143.0)), at(3));
        assert_eq!(Some(meter.joules()), Some(262_300.0));
    }

    #[test]
    fn a_meter_that_is_set_back_is_no_round() {
        let start = Instant::now();
        let mut meter = Meter::new(&show(5000.0, Some(262_143.0)), start);
        meter.observe(&show(40.0, Some(262_143.0)), start + Duration::from_secs(15));
        assert_eq!(Some(meter.joules()), Some(5040.0), "257 kJ in 15 s would be 17 kW");
        // One that does not tell where it ends gives what it shows.
        meter.observe(&show(10.0, None), start + Duration::from_secs(30));
        assert_eq!(Some(meter.joules()), Some(5050.0));
        // Twice in one moment: nothing to divide by.
        meter.observe(&show(20.0, None), start + Duration::from_secs(30));
        assert_eq!((meter.joules(), meter.watts()), (5060.0, None));
    }

    proptest::proptest! {
        #[test]
        fn the_sum_only_grows(counts in proptest::collection::vec((0.0..300_000.0_f64, 0_u64..100), 1..40)) {
            let mut now = Instant::now();
            let mut meter = Meter::new(&show(counts[0].0, Some(262_143.0)), now);
            for (count, seconds) in counts {
                let before = meter.joules();
                now += Duration::from_secs(seconds);
                meter.observe(&show(count, Some(262_143.0)), now);
                proptest::prop_assert!(meter.joules() >= before);
            }
        }
    }
}
