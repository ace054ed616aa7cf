//! How sure a model must have been of a token, for another one in its place to be more than its own noise.

use std::collections::BTreeMap;

use super::baseline::Known;
use super::dictionary::{Numbers, limit};
use super::{Probe, distance};
use crate::sample::Position;

/// Nats between the two likeliest tokens from which on a flip is confident, where the model's own noise is not known: no
/// benign change flipped a token above it, of 2,861.
pub(super) const USUAL: f64 = 0.8;

/// So many times the distance that benign states lie apart, no token of 2,861 was flipped.
const OF_DISTANCE: f64 = 6.0;

/// Canaries with several states that are needed, for the noise to be known.
const LEAST: usize = 3;

/// Nats between the two likeliest tokens of a position. `None`: it does not list two.
pub(super) fn of(position: &Position) -> Option<f64> {
    match position.top[..] {
        [(_, first), (_, second), ..] => Some(f64::from(first) - f64::from(second)),
        _ => None,
    }
}

/// The margin from which on a flip is confident, by how the chat canaries' benign states differ among themselves: six
/// times their mean distance, and above each margin at which one of them has another token. `None`: too few canaries
/// have several states to tell.
pub(super) fn learned(canaries: &BTreeMap<String, Known>) -> Option<f64> {
    let (mut far, mut flipped) = (Vec::new(), 0.0_f64);
    for known in canaries.values().filter(|known| known.probe == Probe::Chat) {
        let mut of_canary = Vec::new();
        for (nth, from) in known.states.iter().enumerate() {
            for to in known.states.iter().skip(nth + 1) {
                let (Numbers::Positions(from), Numbers::Positions(to)) = (from, to) else { continue };
                let Some(compared) = distance::answer(from, to, limit(known.raw)) else { continue };
                of_canary.push(compared.distance);
                let at = compared.differs_at;
                let margins = [from, to].map(|side| at.and_then(|at| of(side.get(at)?)));
                flipped = margins.into_iter().flatten().fold(flipped, f64::max);
            }
        }
        far.extend(super::kld::mean(&of_canary).filter(|far| far.is_finite()));
    }
    let mean = super::kld::mean(&far).filter(|_| far.len() >= LEAST)?;
    // Just above a margin at which the model flipped by itself, since one that is reached counts.
    Some((OF_DISTANCE * mean).max(flipped.next_up()))
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Token;

    /// One position: two tokens so far apart, and whether the second stands first.
    fn state(margin: f32, swapped: bool, shift: f32) -> Numbers {
        let ids = if swapped { [8, 7] } else { [7, 8] };
        let top = vec![(Token::of_id(ids[0]), -0.5 - shift), (Token::of_id(ids[1]), -0.5 - shift - margin)];
        Numbers::Positions(vec![Position { token: top[0].0, logprob: Some(top[0].1), top }])
    }

    fn known(states: Vec<Numbers>) -> Known {
        Known { probe: Probe::Chat, raw: false, states, tolerance: 0.1 }
    }

    fn canaries(all: Vec<Vec<Numbers>>) -> BTreeMap<String, Known> {
        (0..).map(|nth| format!("c{nth}")).zip(all.into_iter().map(known)).collect()
    }

    #[test]
    fn it_is_six_times_the_distance_of_benign_states() {
        let two = || vec![state(2.0, false, 0.0), state(2.0, false, 0.2)];
        let margin = learned(&canaries(vec![two(), two(), two()])).unwrap();
        assert!((margin - 1.2).abs() < 1e-6, "{margin}");
    }

    #[test]
    fn it_is_above_each_margin_at_which_the_model_flipped_by_itself() {
        let two = || vec![state(2.0, false, 0.0), state(2.0, false, 0.01)];
        // Each token moves by the margin when they swap: the mean distance is a third of that.
        let swaps = vec![state(1.5, false, 0.0), state(1.5, true, 0.0)];
        let margin = learned(&canaries(vec![two(), two(), swaps])).unwrap();
        assert!(margin > 1.5, "{margin}");
    }

    #[test]
    fn of_a_model_that_always_computes_the_same_nothing_is_known() {
        let one = || vec![state(2.0, false, 0.0)];
        assert_eq!(learned(&canaries(vec![one(), one(), one(), one()])), None);
        let two = || vec![state(2.0, false, 0.0), state(2.0, false, 0.2)];
        assert_eq!(learned(&canaries(vec![two(), two(), one(), one()])), None);
    }
}
