//! What a canary was seen to answer: a small set of numeric states, learned answer by answer.
//!
//! The noise of a server is a few discrete states for each prompt, not a cloud around a mean: one for a short prompt,
//! two to five for a long one (cold or out of the cache, cut into pieces this way or that). So each state is kept, and
//! an answer's distance is that to the nearest.

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::{Probe, distance};
use crate::sample::{Position, Token};

/// The most states of a canary. One with more is no fingerprint but noise.
pub(super) const MOST_STATES: usize = 8;

pub(super) use super::tolerance::FLOOR;

/// Answers within this of a state are that state. Half the floor: so what is merged never exceeds by itself.
const SAME: f64 = FLOOR / 2.0;

/// Answers within this are the same to the bit, but for how numbers are written.
const EXACTLY: f64 = 1e-6;

/// Where there are more states than kept, those nearest to each other become one. Up to this: a canary that spreads
/// wider than this has a tolerance above [`TOO_WIDE`] whatever the factor is.
const WIDEST: f64 = 0.2;

/// A tolerance above this, in nats, lets pass what should be found: such a canary is dropped.
pub(super) const TOO_WIDE: f64 = 0.5;

/// A chat canary's first tokens are compared up to here, and a text's print is made of as many.
const MOST_POSITIONS: usize = 16;

/// What an answer was, as it is compared: never as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Log probabilities of its first tokens.
    Positions(Vec<Position>),
    /// Probabilities of its first token after the samplers.
    Sampler(Vec<(Token, f32)>),
    /// Its text, where the server tells no probabilities.
    Text(Text),
}

impl Numbers {
    /// How far another answer is from this one: nats, or a probability for the sampler, or 0 and 1 for texts. `None`:
    /// they cannot be compared.
    pub fn distance(&self, to: &Numbers, raw: bool) -> Option<f64> {
        match (self, to) {
            (Self::Positions(from), Self::Positions(to)) => {
                Some(distance::answer(from, to, limit(raw))?.distance)
            }
            (Self::Sampler(from), Self::Sampler(to)) => distance::sampler(from, to),
            (Self::Text(from), Self::Text(to)) => Some(f64::from(u8::from(!from.is(to)))),
            _ => None,
        }
    }

    /// Characters that two texts begin with alike; 0 of all else.
    pub(super) fn common(&self, to: &Numbers) -> usize {
        match (self, to) {
            (Self::Text(from), Self::Text(to)) => from.common(to),
            _ => 0,
        }
    }
}

/// Positions that count: of a raw prompt the first alone, which must stay at the prompt's own end.
pub(super) const fn limit(raw: bool) -> usize {
    if raw { 1 } else { MOST_POSITIONS }
}

/// The states of one canary while they are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Dictionary {
    pub probe: Probe,
    pub raw: bool,
    states: Vec<State>,
    /// Passes taken in.
    pub passes: u64,
    /// Answers within this of a state are that state.
    same: f64,
    /// More states than can be kept, and too far from each other to be one.
    pub scattered: bool,
}

/// A state while it is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    of: Numbers,
    /// Passes that showed it.
    passes: u64,
    /// The run that showed it first.
    first: u64,
    /// The farthest of the answers that were taken as it.
    spread: f64,
}

impl Dictionary {
    pub(super) fn new(probe: Probe, raw: bool) -> Dictionary {
        Dictionary { probe, raw, states: Vec::new(), passes: 0, same: SAME, scattered: false }
    }

    /// Takes in an answer of run number `run`. Its distance to what was known before; 0 for the first.
    pub(super) fn take(&mut self, of: Numbers, run: u64) -> f64 {
        self.passes += 1;
        let near = self.nearest(&of);
        match near {
            Some((at, far)) if far <= self.same => {
                let state = &mut self.states[at];
                state.passes += 1;
                state.spread = state.spread.max(far);
            }
            _ if self.scattered => {}
            _ => {
                self.states.push(State { of, passes: 1, first: run, spread: 0.0 });
                if self.states.len() > MOST_STATES {
                    self.merge_nearest();
                }
            }
        }
        near.map_or(0.0, |(_, far)| far)
    }

    /// The states that runs up to number `last` showed.
    pub(super) fn states(&self, last: u64) -> Vec<Numbers> {
        self.states.iter().filter(|state| state.first <= last).map(|state| state.of.clone()).collect()
    }

    /// The number of the run that last showed a new state, among those up to `last`.
    pub(super) fn newest(&self, last: u64) -> u64 {
        self.states.iter().map(|state| state.first).filter(|first| *first <= last).max().unwrap_or(0)
    }

    /// The largest distance of a pass to the nearest state of the other passes, over the runs up to `last`: of a state
    /// that was seen once, that to the nearest other state; of others, how far its own passes lie apart.
    pub(super) fn leave_one_out(&self, last: u64) -> f64 {
        let known: Vec<&State> = self.states.iter().filter(|state| state.first <= last).collect();
        known.iter().map(|state| self.alone(state, &known)).fold(0.0, f64::max)
    }

    /// How far answers that count as one state lie apart, at most.
    pub(super) fn within(&self, last: u64) -> f64 {
        self.states.iter().filter(|state| state.first <= last).map(|state| state.spread).fold(0.0, f64::max)
    }

    /// The same for what run number `run` alone showed. `None`: it showed nothing that no other run showed.
    pub(super) fn left_out_by(&self, run: u64, last: u64) -> Option<f64> {
        let known: Vec<&State> = self.states.iter().filter(|state| state.first <= last).collect();
        let state = known.iter().find(|state| state.first == run && state.passes == 1)?;
        Some(self.alone(state, &known))
    }

    /// Whether exactly these numbers were seen.
    pub(super) fn has(&self, of: &Numbers) -> bool {
        self.nearest(of).is_some_and(|(_, far)| far <= EXACTLY)
    }

    /// Whether texts are compared.
    pub(super) fn has_texts(&self) -> bool {
        self.states.iter().any(|state| matches!(state.of, Numbers::Text(_)))
    }

    /// Forgets what only runs after number `last` showed.
    pub(super) fn forget_after(&mut self, last: u64) {
        self.states.retain(|state| state.first <= last);
    }

    fn alone(&self, state: &State, known: &[&State]) -> f64 {
        if state.passes > 1 {
            return state.spread;
        }
        let others = known.iter().filter(|other| !std::ptr::eq(**other, state));
        let far =
            others.filter_map(|other| other.of.distance(&state.of, self.raw)).fold(f64::INFINITY, f64::min);
        if far.is_finite() { far } else { 0.0 }
    }

    fn nearest(&self, of: &Numbers) -> Option<(usize, f64)> {
        let all = self
            .states
            .iter()
            .enumerate()
            .filter_map(|(at, state)| Some((at, state.of.distance(of, self.raw)?)));
        all.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// Makes one of the two states that are nearest to each other; too far apart, the canary is scattered.
    fn merge_nearest(&mut self) {
        let mut best: Option<(usize, usize, f64)> = None;
        for one in 0..self.states.len() {
            for other in one + 1..self.states.len() {
                let far =
                    self.states[one].of.distance(&self.states[other].of, self.raw).unwrap_or(f64::INFINITY);
                if best.is_none_or(|(_, _, least)| far < least) {
                    best = Some((one, other, far));
                }
            }
        }
        let Some((one, other, far)) = best else { return };
        let gone = self.states.remove(other);
        if far > WIDEST {
            self.scattered = true;
            return;
        }
        self.same = self.same.max(far);
        let state = &mut self.states[one];
        state.passes += gone.passes;
        state.spread = state.spread.max(far + gone.spread);
    }
}
