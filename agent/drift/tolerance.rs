//! By how much a run may be farther off than any run of the baseline was: the dead zone.
//!
//! Measured by `cargo bench --bench drift_sim`: false alarms of 20 simulated years for each of five kinds of noise, a
//! baseline of 300 runs, 0.1 a year allowed. Four kinds (independent, sparse, busy spells, office hours) had none with
//! any of these factors. What decides is noise that sticks (log-scale AR(1), ρ 0.95): there a run exceeds in clusters,
//! and so more often than the bound says while one lasts. It had 0.90 a year with ×3, none with ×5; of medians of 12
//! runs 0.10 with ×1.5, which is all that is allowed, and 0.05 with ×2.

/// The factor where the numbers are always the same: there is no noise that could stick, so the lower one holds.
pub const DETERMINISTIC: f64 = 3.0;

/// The factor where they are not: the wider zone is the price of noise that sticks.
pub const NOISY: f64 = 5.0;

/// The factor for medians of [`super::slow::BLOCK`] runs, of the largest score of a single run.
pub const SLOW: f64 = 2.0;

/// No tolerance is below this, in nats: rounding of logarithms is far below it, any change of arithmetic above it.
pub const FLOOR: f64 = 0.02;

/// Texts, of all, that may differ beyond what the baseline saw, where its answers vary by themselves: two.
const APART: f64 = 2.0;

/// The part of the texts that may be unknown before a run exceeds. `most`: that of the baseline's worst run, held
/// against its others; `count`: texts of a run.
///
/// Where a model never varied, one text that is another is as sure as a number that is: two of ten would be let pass
/// with ever so many runs. A change of the attention kernel alters two or three texts of ten (measured).
pub fn of_texts(most: f64, count: f64, deterministic: bool) -> f64 {
    // Half a text: so that one more than the baseline saw is above, and none more is not.
    let apart = if deterministic { 0.5 } else { APART };
    most + apart / count.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_more_exceeds_where_nothing_varies_and_three_where_something_does() {
        for unknown in 0..=10 {
            let part = f64::from(unknown) / 10.0;
            assert_eq!(part > of_texts(0.0, 10.0, true), unknown >= 1, "{unknown}");
            assert_eq!(part > of_texts(0.0, 10.0, false), unknown >= 3, "{unknown}");
            assert_eq!(
                part > of_texts(0.1, 10.0, true),
                unknown >= 2,
                "{unknown}: one run had one of its own"
            );
        }
    }
}
