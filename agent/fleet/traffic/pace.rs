//! Pieces of answers a second, now. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What "now" is: short enough to follow, long enough that one slow token does not make it jump.
const SPAN: Duration = Duration::from_secs(10);

/// A mark more often than this tells no more.
const APART: Duration = Duration::from_millis(500);

/// How many pieces had passed when.
#[derive(Debug)]
pub(super) struct Pace {
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Nothing has passed.
    pub(super) fn new(now: Instant) -> Pace {
        Pace { marks: [(now, 0)].into() }
    }

    /// So many have passed by now.
    pub(super) fn mark(&mut self, now: Instant, pieces: u64) {
        let is_due = |last: &(Instant, u64)| now.saturating_duration_since(last.0) >= APART;
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((now, pieces));
        }
        // The newest of those that are old enough is what to count from: the one before it is not needed.
        while self.marks.get(1).is_some_and(|mark| now.saturating_duration_since(mark.0) >= SPAN) {
            self.marks.pop_front();
        }
    }

    /// The last ten seconds or so: how long exactly, and the pieces that passed in them. `None`: too short a time
    /// to say.
    pub(super) fn last(&self, now: Instant, pieces: u64) -> Option<(Duration, u64)> {
        let (from, before) = self.marks.front()?;
        let span = now.saturating_duration_since(*from);
        (span >= APART).then(|| (span, pieces.saturating_sub(*before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_last_ten_seconds() {
        let start = Instant::now();
        let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
        let mut pace = Pace::new(start);
        assert_eq!(pace.last(at(4), 3), None, "too early");
        for second in 1..=30 {
            pace.mark(at(second * 10), second * 7);
            pace.mark(at(second * 10 + 1), 0);
        }
        assert_eq!(pace.last(at(302), 212), Some((Duration::from_millis(10_200), 212 - 140)));
        assert!(pace.marks.len() < 25, "{}", pace.marks.len());
        pace.mark(at(2000), 300);
        assert_eq!(pace.last(at(2000), 300).unwrap().1, 300 - 210, "nobody looked for long");
    }
}
