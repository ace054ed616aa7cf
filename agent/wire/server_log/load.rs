//! Which requests waited for a model that was loaded. A log tells how long a load took, and not for whom. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An access line tells whole seconds: a request ended, and began, so much later at most.
const RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// A load that ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    /// The line that told it.
    pub(super) line: u64,
    pub(super) took: Duration,
    /// When that line was written, by the server's own clock. `None`: it does not tell.
    pub(super) ended: Option<Timestamp>,
}

/// The last load, and whether somebody is known to have waited for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Loads {
    last: Option<Load>,
    claimed: bool,
}

impl Loads {
    /// A model was loaded.
    pub(super) fn hear(&mut self, load: Load) {
        *self = Loads { last: Some(load), claimed: false };
    }

    /// The load that a request may have waited for which took no longer than `at_most` and ended then: it must have
    /// begun before the load ended.
    pub(super) fn of(&self, at_most: Duration, ended: Option<Timestamp>) -> Option<Load> {
        let began = began(at_most, ended);
        self.last.filter(|load| match (began, load.ended) {
            (Some(began), Some(loaded)) => began <= loaded,
            _ => !self.claimed && load.took <= at_most,
        })
    }

    /// How long a request waited for its load, of which so long is not told otherwise. Who is told first waited for
    /// all of it; the others for what was left of it when they came, where a task proves that they waited.
    pub(super) fn claim(
        &mut self,
        load: Load,
        waited: Duration,
        (at_most, ended): (Duration, Option<Timestamp>),
        proven: bool,
    ) -> Option<Duration> {
        let is_last = self.last.is_some_and(|last| last.line == load.line);
        if load.took <= waited && !(is_last && self.claimed) {
            self.claimed |= is_last;
            return Some(load.took);
        }
        let left = load.ended?.duration_since(began(at_most, ended)?);
        let is_sure = proven && left > RESOLUTION;
        is_sure.then_some(Duration::try_from(left).ok()?.min(load.took).min(waited))
    }
}

fn began(took: Duration, ended: Option<Timestamp>) -> Option<Timestamp> {
    ended?.checked_sub(SignedDuration::try_from(took).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_000_000 + second).ok()
    }

    fn loads(ended: Option<Timestamp>) -> Loads {
        let mut loads = Loads::default();
        loads.hear(Load { line: 7, took: s(5), ended });
        loads
    }

    #[test]
    fn who_began_after_a_load_did_not_wait_for_it() {
        let loads = loads(at(0));
        assert!(loads.of(s(6), at(1)).is_some());
        assert!(loads.of(s(6), at(6)).is_some(), "whole seconds tell no better");
        assert_eq!(loads.of(s(6), at(7)), None);
        assert_eq!(Loads::default().of(s(6), at(1)), None);
    }

    #[test]
    fn the_first_waited_for_all_and_others_for_what_was_left_where_that_is_proven() {
        let mut loads = loads(at(0));
        let mut waited = |took, ended, waited, proven| {
            let load = loads.of(s(took), at(ended)).unwrap();
            loads.claim(load, s(waited), (s(took), at(ended)), proven)
        };
        assert_eq!(waited(1, 1, 0, true), None, "it had nothing to wait for");
        assert_eq!(waited(8, 3, 6, true), Some(s(5)));
        assert_eq!(waited(7, 4, 4, true), Some(s(3)), "it came two seconds after the first");
        assert_eq!(waited(7, 4, 2, true), Some(s(2)), "its task took the rest");
        assert_eq!(waited(7, 4, 7, false), None, "nothing proves it");
        assert_eq!(waited(5, 4, 5, true), None, "it may have begun when the load had ended");
    }

    #[test]
    fn without_dates_one_alone_has_it_and_only_who_took_as_long() {
        let mut loads = loads(None);
        assert_eq!(loads.of(s(4), at(1)), None);
        let load = loads.of(s(6), None).unwrap();
        assert_eq!(loads.claim(load, s(6), (s(6), None), false), Some(s(5)));
        assert_eq!(loads.of(s(6), None), None);
    }
}
