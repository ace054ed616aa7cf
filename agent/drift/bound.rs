//! What so many of so many tell of a rate: bounds and intervals.

use statrs::function::beta::{beta_reg, inv_beta_reg};

use super::words::Proportion;

/// The quantile of the normal distribution for a two-sided interval of 95 %.
const Z95: f64 = 1.959_963_984_540_054;

/// Halvings of 0..1: what is left is 1e-18, below the rounding of any bound that runs can give.
const HALVINGS: u32 = 60;

/// The upper bound of a rate, of which `of` in `all` were seen: the true rate is above it with probability `delta`
/// at most. 1 where nothing speaks against it.
///
/// Source: Clopper and Pearson, Biometrika 26, 1934: the quantile 1 − δ of Beta(x + 1, n − x). Found by halving: it ends
/// for all counts and errs on the safe side, where statrs' inverse is 4 parts in 10,000 too low for a million runs.
pub fn upper(of: u64, all: u64, delta: f64) -> f64 {
    if of >= all || delta <= 0.0 {
        return 1.0;
    }
    if of == 0 {
        // (1 - p)^n = δ, solved for p without a loss of digits.
        return -(delta.min(1.0).ln() / all as f64).exp_m1();
    }
    let (a, b) = (of as f64 + 1.0, (all - of) as f64);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        // The probability above the middle, taken from the other side: 1 - I would lose the digits of a small δ.
        if beta_reg(b, a, 1.0 - middle) > delta { low = middle } else { high = middle }
    }
    high
}

/// What a bound takes of the probability that bounds are wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The probability with which it may be wrong.
    pub delta: f64,
    /// By how much that adds to the probability of a false alarm, at most.
    pub cost: f64,
}

/// Runs of a baseline that lasts, and from which on a bound that doubles them is worth having.
const LASTING: (u64, u64) = (150, 300);

/// What a bound of so many runs takes of what is `left`: that of a `new` baseline, or one made anew since its runs have
/// doubled. All take a part of what those before them left, so that whatever follows costs no more than all of it.
///
/// Most is kept for a full baseline, which lasts; and the first, after minutes, is to find something at all. **A bound
/// that is soon replaced costs less than the probability that it is wrong.** With n runs it lasts n + 12 steps, and in
/// those a rate that is above it makes a false alarm only if it is well above: then so lucky a baseline is rarer still.
/// The supremum over all rates of (so lucky a baseline, and then an alarm) is below n / 150 of the bound's δ where no
/// more than 0.01 is left, and grows more slowly than what is left; that is computed, not simulated, in
/// `evidence/tests.rs`.
pub fn share_of(left: f64, runs: u64, new: bool) -> Share {
    let part = match new {
        true if runs < 50 => 0.6,
        true if runs < LASTING.0 => 0.15,
        true => 0.94,
        false if runs < LASTING.1 => 0.05,
        false => 0.5,
    };
    let delta = part * left;
    Share { delta, cost: delta * (runs as f64 / 150.0 * (left / 0.01).max(1.0)).min(1.0) }
}

impl Proportion {
    /// `of` in `all` with Wilson's interval at 95 % (Wilson, JASA 22, 1927). Of none, all is possible.
    pub fn new(of: u64, all: u64) -> Proportion {
        let of = of.min(all);
        if all == 0 {
            return Proportion { of, all, low: 0.0, high: 1.0 };
        }
        let n = all as f64;
        let share = of as f64 / n;
        let square = Z95 * Z95;
        let centre = share + square / (2.0 * n);
        let spread = Z95 * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        let scale = 1.0 + square / n;
        let low = if of == 0 { 0.0 } else { (centre - spread) / scale };
        let high = if of == all { 1.0 } else { (centre + spread) / scale };
        Proportion { of, all, low, high }
    }
}

/// Jeffreys' interval at 95 %: the quantiles of Beta(k + ½, n − k + ½), and an end of the scale where all or none were
/// seen (Brown, Cai, DasGupta, Statistical Science 16, 2001). Shorter than Wilson's for the few canaries of a category.
pub fn jeffreys(of: u64, all: u64) -> (f64, f64) {
    let of = of.min(all);
    let (a, b) = (of as f64 + 0.5, (all - of) as f64 + 0.5);
    let low = if of == 0 { 0.0 } else { inv_beta_reg(a, b, 0.025) };
    let high = if of == all { 1.0 } else { inv_beta_reg(a, b, 0.975) };
    (low, high)
}

/// The probability that of `lost + won` checks which came out otherwise than before, as many as `lost` or more were
/// lost, if nothing changed: P(Bin(b + c, ½) ≥ b), McNemar's test in its exact form, one-sided.
pub fn mcnemar(lost: u64, won: u64) -> f64 {
    if lost == 0 {
        return 1.0;
    }
    // P(Bin(n, p) ≥ b) is the regularised incomplete beta function at p of (b, n − b + 1).
    beta_reg(lost as f64, won as f64 + 1.0, 0.5)
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests;
