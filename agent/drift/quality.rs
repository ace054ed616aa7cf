//! The stream of quality: checks that fail more often than they did, each held against its own rate.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::evidence::{factors, ln_1p_exp, ln_exp_m1};
use super::rate::Rate;
use super::recovery::{Recovery, Suspect};

/// The share of answers that is bet to fail: a check that is lost fails nearly always.
const BET: f64 = 0.9;

/// How the weight is parted between the checks each for itself, and all of them together: a half each.
const HALF: f64 = 0.5;

/// Answers of a check that are remembered, to tell how often it failed when the alarm was raised.
const REMEMBERED: usize = 16;

/// Evidence that checks fail more often than they did.
///
/// For each check i a Shiryaev-Roberts sum M_i as in [`super::evidence`], with its own bound p̄_i and one bet; beside
/// them one sum over all answers, in which each answer bets by its check's own bound. Evidence is
/// M = ½ Σ M_i + ½ M_all.
///
/// **The sum of M_i, not their mean.** A mean of n e-detectors is held against N / α where all of them take a step at
/// once. Here an answer is a step of one check alone, so Σ M_i − (answers) is a supermartingale already: the number of
/// answers a year is the N of the threshold, and many checks cost nothing. **The sum over all** finds a collapse: ten
/// checks that fail once each are no evidence each for itself, and much together.
///
/// The bounds must hold for all checks at once, so each has its part of the stream's δ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    budget: Budget,
    checks: BTreeMap<String, Check>,
    /// ln(1 + M) over all answers.
    all: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Check {
    rate: Rate,
    /// ln(1 + M).
    sum: f64,
    /// Whether each of the last answers failed, the oldest first.
    #[serde(default)]
    last: VecDeque<bool>,
}

impl Check {
    fn new(failed: u64, asked: u64, delta: f64) -> Check {
        Check { rate: Rate::new(failed, asked, delta), sum: 0.0, last: VecDeque::new() }
    }
}

impl Quality {
    /// Of checks by their name, times failed and times asked in the baseline. The budget is to be made with the mean
    /// time from one graded answer to the next.
    pub fn new(checks: impl IntoIterator<Item = (String, u64, u64)>, budget: Budget) -> Quality {
        let checks: Vec<_> = checks.into_iter().collect();
        let delta = budget.delta / checks.len().max(1) as f64;
        let one = |(name, failed, asked)| (name, Check::new(failed, asked, delta));
        Quality { budget, checks: checks.into_iter().map(one).collect(), all: 0.0 }
    }

    /// Watches one check more, of `all` that are asked, which failed and was asked so often while all was well: one that
    /// was learned beside the baseline. The evidence so far is kept. One that is watched stays as it is.
    ///
    /// Those that are added share the stream's δ among them once more; a new baseline in their place would spend as much,
    /// and throw the evidence away.
    pub(super) fn add(&mut self, check: &str, failed: u64, asked: u64, all: usize) {
        let delta = self.budget.delta / all.max(1) as f64;
        self.checks.entry(check.to_owned()).or_insert_with(|| Check::new(failed, asked, delta));
    }

    /// Watches those checks alone from now: what spoke against another is let go. That only takes evidence away, so that
    /// the promise holds.
    pub(super) fn keep(&mut self, check: impl Fn(&str) -> bool) {
        self.checks.retain(|name, _| check(name));
    }

    /// Whether that check is watched.
    pub(super) fn watches(&self, check: &str) -> bool {
        self.checks.contains_key(check)
    }

    /// Takes in whether an answer failed its check. If that raises the alarm, it gives the checks that are to pass again
    /// for it to end, and the sums start anew. An answer to a check that is not watched tells nothing. While the alarm
    /// holds, answers are not to be shown here.
    pub(super) fn observe(&mut self, check: &str, failed: bool) -> Option<Recovery> {
        let asked = self.checks.get_mut(check)?;
        if asked.last.len() >= REMEMBERED {
            asked.last.pop_front();
        }
        asked.last.push_back(failed);
        let (up, down) = factors(BET, asked.rate.bound());
        let step = if failed { up } else { down };
        let (before, before_all) = (asked.sum, self.all);
        let (one, all) = (before + step, before_all + step);
        // M before its next step, so that what is compared is M and not M + 1.
        asked.sum = ln_1p_exp(one);
        self.all = ln_1p_exp(all);
        if self.ln_sum() >= self.budget.threshold {
            let recovery = self.suspects();
            self.all = 0.0;
            for check in self.checks.values_mut() {
                check.sum = 0.0;
                check.rate.drop_waiting();
                check.last.clear();
            }
            return Some(recovery);
        }
        if let Some(asked) = self.checks.get_mut(check) {
            asked.rate.observe(failed);
        }
        None
    }

    /// The checks that raise the alarm: those whose own M is above 1, which none is that passed its last answers.
    fn suspects(&self) -> Recovery {
        let suspects = self.checks.iter().filter(|(_, check)| ln_exp_m1(check.sum) > 0.0);
        Recovery::of(suspects.map(|(name, check)| {
            let failed = check.last.iter().filter(|failed| **failed).count() as u64;
            (name.clone(), Suspect::new((failed, check.last.len() as u64), check.rate.bound()))
        }))
    }

    /// ln M, not below 0.
    pub fn ln_m(&self) -> f64 {
        self.ln_sum().max(0.0)
    }

    /// What is left of δ, of all checks, for the bounds of a next baseline.
    pub(super) fn left(&self) -> f64 {
        let checks = self.checks.values().map(|check| check.rate.left());
        if self.checks.is_empty() { self.budget.delta } else { checks.sum() }
    }

    /// Checks that are watched.
    pub fn checks(&self) -> usize {
        self.checks.len()
    }

    /// ln A: an alarm at and above it.
    pub fn threshold(&self) -> f64 {
        self.budget.threshold
    }

    /// Another beat or another number of allowed alarms: the evidence so far is kept.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.budget.threshold = threshold;
    }

    /// Failures in a row that one check takes to raise the alarm from now. `None`: it is not watched, or its bound is too
    /// wide for any number that matters.
    pub fn failures_to_alarm(&self, check: &str) -> Option<u64> {
        let asked = self.checks.get(check)?;
        let (up, _) = factors(BET, asked.rate.bound());
        let runs = ((self.budget.threshold - HALF.ln() - asked.sum) / up).ceil().max(1.0);
        (up > 0.0 && runs <= 1000.0).then_some(runs as u64)
    }

    /// ln(½ Σ M_i + ½ M_all).
    fn ln_sum(&self) -> f64 {
        let sums = self.checks.values().map(|check| check.sum).chain([self.all]).map(ln_exp_m1);
        let most = sums.clone().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return most;
        }
        most + (HALF * sums.map(|sum| (sum - most).exp()).sum::<f64>()).ln()
    }
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests {
    use super::super::budget::{ALARMS_A_YEAR, Budget};
    use super::super::words::Stream;
    use super::*;

    fn quality(checks: u64, asked: u64) -> Quality {
        let budget = Budget::of(Stream::Quality, ALARMS_A_YEAR, 150.0);
        Quality::new((0..checks).map(|at| (format!("c{at}"), 0, asked)), budget)
    }

    #[test]
    fn one_lost_check_is_found_the_sooner_the_longer_it_was_passed() {
        for (asked, most) in [(30, 14), (100, 8), (1000, 4)] {
            let mut quality = quality(20, asked);
            let said = quality.failures_to_alarm("c3").unwrap();
            let found: u64 = (1..100).find(|_| quality.observe("c3", true).is_some()).unwrap();
            assert!(found <= most && found.abs_diff(said) <= 1, "{found}, said {said}, after {asked}");
        }
    }

    #[test]
    fn a_collapse_is_found_although_no_check_failed_twice() {
        let mut quality = quality(20, 30);
        let found = (0..20).position(|at| quality.observe(&format!("c{at}"), true).is_some());
        assert!(found.is_some_and(|answers| answers < 16), "{found:?}");
    }

    #[test]
    fn what_is_not_watched_tells_nothing() {
        let mut quality = quality(2, 30);
        assert!((0..100).all(|_| quality.observe("other", true).is_none()));
        assert_eq!((quality.ln_m(), quality.failures_to_alarm("other")), (0.0, None));
    }

    #[test]
    fn checks_that_pass_are_no_evidence() {
        let mut quality = quality(5, 6);
        assert!((0..5000).all(|at| quality.observe(&format!("c{}", at % 5), false).is_none()));
        assert!(quality.ln_m() < 2.0, "{}", quality.ln_m());
        let text = serde_json::to_string(&quality).unwrap();
        assert_eq!(serde_json::from_str::<Quality>(&text).unwrap(), quality);
    }
}
