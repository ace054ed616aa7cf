//! Speed beside the baseline's, while nobody else used the server. Never a cause, and a warning at most.

use serde::{Deserialize, Serialize};

/// How much slower than the baseline's slowest runs counts: half as slow again. One unchanged server gave 4 to 59
/// tokens a second with the load of its host; what is smaller than this is weather.
const SLOWER: f64 = 1.5;

/// The part of the baseline's runs that is left beyond the band on its slow side.
const BEYOND: f64 = 0.01;

/// Idle runs without which there is no band: with fewer, the slow end is one run.
pub const LEAST_RUNS: usize = 20;

/// How fast one run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Tokens a second, by the server's own timing or from outside, always the same way.
    pub tokens_per_second: Option<f64>,
    /// Seconds to the first token for each token of the prompt.
    pub first_token_seconds_per_prompt_token: Option<f64>,
}

/// The slowest that is still as it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Tokens a second.
    pub tokens_per_second: Option<f64>,
    /// Seconds to the first token for each token of the prompt.
    pub first_token_seconds_per_prompt_token: Option<f64>,
}

impl Band {
    /// Of runs while nobody else used the server: ln(tokens/s) at the 1 % quantile less ln 1.5, and ln(TTFT / prompt
    /// token) at the 99 % quantile and ln 1.5. `None`: too few runs told either.
    pub fn of(idle: &[Pace]) -> Option<Band> {
        let speeds = idle.iter().filter_map(|pace| logarithm(pace.tokens_per_second)).collect();
        let waits =
            idle.iter().filter_map(|pace| logarithm(pace.first_token_seconds_per_prompt_token)).collect();
        let band = Band {
            tokens_per_second: quantile(speeds, BEYOND).map(|ln| ln.exp() / SLOWER),
            first_token_seconds_per_prompt_token: quantile(waits, 1.0 - BEYOND).map(|ln| ln.exp() * SLOWER),
        };
        (band.tokens_per_second.is_some() || band.first_token_seconds_per_prompt_token.is_some())
            .then_some(band)
    }

    /// Whether an idle run is slower. `None`: it told nothing to compare.
    pub fn exceeds(&self, pace: &Pace) -> Option<bool> {
        let slow = self.tokens_per_second.zip(pace.tokens_per_second).map(|(least, speed)| speed < least);
        let waits = self.first_token_seconds_per_prompt_token.zip(pace.first_token_seconds_per_prompt_token);
        let late = waits.map(|(most, wait)| wait > most);
        match (slow, late) {
            (None, either) | (either, None) => either,
            (Some(slow), Some(late)) => Some(slow || late),
        }
    }
}

fn logarithm(of: Option<f64>) -> Option<f64> {
    of.filter(|value| value.is_finite() && *value > 0.0).map(f64::ln)
}

/// The quantile, between two values by their distance (Hyndman and Fan's seventh, as numpy has it).
fn quantile(mut of: Vec<f64>, at: f64) -> Option<f64> {
    if of.len() < LEAST_RUNS {
        return None;
    }
    of.sort_by(f64::total_cmp);
    let place = at * (of.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(of.len() - 1);
    Some(of[below] + (of[above] - of[below]) * (place - below as f64))
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests {
    use super::*;

    fn pace(speed: f64, wait: f64) -> Pace {
        Pace { tokens_per_second: Some(speed), first_token_seconds_per_prompt_token: Some(wait) }
    }

    #[test]
    fn the_band_ends_half_as_slow_again_as_the_slowest_hundredth() {
        let idle: Vec<Pace> =
            (0..101).map(|at| pace(50.0 + f64::from(at), 0.001 + f64::from(at) * 1e-5)).collect();
        let band = Band::of(&idle).unwrap();
        assert!((band.tokens_per_second.unwrap() - 51.0 / 1.5).abs() < 1e-9);
        assert!((band.first_token_seconds_per_prompt_token.unwrap() - 0.001_99 * 1.5).abs() < 1e-9);
        assert_eq!(band.exceeds(&pace(51.0, 0.001)), Some(false));
        assert_eq!(band.exceeds(&pace(33.0, 0.001)), Some(true));
        assert_eq!(band.exceeds(&pace(90.0, 0.003)), Some(true));
        assert_eq!(band.exceeds(&Pace::default()), None);
    }

    #[test]
    fn few_runs_or_odd_numbers_give_no_band() {
        assert_eq!(Band::of(&vec![pace(50.0, 0.001); LEAST_RUNS - 1]), None);
        assert_eq!(Band::of(&vec![pace(0.0, f64::NAN); 100]), None);
        let band = Band::of(&vec![pace(50.0, f64::INFINITY); 100]).unwrap();
        assert_eq!(band.exceeds(&Pace { tokens_per_second: None, ..pace(1.0, 9.0) }), None);
    }
}
