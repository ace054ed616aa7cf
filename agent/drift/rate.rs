//! How often a run exceeds although nothing changed: counted, and bounded from above.

use serde::{Deserialize, Serialize};

use super::bound;

/// Runs that are not counted yet. An alarm takes them out: so a fault does not teach the rate that it is normal.
pub const QUARANTINE: usize = 12;

/// Runs of a baseline and of the quiet time since, and the bound that they give.
///
/// The bound is made anew whenever the count has doubled, each with a [part](bound::share_of) of what is left of δ: so
/// all of them together, and those of the baselines that follow, cost no more than δ. Every run is counted, also one that exceeded: to leave those out would make the bound a
/// bound of nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Runs counted.
    runs: u64,
    /// Those that exceeded.
    exceeding: u64,
    /// The last runs, the oldest first: not counted yet.
    waiting: Vec<bool>,
    /// Number of the bound in force, from 1.
    number: u32,
    /// At so many runs the next one is made.
    next: u64,
    /// What is left of δ, the probability of a false alarm since a bound is wrong, for those to come.
    delta: f64,
    /// The bound in force, above 0 and up to 1.
    bound: f64,
}

impl Rate {
    /// Of a baseline: so many runs, and those of them that exceeded; and what is left of δ.
    pub fn new(exceeding: u64, runs: u64, left: f64) -> Rate {
        let share = bound::share_of(left, runs, true);
        let (bound, delta) = (bound::upper(exceeding, runs, share.delta), left - share.cost);
        Rate {
            runs,
            exceeding,
            waiting: Vec::new(),
            number: 1,
            next: runs.max(1).saturating_mul(2),
            delta,
            bound,
        }
    }

    /// Takes one run in. It counts when `QUARANTINE` more have come.
    pub fn observe(&mut self, exceeded: bool) {
        self.waiting.push(exceeded);
        if self.waiting.len() <= QUARANTINE {
            return;
        }
        self.runs += 1;
        self.exceeding += u64::from(self.waiting.remove(0));
        if self.runs >= self.next {
            self.number += 1;
            self.next = self.next.saturating_mul(2);
            let share = bound::share_of(self.delta, self.runs, false);
            self.bound = bound::upper(self.exceeding, self.runs, share.delta);
            self.delta -= share.cost;
        }
    }

    /// Forgets the runs that are not counted yet: there was an alarm, and they are part of what it found.
    pub fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Runs until the bound is made anew.
    pub(super) fn until_next(&self) -> u64 {
        self.next.saturating_sub(self.runs) + (QUARANTINE - self.waiting.len().min(QUARANTINE)) as u64
    }

    /// What it will be then, if `share` of the runs until then exceed.
    pub(super) fn at_next(&self, share: f64) -> Rate {
        let runs = self.next.max(self.runs);
        let exceeding = self.exceeding + (share * (runs - self.runs) as f64).round() as u64;
        let number = self.number.saturating_add(1);
        let share = bound::share_of(self.delta, runs, false);
        let (bound, delta) = (bound::upper(exceeding, runs, share.delta), self.delta - share.cost);
        let waiting = vec![false; QUARANTINE];
        Rate { runs, exceeding, waiting, number, next: runs.max(1).saturating_mul(2), delta, bound }
    }

    /// What is left of δ for bounds to come: these, or those of the next baseline.
    pub(super) fn left(&self) -> f64 {
        self.delta
    }

    /// The upper bound p̄ of the rate, above 0 and up to 1.
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// Runs counted, and those of them that exceeded.
    pub fn counted(&self) -> (u64, u64) {
        (self.runs, self.exceeding)
    }
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_made_anew_when_the_count_has_doubled() {
        let mut rate = Rate::new(0, 300, 0.01);
        let first = rate.bound();
        assert!((first - bound::upper(0, 300, 0.94 * 0.01)).abs() < 1e-15);
        (0..311).for_each(|_| rate.observe(false));
        assert_eq!((rate.counted(), rate.bound()), ((599, 0), first));
        rate.observe(true);
        assert_eq!(rate.counted(), (600, 0), "the last 12 wait");
        assert!((rate.bound() - bound::upper(0, 600, 0.5 * 0.06 * 0.01)).abs() < 1e-12);
    }

    #[test]
    fn runs_before_an_alarm_teach_nothing() {
        let mut rate = Rate::new(0, 300, 0.01);
        (0..12).for_each(|_| rate.observe(true));
        rate.drop_waiting();
        (0..1000).for_each(|_| rate.observe(false));
        assert_eq!(rate.counted(), (1288, 0));
    }

    #[test]
    fn runs_that_exceed_count() {
        let mut rate = Rate::new(1, 100, 0.01);
        (0..112).for_each(|at| rate.observe(at % 10 == 0));
        assert_eq!(rate.counted(), (200, 11));
        let left = 0.01 - 0.15 * 0.01 * 100.0 / 150.0;
        assert!((rate.bound() - bound::upper(11, 200, 0.05 * left)).abs() < 1e-12);
    }
}
