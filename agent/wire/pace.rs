//! When pieces of an answer came.

use std::time::{Duration, Instant};

use crate::sample::Gaps;

/// The instants of pieces with generated text.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pieces: u64,
    first: Option<Instant>,
    first_visible: Option<Instant>,
    last: Option<Instant>,
    gaps: Gaps,
}

impl Pace {
    /// So many pieces came together, `visible` if one of them had text for the reader. What shares an instant was one
    /// read, and has no gaps within. Gives whether one of them was the first of all.
    pub(super) fn pieces(&mut self, pieces: u32, visible: bool, now: Instant) -> bool {
        if pieces == 0 {
            return false;
        }
        let first = self.first.is_none();
        if let Some(last) = self.last.filter(|last| *last != now) {
            self.gaps.add(now.saturating_duration_since(last));
        }
        self.pieces += u64::from(pieces);
        self.first.get_or_insert(now);
        self.last = Some(now);
        if visible {
            self.first_visible.get_or_insert(now);
        }
        first
    }

    /// How many came.
    pub(super) fn count(&self) -> u64 {
        self.pieces
    }

    /// From `sent` to the first of all, and to the first with text for the reader.
    pub(super) fn to_first(&self, sent: Instant) -> (Option<Duration>, Option<Duration>) {
        let since = |then: Instant| then.saturating_duration_since(sent);
        (self.first.map(since), self.first_visible.map(since))
    }

    /// Between the first and the last, over one token less than `tokens`. `None`: all came in one read, or there
    /// are too few of them.
    pub(super) fn per_token(&self, tokens: Option<u64>) -> Option<Duration> {
        let intervals = tokens?.checked_sub(1).filter(|intervals| *intervals > 0)?;
        let whole = self.last?.saturating_duration_since(self.first?);
        (!whole.is_zero()).then(|| whole.div_f64(intervals as f64))
    }

    /// The gaps between reads that had pieces.
    pub(super) fn gaps(&self) -> Gaps {
        self.gaps
    }
}
