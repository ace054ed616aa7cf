//! Canaries of one model on one target, as of now.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drift::Report;

/// The canaries of a model, and what drift says of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryView {
    /// The model, as the target's inventory spells it.
    pub model: String,
    /// When it was last asked.
    pub last_run_at: Option<Timestamp>,
    /// When it will be asked next, as far as is known.
    pub next_run_at: Option<Timestamp>,
    /// From one run to the next, in seconds.
    pub every_seconds: f64,
    /// Why the last beat asked nothing: one of `SKIPS`. `None`: it did ask.
    pub skipped: Option<String>,
    /// The same in a sentence, with what to do.
    pub skipped_words: Option<String>,
    /// Runs by their result since the agent started: ok, exceed, error, skipped.
    pub runs: Vec<(String, u64)>,
    /// Tokens spent since the agent started: prompt, completion.
    pub tokens: (u64, u64),
    /// The last run's median time to the first token, seconds.
    pub time_to_first_token_seconds: Option<f64>,
    /// The last run's median tokens a second.
    pub tokens_per_second: Option<f64>,
    /// What drift says.
    pub report: Report,
}
