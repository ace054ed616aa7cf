//! What the model that is made up is asked.

use crate::checks::{Check, Wanted};
use crate::sample::Prompt;
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
    Suite { canaries, probes, sampler: String::new() }
}
