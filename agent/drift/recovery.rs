//! Whether the checks whose failures raised the alarm of quality pass again. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// ln of how many answers of a check that still fails as it did pass, in the mean, before it is taken as well again by
/// chance: 1,000, which at an answer an hour is six weeks. A check that failed nearly always is well after four passes
/// in a row, one that failed every third time after some twenty.
const SURE: f64 = 6.907_755_278_982_137;

/// The share of failures that is held against passes: a check that fails less often is not found, and one that fails
/// always must be allowed to pass by chance.
const SHARES: (f64, f64) = (0.3, 0.9);

/// The checks that raised the alarm of quality, and how they fare since.
///
/// For each a sum as Page's (*Continuous inspection schemes*, Biometrika 1954): a pass adds ln((1 − p̄) / (1 − f)) and a
/// failure takes ln(f / p̄) away, down to 0, where f is the share of its answers that failed and p̄ the bound of its
/// rate in the baseline. By Lorden (1971) such a sum takes e^h answers or more, in the mean, to reach h where the check
/// still fails as it did. Fingerprints have no say in it: they may not have moved at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recovery(BTreeMap<String, Suspect>);

/// A check that raised the alarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Suspect {
    /// Failures among its last answers before the alarm, and those.
    pub failed: (u64, u64),
    /// Upper bound of its benign rate of failures, 0..1.
    pub bound: f64,
    /// How much speaks for its being well again.
    sum: f64,
}

impl Suspect {
    /// One that failed so often of so many, against a bound of its benign rate.
    pub(super) fn new(failed: (u64, u64), bound: f64) -> Suspect {
        Suspect { failed, bound, sum: 0.0 }
    }

    /// What a pass adds, and what a failure takes away.
    fn steps(&self) -> (f64, f64) {
        let (failed, all) = self.failed;
        let bound = self.bound.clamp(1e-6, 1.0 - 1e-6);
        // Halfway to 1 where the bound is above the share: else passes would speak against being well.
        let least = f64::midpoint(bound, 1.0).min(2.0 * bound);
        let share = (failed as f64 / all.max(1) as f64).clamp(SHARES.0, SHARES.1).max(least);
        (((1.0 - bound) / (1.0 - share)).ln(), (share / bound).ln())
    }
}

impl Recovery {
    /// Of these checks, by their name.
    pub(super) fn of(suspects: impl IntoIterator<Item = (String, Suspect)>) -> Recovery {
        Recovery(suspects.into_iter().collect())
    }

    /// Takes in an answer. One to another check tells nothing.
    pub(super) fn observe(&mut self, check: &str, failed: bool) {
        let Some(suspect) = self.0.get_mut(check) else { return };
        let (pass, fail) = suspect.steps();
        suspect.sum = if failed { (suspect.sum - fail).max(0.0) } else { (suspect.sum + pass).min(SURE) };
    }

    /// Whether it waits for that check to pass again.
    pub(super) fn waits_for(&self, check: &str) -> bool {
        self.open().any(|(open, _)| open == check)
    }

    /// Asks no more for a check: it was well when its canary became another.
    pub(super) fn forget(&mut self, check: &str) {
        self.0.remove(check);
    }

    /// Whether each of them is well again.
    pub(super) fn is_over(&self) -> bool {
        self.0.values().all(|suspect| suspect.sum >= SURE)
    }

    /// The checks that are not well yet, with their failures before the alarm.
    pub(super) fn open(&self) -> impl Iterator<Item = (&str, (u64, u64))> {
        let open = self.0.iter().filter(|(_, suspect)| suspect.sum < SURE);
        open.map(|(check, suspect)| (check.as_str(), suspect.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::random::Random;

    fn of(failed: u64, all: u64, bound: f64) -> Recovery {
        Recovery::of([("js1".to_owned(), Suspect::new((failed, all), bound))])
    }

    #[test]
    fn the_more_often_a_check_failed_the_fewer_passes_tell_that_it_is_well() {
        let passes = |failed, bound| {
            let mut recovery = of(failed, 10, bound);
            (1..100).find(|_| {
                recovery.observe("js1", false);
                recovery.is_over()
            })
        };
        // ceil(ln 1000 / ln((1 - p) / (1 - f))), by hand.
        assert_eq!((passes(10, 0.02), passes(4, 0.02), passes(1, 0.02)), (Some(4), Some(15), Some(21)));
        assert_eq!(passes(9, 0.4), Some(4), "a bound that is wide after a few passes");
    }

    #[test]
    fn a_check_that_still_fails_as_it_did_is_not_taken_as_well() {
        let mut random = Random::new(5);
        let mut answers = 0_u64;
        for _ in 0..50 {
            let mut recovery = of(4, 10, 0.05);
            while !recovery.is_over() {
                recovery.observe("js1", random.unit() < 0.4);
                answers += 1;
            }
        }
        assert!(answers / 50 >= 1000, "{} in the mean", answers / 50);
    }

    #[test]
    fn all_that_raised_it_must_be_well_and_others_say_nothing() {
        let mut recovery =
            Recovery::of(["a", "b"].map(|name| (name.to_owned(), Suspect::new((9, 10), 0.05))));
        (0..100).for_each(|_| recovery.observe("a", false));
        (0..100).for_each(|_| recovery.observe("c", false));
        assert!(!recovery.is_over());
        assert_eq!(recovery.open().collect::<Vec<_>>(), [("b", (9, 10))]);
        (0..4).for_each(|_| recovery.observe("b", false));
        assert!(recovery.is_over());
    }
}
