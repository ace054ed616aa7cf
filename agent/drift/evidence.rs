//! Whether runs exceed more often than they do by chance: evidence that grows run by run, and an alarm with a bound
//! on false ones.
//!
//! Source: Shiryaev-Roberts sums of e-processes (Shin, Ramdas, Rinaldo, *E-detectors*, NEJSDS 2023), here of bets on
//! a Bernoulli variable against an upper bound p̄ of its benign rate. After each run with x in {0, 1}, for each bet q:
//!
//! ```text
//! M_q ← (M_q + 1) · (x ? q / p̄ : (1 − q) / (1 − p̄))        M = Σ w_q M_q        alarm when M ≥ A
//! ```
//!
//! **What is promised.** If P(x = 1 | past) ≤ p̄, each factor has a conditional mean of at most 1, so M_r − r is a
//! supermartingale, and with a reset at each alarm the expected number of false alarms in N runs is at most N / A.
//! Neither independence nor a known distribution is asked for; what is assumed is that benign runs exceed no more
//! often than in the baseline, which therefore includes a busy server.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::rate::Rate;

/// Which shares of exceeding runs are bet on, and with how much weight.
///
/// The first three find faults that hit a part of the runs, the last a full change. It has twice the weight of each
/// other: that saves a full change 0.5 of ln A, which together with the budget's δ is the fourth run after a baseline
/// of 300; it costs the others 0.2 of ln A, about one run of 39 for a fault of 20 %.
const BETS: [(f64, f64); 4] = [(0.03, 0.2), (0.1, 0.2), (0.3, 0.2), (0.9, 0.4)];

/// A change that would need more runs than this is not found in any time that matters: 35 days at 5 minutes.
const LONGEST: u64 = 10_000;

/// The evidence of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    rate: Rate,
    budget: Budget,
    /// ln(1 + M) of each bet: finite from the start, unlike ln M.
    sums: [f64; 4],
}

impl Evidence {
    /// After a baseline of `runs` of which `exceeding` exceeded.
    pub fn new(exceeding: u64, runs: u64, budget: Budget) -> Evidence {
        Evidence { rate: Rate::new(exceeding, runs, budget.delta), budget, sums: [0.0; 4] }
    }

    /// Takes in whether a run exceeded. Tells whether that raises the alarm: then the sums start anew, and the last runs
    /// are not learned from. While the alarm holds, runs are not to be shown here: they are neither evidence nor benign.
    pub fn observe(&mut self, exceeded: bool) -> bool {
        let sums = self.step(self.sums, exceeded);
        if mixture(sums) >= self.budget.threshold {
            self.sums = [0.0; 4];
            self.rate.drop_waiting();
            return true;
        }
        self.sums = sums.map(ln_1p_exp);
        self.rate.observe(exceeded);
        false
    }

    /// ln M, not below 0: less than one bet's worth is nothing.
    pub fn ln_m(&self) -> f64 {
        mixture(self.sums.map(ln_exp_m1)).max(0.0)
    }

    /// ln M that no number of runs without an exceedance passes: each bet's M nears (1 − q) / (q − p̄), where a run takes
    /// as much away as it adds.
    pub(super) fn quiet(&self) -> f64 {
        let one = |((_, down), (_, weight)): ((f64, f64), (f64, f64))| {
            // A bet that nothing is taken from, against a bound of 1, wins nothing either.
            if down < 0.0 { weight * down.exp() / -down.exp_m1() } else { 0.0 }
        };
        self.bets().into_iter().zip(BETS).map(one).sum::<f64>().ln()
    }

    /// ln A: an alarm at and above it.
    pub fn threshold(&self) -> f64 {
        self.budget.threshold
    }

    /// Another beat or another number of allowed alarms: the evidence so far is kept.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.budget.threshold = threshold;
    }

    /// The rate of benign runs that exceed, and its bound.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }

    /// What is left of δ for the bounds of a next baseline.
    pub(super) fn left(&self) -> f64 {
        self.rate.left()
    }

    /// Runs that a change takes to be found from now, if it makes `share` (0..1) of the runs exceed. `None`: the bound
    /// on benign runs is too wide for it yet, or it would take longer than anybody waits.
    ///
    /// A full change is counted through. For a partial one, the fewest runs over the bets: what is missing of ln A over
    /// the bet's growth a run, g(π) = π ln(q / p̄) + (1 − π) ln((1 − q) / (1 − p̄)). Where that is later than the next
    /// bound, the change itself will be counted into it: so a fault of 5 % that begins right after 300 runs is never
    /// found, and that is said. In simulations six to nine of ten changes are found by then.
    pub fn runs_to_alarm(&self, share: f64) -> Option<u64> {
        if share < 1.0 {
            return self.runs_to_partial(share);
        }
        let mut sums = self.sums;
        (1..=LONGEST).find(|_| {
            let next = self.step(sums, true);
            sums = next.map(ln_1p_exp);
            mixture(next) >= self.budget.threshold
        })
    }

    fn runs_to_partial(&self, share: f64) -> Option<u64> {
        let (mut ahead, mut passed) = (self.clone(), 0);
        while passed <= LONGEST {
            let growth = ahead.bets().map(|(up, down)| share * up + (1.0 - share) * down);
            let bets = growth.into_iter().zip(ahead.sums).zip(BETS).filter(|((growth, _), _)| *growth > 0.0);
            let runs = bets.map(|((growth, sum), (_, weight))| {
                ((self.budget.threshold - weight.ln() - sum) / growth).ceil().max(1.0)
            });
            let (soonest, span) = (runs.fold(f64::INFINITY, f64::min), ahead.rate.until_next());
            if soonest <= span as f64 {
                return Some(passed + soonest as u64).filter(|runs| *runs <= LONGEST);
            }
            for (sum, growth) in ahead.sums.iter_mut().zip(growth) {
                *sum = (*sum + growth * span as f64).max(0.0);
            }
            passed = passed.saturating_add(span.max(1));
            ahead.rate = ahead.rate.at_next(share);
        }
        None
    }

    /// The sums after a run, as ln M.
    fn step(&self, sums: [f64; 4], exceeded: bool) -> [f64; 4] {
        let mut sums = sums;
        for (sum, (up, down)) in sums.iter_mut().zip(self.bets()) {
            *sum += if exceeded { up } else { down };
        }
        sums
    }

    /// What each bet wins at a run that exceeds, and at one that does not, as logarithms.
    fn bets(&self) -> [(f64, f64); 4] {
        BETS.map(|(share, _)| factors(share, self.rate.bound()))
    }
}

/// ln(q / p̄) and ln((1 − q) / (1 − p̄)) of a bet on `share`, which is raised to stand well above the bound: to at
/// least 2 p̄, or halfway between p̄ and 1 where that is less. A bet below the bound would win by benign runs.
pub(super) fn factors(share: f64, bound: f64) -> (f64, f64) {
    // With a bound of 1 nothing can be said: each run is as the last one.
    if bound >= 1.0 {
        return (0.0, 0.0);
    }
    let share = share.max((2.0 * bound).min(f64::midpoint(bound, 1.0)));
    ((share / bound).ln(), ((1.0 - share) / (1.0 - bound)).ln())
}

/// ln(1 + e^x), without overflow.
pub(super) fn ln_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// ln(e^x − 1) of x ≥ 0: back from ln(1 + M) to ln M.
pub(super) fn ln_exp_m1(x: f64) -> f64 {
    if x > 1.0 { x + (-(-x).exp()).ln_1p() } else { x.exp_m1().ln() }
}

/// ln Σ w M of the bets' ln M.
fn mixture(sums: [f64; 4]) -> f64 {
    let most = sums.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    let weighted = sums.iter().zip(BETS).map(|(sum, (_, weight))| weight * (sum - most).exp());
    most + weighted.sum::<f64>().ln()
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests;
