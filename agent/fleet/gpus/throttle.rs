//! For how long a card's clocks were held down, by reason: by the driver's own counters, else by looks at its
//! flags. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::sample::{GpuSample, Readings, THROTTLE_REASONS};

/// A counter of time cannot run faster than time; it may be read a little late, and is kept in coarse steps.
const MOST_OVER_TIME: f64 = 1.1;

/// See [`MOST_OVER_TIME`]; in seconds.
const STEP: f64 = 1.0;

/// The longest that a driver was ever loaded: a counter beyond it is no reading. Thirty years, in seconds.
const MOST_SECONDS: f64 = 1e9;

/// The seconds so far, by reason; they only grow.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    reasons: BTreeMap<&'static str, Reason>,
}

#[derive(Debug, Clone, Default)]
struct Reason {
    total: f64,
    /// The driver's counter as it was read last.
    counter: Option<(f64, Instant)>,
    /// The flag as it was read last.
    flag: Option<(bool, Instant)>,
    /// Since when the flag has been set.
    since: Option<Instant>,
}

impl Meter {
    /// Takes a read. `longest`: over a longer time without a read flags say nothing.
    ///
    /// A reason that the driver counts is as the driver counts; it may start anew, and the sum goes on. Of the
    /// others the time between two reads counts whole if the flag was set at both, half if at one.
    pub(super) fn take(&mut self, card: &GpuSample, now: Instant, longest: Duration) {
        for name in THROTTLE_REASONS {
            let counter = card.throttled_seconds.get(name).copied();
            let counter = counter.filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds));
            let flag = card.throttled.get(name).copied();
            if counter.is_none() && flag.is_none() && !self.reasons.contains_key(name) {
                continue;
            }
            let reason = self.reasons.entry(name).or_default();
            let sampled = reason.look(flag, now, longest);
            match counter {
                Some(counter) => reason.count(counter, now),
                None if reason.counter.is_none() => reason.total += sampled,
                None => {}
            }
        }
    }

    /// The seconds by reason. A reason that is not told of is not there.
    pub(super) fn totals(&self) -> Readings {
        self.reasons.iter().map(|(name, reason)| ((*name).to_owned(), reason.total)).collect()
    }

    /// For how long a reason has held without a break, as far as it was seen. `None`: it does not hold.
    pub(super) fn held(&self, name: &str, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.reasons.get(name)?.since?))
    }
}

impl Reason {
    /// The seconds that two looks at the flag make.
    fn look(&mut self, flag: Option<bool>, now: Instant, longest: Duration) -> f64 {
        let before = std::mem::replace(&mut self.flag, flag.map(|set| (set, now)));
        let time = before.map(|(_, at)| now.saturating_duration_since(at)).filter(|time| *time <= longest);
        if time.is_none() || flag != Some(true) {
            self.since = None;
        }
        if flag == Some(true) {
            self.since.get_or_insert(now);
        }
        let (Some(time), Some((was, _)), Some(is)) = (time, before, flag) else { return 0.0 };
        time.as_secs_f64() * f64::midpoint(f64::from(u8::from(was)), f64::from(u8::from(is)))
    }

    fn count(&mut self, counter: f64, now: Instant) {
        match self.counter.replace((counter, now)) {
            // What the flags told before is in the driver's counter too.
            None => self.total = self.total.max(counter),
            Some((was, at)) => {
                let step = if counter >= was { counter - was } else { counter };
                let most = now.saturating_duration_since(at).as_secs_f64() * MOST_OVER_TIME + STEP;
                if step <= most {
                    self.total += step;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(15);

    fn counts(seconds: f64) -> GpuSample {
        GpuSample { throttled_seconds: [("hw_thermal".to_owned(), seconds)].into(), ..GpuSample::default() }
    }

    fn flags(set: bool) -> GpuSample {
        GpuSample { throttled: [("hw_thermal".to_owned(), set)].into(), ..GpuSample::default() }
    }

    /// The seconds after reads at these seconds, and for how long it has held.
    fn play(reads: &[(u64, GpuSample)]) -> (Option<f64>, Option<u64>) {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let mut now = start;
        for (at, card) in reads {
            now = start + Duration::from_secs(*at);
            meter.take(card, now, LONGEST);
        }
        let held = meter.held("hw_thermal", now).map(|held| held.as_secs());
        (meter.totals().get("hw_thermal").copied(), held)
    }

    #[test]
    fn the_drivers_counter_goes_on_when_the_driver_starts_anew() {
        assert_eq!(play(&[(0, counts(100.0)), (5, counts(103.0)), (10, counts(2.0))]).0, Some(105.0));
        assert_eq!(play(&[(0, counts(100.0))]).0, Some(100.0));
    }

    #[test]
    fn a_counter_cannot_run_faster_than_time() {
        assert_eq!(play(&[(0, counts(0.0)), (5, counts(6.5))]).0, Some(6.5));
        assert_eq!(play(&[(0, counts(0.0)), (5, counts(6.6)), (10, counts(8.6))]).0, Some(2.0));
        assert_eq!(play(&[(0, counts(f64::NAN)), (5, counts(-1.0)), (9, counts(1e18))]).0, None);
    }

    #[test]
    fn flags_count_the_time_between_two_looks() {
        assert_eq!(
            play(&[(0, flags(true)), (5, flags(true)), (9, flags(false)), (14, flags(false))]).0,
            Some(7.0)
        );
        assert_eq!(play(&[(0, flags(false))]).0, Some(0.0));
        assert_eq!(
            play(&[(0, flags(true)), (16, flags(true)), (17, flags(true))]).0,
            Some(1.0),
            "nobody looked"
        );
        assert_eq!(play(&[(0, flags(true)), (5, GpuSample::default()), (10, flags(true))]).0, Some(0.0));
    }

    #[test]
    fn where_the_driver_counts_flags_do_not() {
        let both = |seconds| GpuSample { throttled: flags(true).throttled, ..counts(seconds) };
        assert_eq!(play(&[(0, both(1.0)), (5, both(1.5))]).0, Some(1.5));
        assert_eq!(play(&[(0, both(1.0)), (5, flags(true)), (10, both(9.0))]).0, Some(9.0));
    }

    #[test]
    fn for_how_long_it_holds_is_known_as_far_as_it_was_seen() {
        assert_eq!(play(&[(0, flags(true)), (5, flags(true)), (10, flags(true))]).1, Some(10));
        assert_eq!(play(&[(0, flags(true)), (5, flags(false)), (10, flags(true))]).1, Some(0));
        assert_eq!(play(&[(0, flags(true)), (16, flags(true))]).1, Some(0));
        assert_eq!(play(&[(0, flags(true)), (5, GpuSample::default())]).1, None);
    }

    #[test]
    fn a_reason_that_is_none_is_not_kept() {
        let mut meter = Meter::default();
        let odd = GpuSample { throttled: [("who knows".to_owned(), true)].into(), ..GpuSample::default() };
        meter.take(&odd, Instant::now(), LONGEST);
        assert!(meter.totals().is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_read_the_seconds_only_grow_and_no_faster_than_time(
            reads in prop::collection::vec((0_u64..40, prop::option::of(any::<f64>()), prop::option::of(any::<bool>())), 1..40),
        ) {
            let (mut meter, mut now) = (Meter::default(), Instant::now());
            let (mut before, mut counted) = (None::<f64>, None);
            for (after, counter, flag) in reads {
                let was = now;
                now += Duration::from_secs(after);
                let mut card = counter.map(counts).unwrap_or_default();
                card.throttled = flag.map(|set| flags(set).throttled).unwrap_or_default();
                meter.take(&card, now, LONGEST);
                let total = meter.totals().get("hw_thermal").copied();
                let told = counter.is_some_and(|seconds| (0.0..=MOST_SECONDS).contains(&seconds));
                if let (Some(before), Some(total)) = (before, total) {
                    let since = if told { counted.unwrap_or(now) } else { was };
                    let most = (now - since).as_secs_f64() * MOST_OVER_TIME + STEP;
                    let first_counter = told && counted.is_none();
                    prop_assert!(total >= before, "{before} {total}");
                    prop_assert!(total - before <= most || first_counter, "{before} {total}");
                }
                before = total;
                counted = if told { Some(now) } else { counted };
            }
        }
    }
}
