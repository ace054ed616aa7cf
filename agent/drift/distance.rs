//! How far one answer is from another, by the log probabilities of its tokens.
//!
//! All is in nats, tokens are compared by [`Token`], and `from` is always the baseline's side.

use crate::sample::{Position, Token};

/// Above this a logarithm of a probability is none; below, it is one that was rounded.
const ROUNDING: f64 = 1e-3;

/// The least probability of all that is not in a list: a list of 20 may sum up to 1 by rounding.
const LEAST_REST: f64 = 1e-6;

/// The most by which [`kl`] multiplies what lists tell, for what is not in them: a list with less than a quarter of the
/// probability says too little of the rest.
const MOST_TIMES: f64 = 4.0;

/// Two answers side by side, up to and including the first token that differs: after it, the two sides saw
/// different contexts and have nothing to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The mean distance of their positions. Infinite: a log probability was none.
    pub distance: f64,
    /// The distance of the first position alone.
    pub first: f64,
    /// The mean Kullback-Leibler divergence of their positions: [`kl`]. An estimate, see there.
    pub kl: f64,
    /// Positions compared.
    pub positions: usize,
    /// The first position with another token, or at which one side had ended. `None`: the tokens are the same.
    pub differs_at: Option<usize>,
}

/// The distance of two positions: the mean absolute difference of log probabilities over the union of both lists,
/// where a token that a list lacks counts as that list's least likely one.
///
/// Source: the statistic of Log Probability Tracking (Chauvin, Le Merrer, Taïani, Tredan, ICLR 2026, arXiv 2512.03816).
/// Infinite where a log probability is null, not a number or positive: that is no distance but a fault. `None`: a
/// side has no log probability at all.
pub fn position(from: &Position, to: &Position) -> Option<f64> {
    let (from, to) = (List::of(from)?, List::of(to)?);
    if !from.sound() || !to.sound() {
        return Some(f64::INFINITY);
    }
    let (from_least, to_least) = (from.least(), to.least());
    let mut sum = 0.0;
    let mut union = 0_u32;
    for (token, logprob) in from.iter() {
        sum += (logprob - to.get(token).unwrap_or(to_least)).abs();
        union += 1;
    }
    for (_, logprob) in to.iter().filter(|(token, _)| from.get(*token).is_none()) {
        sum += (logprob - from_least).abs();
        union += 1;
    }
    Some(sum / f64::from(union))
}

/// The Kullback-Leibler divergence of two positions over the whole vocabulary, estimated from the lists.
///
/// What the lists tell is a divergence over a partition: the tokens of the baseline's list, and one lump for the rest. It
/// is too low, by the data processing inequality, and by much: on plain text a list of 20 told 0.52 to 0.65 of the
/// whole, measured on two models. In the lump the tokens' own moves cancel out. They are taken to move as the listed
/// ones do: where logarithms move by independent errors of variance v, the divergence is v/2 times 1 − Σ p² in all, and
/// v/2 times Σ p(1 − p) over the list as far as the partition tells it; the two differ by the probability of the rest. So
/// estimated it was 0.78 to 0.93 of the whole on the same text.
///
/// A token that the other list lacks counts as its least likely one; both sides are made to sum up to 1. Infinite and
/// `None` as for [`position`].
pub fn kl(from: &Position, to: &Position) -> Option<f64> {
    let (from, to) = (List::of(from)?, List::of(to)?);
    if !from.sound() || !to.sound() {
        return Some(f64::INFINITY);
    }
    let lumped = lumped(&from, &to);
    Some(lumped.kl * (1.0 + lumped.rest / lumped.told).min(MOST_TIMES))
}

/// Two answers of at most `limit` tokens, compared. `None`: a side is empty or tells no log probability.
pub fn answer(from: &[Position], to: &[Position], limit: usize) -> Option<Compared> {
    let common = from.len().min(to.len()).min(limit);
    let differs = (0..common).find(|&at| from[at].token != to[at].token);
    // One that ended while the other went on differs there; of a position without a counterpart there is no distance.
    let ended = (from.len().min(limit) != to.len().min(limit)).then_some(common);
    let positions = differs.map_or(common, |at| at + 1);
    if positions == 0 {
        return None;
    }
    let mut sums = (0.0, 0.0);
    for at in 0..positions {
        sums.0 += position(&from[at], &to[at])?;
        sums.1 += kl(&from[at], &to[at])?;
    }
    Some(Compared {
        distance: sums.0 / positions as f64,
        first: position(&from[0], &to[0])?,
        kl: sums.1 / positions as f64,
        positions,
        differs_at: differs.or(ended),
    })
}

/// The known state that is nearest to an answer, by its place, and the comparison with it.
///
/// Noise of a server is a small set of numeric states for each prompt (one for a short prompt, some for a long one),
/// not a cloud around a mean: so the distance is to the nearest state, and a mean would lie where no answer ever is.
/// `None`: no state can be compared.
pub fn nearest<'a>(
    states: impl IntoIterator<Item = &'a [Position]>,
    to: &[Position],
    limit: usize,
) -> Option<(usize, Compared)> {
    let compared =
        states.into_iter().enumerate().filter_map(|(at, state)| Some((at, answer(state, to, limit)?)));
    compared.min_by(|(_, one), (_, other)| one.distance.total_cmp(&other.distance))
}

/// How far two distributions after the samplers are apart: the largest difference of a token's probability, 0..1.
/// A token that a list lacks has probability 0 in it: samplers cut the unlikely ones off.
///
/// Infinite where a probability is none. `None`: a side is empty.
pub fn sampler(from: &[(Token, f32)], to: &[(Token, f32)]) -> Option<f64> {
    if from.is_empty() || to.is_empty() {
        return None;
    }
    if from.iter().chain(to).any(|(_, p)| !(0.0..=1.0 + ROUNDING).contains(&f64::from(*p))) {
        return Some(f64::INFINITY);
    }
    let one_way = |from: &[(Token, f32)], to: &[(Token, f32)]| {
        let other = |token| to.iter().find(|(known, _)| *known == token).map_or(0.0, |(_, p)| f64::from(*p));
        from.iter().map(|(token, p)| (f64::from(*p) - other(*token)).abs()).fold(0.0, f64::max)
    };
    Some(one_way(from, to).max(one_way(to, from)))
}

/// A divergence over the tokens of a list and one lump for the rest.
struct Lumped {
    kl: f64,
    /// The probability of the rest.
    rest: f64,
    /// Σ p(1 − p) over the list; above 0, since the rest is never nothing.
    told: f64,
}

fn lumped(from: &List<'_>, to: &List<'_>) -> Lumped {
    let least = to.least();
    let (mut p_sum, mut q_sum) = (0.0, 0.0);
    for (token, logprob) in from.iter() {
        p_sum += logprob.exp();
        q_sum += to.get(token).unwrap_or(least).exp();
    }
    let (p_rest, q_rest) = ((1.0 - p_sum).max(LEAST_REST), (1.0 - q_sum).max(LEAST_REST));
    let (p_all, q_all) = (p_sum + p_rest, q_sum + q_rest);
    // The logarithms are taken as they came, not of their exponentials: those of unlikely tokens may be 0.
    let scale = q_all.ln() - p_all.ln();
    let (mut kl, mut told) = (0.0, 0.0);
    for (token, logprob) in from.iter() {
        let p = logprob.exp() / p_all;
        kl += p * (logprob - to.get(token).unwrap_or(least) + scale);
        told += p * (1.0 - p);
    }
    let rest = p_rest / p_all;
    kl += rest * (p_rest.ln() - q_rest.ln() + scale);
    Lumped { kl: kl.max(0.0), rest, told: told.max(f64::MIN_POSITIVE) }
}

/// A position's log probabilities: its list, or the token that came where there is no list.
struct List<'a> {
    top: &'a [(Token, f32)],
    alone: [(Token, f32); 1],
}

impl<'a> List<'a> {
    fn of(position: &'a Position) -> Option<List<'a>> {
        if position.top.is_empty() {
            return Some(List { top: &[], alone: [(position.token, position.logprob?)] });
        }
        Some(List { top: &position.top, alone: [(position.token, 0.0)] })
    }

    fn entries(&self) -> &[(Token, f32)] {
        if self.top.is_empty() { &self.alone } else { self.top }
    }

    /// Each token once: where bytes are compared, two tokens of a vocabulary may be the same.
    fn iter(&self) -> impl Iterator<Item = (Token, f64)> + '_ {
        let entries = self.entries();
        let first = |at: usize, token: Token| entries[..at].iter().all(|(earlier, _)| *earlier != token);
        let once = move |&(at, (token, _)): &(usize, &(Token, f32))| first(at, *token);
        entries.iter().enumerate().filter(once).map(|(_, (token, logprob))| (*token, f64::from(*logprob)))
    }

    fn get(&self, token: Token) -> Option<f64> {
        self.entries().iter().find(|(known, _)| *known == token).map(|(_, logprob)| f64::from(*logprob))
    }

    fn least(&self) -> f64 {
        self.entries().iter().map(|(_, logprob)| f64::from(*logprob)).fold(f64::INFINITY, f64::min)
    }

    fn sound(&self) -> bool {
        self.entries().iter().all(|(_, logprob)| logprob.is_finite() && f64::from(*logprob) <= ROUNDING)
    }
}

#[allow(clippy::float_cmp)]
#[cfg(test)]
mod tests;
