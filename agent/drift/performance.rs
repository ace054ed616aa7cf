//! Speed beside the baseline's, while nobody else used the server. Never a cause, and a warning at most.

use serde::{Deserialize, Serialize};

/// How much slower than the baseline's slowest runs counts, at least: half as slow again. One unchanged server gave 4 to
/// 59 tokens a second with the load of its host; what is smaller than this is weather.
const SLOWER: f64 = 1.5;

/// How many times the baseline's own spread, from the middle to its slowest runs, counts where that is more.
///
/// A host's load sticks: one slow run is followed by others, and so they come in clusters, more often than the bound says
/// while one lasts. Measured by `cargo bench --bench drift_sim -- whole` with a speed whose logarithm is AR(1), ρ 0.95,
/// spread 0.3: without this such a server raises some each year.
const SPREAD: f64 = 2.0;

/// The part of the baseline's runs that is left beyond the band on its slow side.
const BEYOND: f64 = 0.01;

/// Idle runs without which there is no band: fewer saw a load that sticks in one of its moods, and the slow end is one run.
pub const LEAST_RUNS: usize = 100;

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
    /// Of runs while nobody else used the server: ln(tokens/s) at the 1 % quantile less a dead zone, and ln(TTFT / prompt
    /// token) at the 99 % quantile and one. That is ln 1.5, or twice as far as the quantile is from the median if that
    /// is more. `None`: too few runs told either.
    pub fn of(idle: &[Pace]) -> Option<Band> {
        let speeds = idle.iter().filter_map(|pace| logarithm(pace.tokens_per_second)).collect();
        let waits =
            idle.iter().filter_map(|pace| logarithm(pace.first_token_seconds_per_prompt_token)).collect();
        let band = Band {
            tokens_per_second: end(speeds, BEYOND),
            first_token_seconds_per_prompt_token: end(waits, 1.0 - BEYOND),
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

/// Where the band ends on its slow side.
fn end(mut logarithms: Vec<f64>, slow: f64) -> Option<f64> {
    let middle = quantile(&mut logarithms, 0.5)?;
    let slowest = quantile(&mut logarithms, slow)?;
    let zone = SLOWER.ln().max(SPREAD * (slowest - middle).abs());
    Some((slowest + if slow < 0.5 { -zone } else { zone }).exp())
}

fn logarithm(of: Option<f64>) -> Option<f64> {
    of.filter(|value| value.is_finite() && *value > 0.0).map(f64::ln)
}

/// The quantile, between two values by their distance (Hyndman and Fan's seventh, as numpy has it).
fn quantile(of: &mut [f64], at: f64) -> Option<f64> {
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
            (0..101).map(|at| pace(80.0 + 0.2 * f64::from(at), 0.001 + f64::from(at) * 1e-6)).collect();
        let band = Band::of(&idle).unwrap();
        assert!((band.tokens_per_second.unwrap() - 80.2 / 1.5).abs() < 1e-9);
        assert!((band.first_token_seconds_per_prompt_token.unwrap() - 0.001_099 * 1.5).abs() < 1e-9);
        assert_eq!(band.exceeds(&pace(54.0, 0.001)), Some(false));
        assert_eq!(band.exceeds(&pace(53.0, 0.001)), Some(true));
        assert_eq!(band.exceeds(&pace(90.0, 0.003)), Some(true));
        assert_eq!(band.exceeds(&Pace::default()), None);
    }

    #[test]
    fn where_speed_varies_more_the_band_ends_twice_as_far_below_the_slowest_as_those_are_below_the_middle() {
        let idle: Vec<Pace> = (0..101).map(|at| pace(2.0_f64.powf(f64::from(at) / 50.0), 0.001)).collect();
        let band = Band::of(&idle).unwrap();
        // From 1 to 4 tokens a second, the middle at 2: the slowest hundredth 0.98 of an octave below it.
        assert!((band.tokens_per_second.unwrap() - 2.0_f64.powf(0.02 - 2.0 * 0.98)).abs() < 1e-9);
    }

    #[test]
    fn few_runs_or_odd_numbers_give_no_band() {
        assert_eq!(Band::of(&vec![pace(50.0, 0.001); LEAST_RUNS - 1]), None);
        assert_eq!(Band::of(&vec![pace(0.0, f64::NAN); 100]), None);
        let band = Band::of(&vec![pace(50.0, f64::INFINITY); 100]).unwrap();
        assert_eq!(band.exceeds(&Pace { tokens_per_second: None, ..pace(1.0, 9.0) }), None);
    }
}
