//! Canaries of one model on one target, as of now.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drift::{Report, Severity, Stream};
use crate::sample::Fact;

mod counts;
pub mod words;

pub use counts::{RunResult, Skip, can_alarm};

/// The most runs that a view tells one by one: eight hours of a beat of five minutes, as wide as a page draws them.
pub const MOST_RECENT: usize = 96;

/// A run that was compared, in two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecentRun {
    /// When it began.
    pub at: Timestamp,
    /// How far it was: its KLD equivalent in nats; where the server tells no log probabilities, the part of the
    /// texts that were not among the known, 0..1. `None`: it could not be compared.
    pub distance: Option<f64>,
    /// Whether it exceeded what the baseline knows.
    pub exceeds: bool,
}

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
    /// Why the last beat asked nothing: the name of a [`Skip`]. `None`: it did ask.
    pub skipped: Option<String>,
    /// The same in a sentence, with what to do.
    pub skipped_words: Option<String>,
    /// Canaries and probes that are never asked, or never for their whole answer, since no run has room for them by its
    /// budget. `None`: not known yet.
    pub left_out: Option<Vec<String>>,
    /// What of the suite is not asked, or waits, and why: a sentence each, with what to do.
    pub left_out_words: Vec<String>,
    /// Runs by their result ([`RunResult`]) since the agent started.
    pub runs: Vec<(String, u64)>,
    /// Those that asked nothing, by reason ([`Skip`]).
    pub skips: Vec<(String, u64)>,
    /// Alarms since the agent started, by stream and how bad they were.
    pub alarms: Vec<((Stream, Severity), u64)>,
    /// Facts of the server and the model that became another since the agent started.
    pub changes: Vec<(Fact, u64)>,
    /// Tokens spent since the agent started: prompt, completion.
    pub tokens: (u64, u64),
    /// The last run's median time to the first token, seconds.
    pub time_to_first_token_seconds: Option<f64>,
    /// The last run's median tokens a second.
    pub tokens_per_second: Option<f64>,
    /// The last runs that were compared, the oldest first; at most [`MOST_RECENT`].
    pub recent: Vec<RecentRun>,
    /// What drift says.
    pub report: Report,
}
