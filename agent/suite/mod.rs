//! What is asked of a model: the built-in canaries and probes, and the config's own. Pure.

use crate::checks::Check;
use crate::sample::Prompt;

/// A known prompt with its checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// Its name: unique within a suite.
    pub id: String,
    /// What it is about: one of [`CATEGORIES`], or `own`.
    pub category: &'static str,
    /// What is asked.
    pub prompt: Prompt,
    /// What its answer must satisfy, all of it.
    pub checks: Vec<Check>,
    /// The most tokens of a graded answer.
    pub max_tokens: u32,
    /// Whether its first tokens are compared with the baseline at each beat.
    pub fingerprint: bool,
    /// Whether its prompt is long: asked once an hour, and compared apart.
    pub long: bool,
}

/// The categories of the built-in canaries.
pub const CATEGORIES: [&str; 10] = [
    "arithmetic",
    "json",
    "instruction",
    "classification",
    "extraction",
    "code",
    "long_context",
    "multilingual",
    "refusal",
    "degeneration",
];

/// All that is asked of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Graded canaries, those of the fingerprint among them.
    pub canaries: Vec<Canary>,
    /// Raw prompts without a template: `p0`, `p1` (each beat), `p2`, `p3` (long). One token each.
    pub probes: Vec<(&'static str, String)>,
    /// The prompt that shows the sampler's settings: repeated words, so that penalties show too.
    pub sampler: String,
}
