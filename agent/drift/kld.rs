//! How bad a change is, on the scale by which quantizations are compared: a mean KL divergence with its error.

use serde::{Deserialize, Serialize};

use super::random::Random;

/// Draws of the bootstrap: the error of an error of 5 % is enough for a number that is shown with two digits.
const DRAWS: usize = 200;

/// The same each time: one run must not be told with two errors.
const SEED: u64 = 0x0b5a_6e17;

/// Standard errors to each side that hold 95 % of a normal distribution.
const NORMAL_95: f64 = 1.96;

/// Half as much again: less does not change what a KLD is like on the published scale.
const WORTH_A_WORD: f64 = 1.5;

/// The KLD equivalent of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kld {
    /// The mean over canaries of the mean over their positions, nats.
    pub mean: f64,
    /// Its standard error, by a bootstrap over canaries. `None`: there is but one.
    pub standard_error: Option<f64>,
    /// Canaries in it.
    pub canaries: usize,
}

impl Kld {
    /// Of the canaries' own means: [`super::distance::Compared::kl`] against the nearest known state.
    ///
    /// A mean of means, not one over all positions: a canary that differs at its first token has one position only, and
    /// would count a quarter. Beside llama-perplexity on text that the model itself wrote, 8 canaries of 4 tokens told
    /// 0.6 to 1.7 times as much, over 8 quantizations of each of two models. What is not finite is left out: it is a
    /// hard error, told apart. `None`: nothing is left.
    pub fn of(canaries: &[f64]) -> Option<Kld> {
        let canaries: Vec<f64> = canaries.iter().copied().filter(|kl| kl.is_finite()).collect();
        let count = canaries.len();
        let mean = mean(&canaries)?;
        Some(Kld { mean, standard_error: (count > 1).then(|| bootstrap(&canaries)), canaries: count })
    }
}

/// The interval in which a mean with that standard error lies in 95 of 100 cases, on the scale of its logarithm: it is
/// above 0, and its error grows with it. Where all canaries are as they were, from 0 to 0. `None`: it has no end.
pub fn interval(mean: f64, standard_error: f64) -> Option<(f64, f64)> {
    if mean == 0.0 && standard_error == 0.0 {
        return Some((0.0, 0.0));
    }
    let times = (NORMAL_95 * standard_error / mean).exp();
    (mean > 0.0 && times.is_finite()).then(|| (mean / times, mean * times))
}

/// The same. `None`: it is too narrow to be worth a word.
pub(super) fn range(mean: f64, standard_error: f64) -> Option<(f64, f64)> {
    interval(mean, standard_error).filter(|(_, high)| *high >= WORTH_A_WORD * mean && mean > 0.0)
}

/// The mean. `None`: of nothing.
pub fn mean(of: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
}

/// The standard error of a mean (Efron 1979): the spread of means of samples drawn with replacement.
fn bootstrap(of: &[f64]) -> f64 {
    let mut random = Random::new(SEED);
    let mut draw = || (0..of.len()).map(|_| of[random.below(of.len())]).sum::<f64>() / of.len() as f64;
    let means: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
    let centre = means.iter().sum::<f64>() / DRAWS as f64;
    let squares: f64 = means.iter().map(|mean| (mean - centre).powi(2)).sum();
    (squares / (DRAWS - 1) as f64).sqrt()
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_near_the_one_that_theory_gives() {
        let canaries = [0.21, 0.35, 0.08, 0.4, 0.17, 0.29, 0.33, 0.12];
        let kld = Kld::of(&canaries).unwrap();
        assert!((kld.mean - 0.24375).abs() < 1e-12);
        // The bootstrap estimates the spread with n, not n - 1, below it.
        let squares: f64 = canaries.iter().map(|kl| (kl - kld.mean).powi(2)).sum();
        let theory = (squares / 8.0 / 8.0).sqrt();
        let error = kld.standard_error.unwrap();
        assert!((error / theory - 1.0).abs() < 0.15, "{error} is not near {theory}");
        assert_eq!(Kld::of(&canaries), Some(kld), "the same each time");
    }

    #[derive(Deserialize)]
    struct Case {
        canaries: Vec<f64>,
        mean: f64,
        standard_error: f64,
    }

    #[test]
    fn mean_and_error_are_those_computed_independently() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/fixtures/drift/kld.json")).unwrap();
        for case in cases {
            let kld = Kld::of(&case.canaries).unwrap();
            assert!((kld.mean - case.mean).abs() < 1e-12);
            assert!((kld.standard_error.unwrap() / case.standard_error - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_range_is_told_where_it_is_wide() {
        let (low, high) = range(0.04, 0.02).unwrap();
        assert!((low - 0.015).abs() < 1e-3 && (high - 0.1066).abs() < 1e-3, "{low} to {high}");
        assert_eq!(range(0.04, 0.004), None);
        assert_eq!(range(0.0, 0.0), None);
        assert_eq!(range(0.0, 0.1), None);
    }

    #[test]
    fn an_interval_is_told_also_where_it_is_narrow() {
        let (low, high) = interval(0.04, 0.004).unwrap();
        assert!((low - 0.032_88).abs() < 1e-5 && (high - 0.048_66).abs() < 1e-5, "{low} to {high}");
        assert_eq!(interval(0.0, 0.0), Some((0.0, 0.0)), "all as it was");
        assert_eq!([interval(0.0, 0.1), interval(1e-300, 1.0)], [None; 2]);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        assert_eq!(Kld::of(&[]), None);
        assert_eq!(Kld::of(&[f64::INFINITY]), None);
        let alone = Kld::of(&[0.5, f64::NAN]).unwrap();
        assert_eq!((alone.mean, alone.standard_error, alone.canaries), (0.5, None, 1));
    }
}
