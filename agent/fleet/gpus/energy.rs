//! The energy of one card: its own counter where it has one, else power times time. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::sample::GpuSample;
use crate::view::EnergySource;

/// So many times its limit a card may draw for a moment. More is no reading: a counter that jumped, a sensor that
/// went mad.
const MOST_OVER_LIMIT: f64 = 3.0;

/// The limit of a card that tells none, in watts: above that of any card there is.
const MOST_WATTS: f64 = 2000.0;

/// A card's counter moves in steps (NVIDIA: every 20 to 100 ms), so two reads soon after one another may differ by
/// more than was drawn between them. In seconds.
const STEP: f64 = 1.0;

/// What a card took so far; only grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// Joules, and where they come from.
    total: Option<(f64, EnergySource)>,
    /// Joules since the first read.
    grown: f64,
    /// The card's counter as it was read last.
    counter: Option<(f64, Instant)>,
    /// Its power as it was read last.
    power: Option<(f64, Instant)>,
}

impl Meter {
    /// Takes a read; gives the joules since the one before. `longest`: over a longer time without a read power is
    /// not summed up, since nobody saw it.
    ///
    /// The total begins at the card's own counter and grows by its steps. A counter that fell has started anew with
    /// its driver: what it shows since then is added. A card that counts is never integrated, even if one read
    /// lacks the counter: the next one has the whole step.
    pub(super) fn take(&mut self, card: &GpuSample, now: Instant, longest: Duration) -> f64 {
        let limit = limit(card);
        let believed = |joules: f64, since: Instant| {
            let seconds = now.saturating_duration_since(since).as_secs_f64();
            joules <= MOST_OVER_LIMIT * limit * (seconds + STEP)
        };
        let step = match card.energy_joules.filter(|joules| joules.is_finite() && *joules >= 0.0) {
            Some(counter) => {
                let step = self.counter.map_or(0.0, |(was, at)| {
                    let step = if counter >= was { counter - was } else { counter };
                    if believed(step, at) { step } else { 0.0 }
                });
                self.counter = Some((counter, now));
                let total = self.total.map_or(counter, |(total, _)| total);
                self.total = Some((total, EnergySource::Counter));
                step
            }
            None if self.counter.is_some() => 0.0,
            None => self.integrate(card, limit, now, longest),
        };
        if let Some((total, _)) = &mut self.total {
            *total += step;
        }
        self.grown += step;
        step
    }

    fn integrate(&mut self, card: &GpuSample, limit: f64, now: Instant, longest: Duration) -> f64 {
        let power = card.power_watts.filter(|watts| (0.0..=MOST_OVER_LIMIT * limit).contains(watts));
        let before = std::mem::replace(&mut self.power, power.map(|watts| (watts, now)));
        if power.is_some() {
            self.total.get_or_insert((0.0, EnergySource::Integrated));
        }
        let (Some(watts), Some((was, at))) = (power, before) else { return 0.0 };
        let time = now.saturating_duration_since(at);
        if time > longest { 0.0 } else { f64::midpoint(watts, was) * time.as_secs_f64() }
    }

    /// What it took since it was first read, in joules, without what its counter had before. `None`: as for the total.
    pub(super) fn grown(&self) -> Option<f64> {
        self.total.map(|_| self.grown)
    }

    /// What it took so far, in joules, and where that comes from. `None`: it tells neither energy nor power.
    pub(super) fn total(&self) -> Option<(f64, EnergySource)> {
        self.total
    }
}

/// The power that a card may draw, in watts.
fn limit(card: &GpuSample) -> f64 {
    let told = [card.power_limit_watts, card.power_limit_default_watts].into_iter().flatten();
    let told = told.filter(|watts| (1.0..=MOST_WATTS).contains(watts)).reduce(f64::max);
    told.unwrap_or(MOST_WATTS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(15);

    fn counts(joules: f64) -> GpuSample {
        GpuSample { energy_joules: Some(joules), power_limit_watts: Some(100.0), ..GpuSample::default() }
    }

    fn draws(watts: f64) -> GpuSample {
        GpuSample { power_watts: Some(watts), power_limit_watts: Some(100.0), ..GpuSample::default() }
    }

    /// The steps and the total after reads at these seconds.
    fn play(reads: &[(u64, GpuSample)]) -> (Vec<f64>, Option<(f64, EnergySource)>) {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let take =
            |(at, card): &(u64, GpuSample)| meter.take(card, start + Duration::from_secs(*at), LONGEST);
        let steps = reads.iter().map(take).collect();
        (steps, meter.total())
    }

    #[test]
    fn a_card_that_counts_is_believed_as_it_counts() {
        let (steps, total) = play(&[(0, counts(5e6)), (5, counts(5e6 + 300.0)), (10, counts(5e6 + 700.0))]);
        assert_eq!(steps, [0.0, 300.0, 400.0]);
        assert_eq!(total, Some((5e6 + 700.0, EnergySource::Counter)));
    }

    #[test]
    fn what_a_card_counted_before_it_was_read_is_in_its_total_alone() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        assert_eq!(meter.grown(), None);
        meter.take(&counts(5e6), now, LONGEST);
        assert_eq!(meter.grown(), Some(0.0));
        meter.take(&counts(5e6 + 300.0), now + Duration::from_secs(5), LONGEST);
        assert_eq!(meter.grown(), Some(300.0));
    }

    #[test]
    fn a_driver_that_starts_anew_loses_nothing_that_was_counted() {
        let (steps, total) = play(&[(0, counts(5e6)), (5, counts(90.0)), (10, counts(490.0))]);
        assert_eq!(steps, [0.0, 90.0, 400.0]);
        assert_eq!(total, Some((5e6 + 490.0, EnergySource::Counter)));
    }

    #[test]
    fn a_jump_is_not_believed_and_neither_is_the_way_back() {
        let most = 3.0 * 100.0 * (5.0 + 1.0);
        let (steps, _) = play(&[(0, counts(1000.0)), (5, counts(1000.0 + most))]);
        assert_eq!(steps, [0.0, most], "a card may draw so much");
        let jump =
            [(0, counts(9000.0)), (5, counts(9001.0 + most)), (10, counts(9700.0)), (15, counts(9900.0))];
        let (steps, total) = play(&jump);
        assert_eq!(steps, [0.0, 0.0, 0.0, 200.0]);
        assert_eq!(total, Some((9200.0, EnergySource::Counter)));
    }

    #[test]
    fn what_a_card_counted_while_nobody_read_it_is_counted() {
        let (steps, _) = play(&[(0, counts(0.0)), (3600, counts(200_000.0))]);
        assert_eq!(steps, [0.0, 200_000.0]);
        let gap = [(0, counts(10.0)), (5, draws(80.0)), (10, draws(80.0)), (15, counts(900.0))];
        assert_eq!(play(&gap).0, [0.0, 0.0, 0.0, 890.0], "and never twice");
    }

    #[test]
    fn power_is_summed_up_where_the_card_does_not_count() {
        let (steps, total) = play(&[(0, draws(50.0)), (5, draws(70.0)), (10, draws(70.0))]);
        assert_eq!(steps, [0.0, 300.0, 350.0]);
        assert_eq!(total, Some((650.0, EnergySource::Integrated)));
    }

    #[test]
    fn power_is_not_summed_up_over_a_time_that_nobody_saw() {
        assert_eq!(play(&[(0, draws(50.0)), (15, draws(50.0))]).0, [0.0, 750.0]);
        assert_eq!(play(&[(0, draws(50.0)), (16, draws(50.0)), (17, draws(50.0))]).0, [0.0, 0.0, 50.0]);
        let silent = [(0, draws(50.0)), (5, GpuSample::default()), (10, draws(50.0)), (15, draws(50.0))];
        assert_eq!(play(&silent).0, [0.0, 0.0, 0.0, 250.0]);
        assert_eq!(play(&[(0, draws(50.0)), (5, draws(301.0)), (10, draws(50.0))]).0, [0.0; 3], "no reading");
    }

    #[test]
    fn a_card_that_tells_neither_has_no_total() {
        assert_eq!(play(&[(0, GpuSample::default()), (5, GpuSample::default())]), (vec![0.0; 2], None));
        assert_eq!(play(&[(0, counts(f64::NAN)), (5, counts(-1.0))]).1, None);
        assert_eq!(play(&[(0, draws(0.0))]).1, Some((0.0, EnergySource::Integrated)), "zero is told");
    }

    fn anything() -> impl Strategy<Value = Option<f64>> {
        let odd = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MIN, -1.0, 0.0, f64::MAX, 1e-300]);
        prop::option::of(prop_oneof![odd, 0.0..1e6])
    }

    proptest! {
        #[test]
        fn whatever_is_read_the_total_grows_by_the_steps_and_no_faster_than_a_card_can_draw(
            reads in prop::collection::vec((0_u64..100, anything(), anything(), anything()), 1..40),
        ) {
            let (mut meter, mut now) = (Meter::default(), Instant::now());
            let mut last_counted: Option<Instant> = None;
            for (after, energy_joules, power_watts, power_limit_watts) in reads {
                now += Duration::from_secs(after);
                let card = GpuSample { power_watts, power_limit_watts, energy_joules, ..GpuSample::default() };
                let before = meter.total().map(|(total, _)| total);
                let step = meter.take(&card, now, LONGEST);
                let most = now.saturating_duration_since(*last_counted.get_or_insert(now)).as_secs_f64() + after as f64;
                prop_assert!((0.0..=3.0 * MOST_WATTS * (most + STEP)).contains(&step), "{step}");
                if let Some(before) = before {
                    let total = meter.total().map(|(total, _)| total);
                    prop_assert_eq!(total, Some(before + step));
                }
                if card.energy_joules.is_some_and(|joules| joules.is_finite() && joules >= 0.0) {
                    last_counted = Some(now);
                }
            }
        }
    }
}
