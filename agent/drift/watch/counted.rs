//! How many runs came to what.

use serde::{Deserialize, Serialize};

/// How many runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counted {
    /// Compared with the baseline.
    pub compared: u64,
    /// Of those, that exceeded.
    pub exceeding: u64,
    /// Clean ones in a row, by now.
    pub clean: u64,
    /// Runs from the first that exceeded, in the spell that goes on.
    pub spell: u64,
    /// Without anything to judge in a row, by now.
    pub unanswered: u64,
    /// Runs in a row whose score is within the tolerance of medians, by now.
    pub near: u64,
    /// Runs in a row that were as fast as before, by now.
    pub brisk: u64,
    /// The last long prompts were off.
    pub long_off: bool,
}
