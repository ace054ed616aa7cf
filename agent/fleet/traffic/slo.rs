//! What is promised of a request, and whether it was kept. Pure.

use std::time::Duration;

/// What is promised of each request: all limits that are set hold, and it does not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slo {
    /// Its name: a label's value.
    pub name: String,
    /// The targets that it is promised of, by name. Empty: all.
    pub targets: Vec<String>,
    /// The models, as the target's inventory spells them. Empty: all.
    pub models: Vec<String>,
    /// The longest time to first token. Streams alone have one.
    pub time_to_first_token: Option<Duration>,
    /// The longest time per output token. Streams alone have one.
    pub time_per_output_token: Option<Duration>,
    /// The longest time to the last byte.
    pub duration: Option<Duration>,
}
