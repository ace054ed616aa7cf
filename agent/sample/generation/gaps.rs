//! The gaps between the pieces of one answer.

use std::time::Duration;

/// Upper bounds of the gaps' buckets, in seconds.
pub const GAP_BOUNDS: [f64; 15] =
    [0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// The gaps between pieces of one answer, counted by size: an answer may have any number of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gaps {
    /// How many were within each bound of [`GAP_BOUNDS`] and above the one before; last, those above all.
    pub counts: [u32; GAP_BOUNDS.len() + 1],
    /// All of them together, in seconds.
    pub sum_seconds: f64,
    /// The longest: a stall that the reader saw.
    pub longest: Duration,
}

impl Gaps {
    /// One more gap.
    pub fn add(&mut self, gap: Duration) {
        let seconds = gap.as_secs_f64();
        let at = GAP_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[at] = self.counts[at].saturating_add(1);
        self.sum_seconds += seconds;
        self.longest = self.longest.max(gap);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}
