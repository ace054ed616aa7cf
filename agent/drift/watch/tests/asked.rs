//! What the model that is made up is asked.

use crate::checks::{Check, Wanted};
use crate::drift::random::Random;
use crate::sample::{Position, Prompt, TOP, Token};
use crate::suite::{Canary, Suite};

/// Chat canaries of the fingerprint.
pub(super) const CHAT: [&str; 8] = ["ar2", "js1", "in2", "cl1", "ex3", "co1", "ml1", "rf3"];

/// Long ones.
pub(super) const LONG: [&str; 3] = ["lc1", "lc2", "lc3"];

/// What the model is asked.
pub(super) fn suite() -> Suite {
    let canary = |id: &str, long: bool| Canary {
        id: id.into(),
        category: if long { "long_context" } else { "arithmetic" },
        prompt: Prompt::Raw(String::new()),
        checks: vec![Check::Contains(Wanted::exactly("yes"))],
        max_tokens: 16,
        fingerprint: true,
        long,
    };
    let mut canaries: Vec<Canary> = CHAT.iter().map(|id| canary(id, false)).collect();
    canaries.extend(LONG.iter().map(|id| canary(id, true)));
    let probes = ["p0", "p1", "p2", "p3"].map(|name| (name, String::new())).to_vec();
    Suite { canaries, probes, sampler: String::new(), drawn: String::new(), open: Vec::new() }
}

/// A position whose numbers follow from the prompt's name, its place, and how far it was moved by what.
pub(super) fn position(name: &str, at: usize, moves: &[(u64, f64)]) -> Position {
    let seed =
        name.bytes().fold(at as u64 + 1, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut base = Random::new(seed);
    let first = base.below(30_000) as u32;
    let mut top: Vec<(Token, f32)> = (0..TOP as u32)
        .map(|rank| (Token::of_id(first + rank), -(0.2 + 1.5 * f64::from(rank) + base.unit()) as f32))
        .collect();
    for (which, far) in moves {
        let mut random = Random::new(seed ^ (which + 1).wrapping_mul(0x9e37_79b9));
        for (_, logprob) in &mut top {
            // The mean of |x| is the distance that is asked for.
            *logprob -= if *which == 0 { 0.0 } else { (2.0 * far * random.unit()) as f32 };
        }
    }
    top.sort_by(|one, other| other.1.total_cmp(&one.1));
    Position { token: top[0].0, logprob: Some(top[0].1), top }
}
