//! How many runs came to what.

use jiff::Timestamp;
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
    /// Looks beside the beat that may still count as evidence.
    pub extra: f64,
    /// When the last look beside the beat counted.
    pub extra_at: Option<Timestamp>,
    /// Graded answers that may still count as evidence.
    pub answers: f64,
}

/// Looks beside the beat that may count at first, and that are saved up at most.
pub(super) const MOST_EXTRA: f64 = 12.0;

/// Graded answers that may count at first, and that are saved up at most: each check of a suite twice.
pub(super) const MOST_ANSWERS: f64 = 60.0;
