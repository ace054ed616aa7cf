//! Whether a model was in memory when a request for it began, by the looks at its server before. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// From here on a request is said to have waited for its model. A model that is loaded is ready in milliseconds,
/// the smallest one loads in a second.
const COLD: Duration = Duration::from_millis(200);

/// Times in and out of memory that are remembered. A request runs for minutes, and a model comes and goes every
/// few.
const MOST: usize = 16;

/// Whether what a server says of getting a model ready was a load.
pub(in crate::fleet) fn is_load(took: Duration) -> bool {
    took >= COLD
}

/// When a model was in memory and when not, as looks saw it.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Awake {
    times: VecDeque<Time>,
}

#[derive(Debug)]
struct Time {
    loaded: bool,
    from: Instant,
    /// The last look that saw the same.
    until: Instant,
    /// When a request was answered nevertheless: from then on the model is loaded, whatever the look said.
    answered: Option<Instant>,
}

impl Awake {
    /// One look.
    pub(in crate::fleet) fn see(&mut self, loaded: bool, now: Instant) {
        match self.times.back_mut() {
            Some(last) if last.loaded == loaded && last.answered.is_none() => last.until = now,
            _ => {
                if self.times.len() >= MOST {
                    self.times.pop_front();
                }
                self.times.push_back(Time { loaded, from: now, until: now, answered: None });
            }
        }
    }

    /// A request was answered with this model.
    pub(in crate::fleet) fn answered(&mut self, when: Instant) {
        if let Some(time) = self.at(when)
            && !time.loaded
        {
            time.answered = Some(time.answered.map_or(when, |before| before.min(when)));
        }
    }

    /// Whether a request that began then had to wait for the model: the server's own word holds, where it tells
    /// how long getting the model ready took. Else the last look before must have been no longer ago than that.
    pub(in crate::fleet) fn was_cold(
        &mut self,
        began: Instant,
        load: Option<Duration>,
        fresh: Duration,
    ) -> bool {
        if let Some(load) = load {
            return is_load(load);
        }
        let Some(time) = self.at(began) else { return false };
        let is_fresh = began.saturating_duration_since(time.until) <= fresh;
        !time.loaded && is_fresh && time.answered.is_none_or(|answered| answered > began)
    }

    fn at(&mut self, when: Instant) -> Option<&mut Time> {
        self.times.iter_mut().rev().find(|time| time.from <= when)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_secs(45);

    fn looks(start: Instant, looks: &[(u64, bool)]) -> Awake {
        let mut awake = Awake::default();
        for (second, loaded) in looks {
            awake.see(*loaded, start + Duration::from_secs(*second));
        }
        awake
    }

    #[test]
    fn what_the_server_says_of_a_load_holds_against_every_look() {
        let start = Instant::now();
        let mut awake = looks(start, &[(0, false)]);
        assert!(!awake.was_cold(start, Some(Duration::from_millis(199)), FRESH));
        assert!(looks(start, &[(0, true)]).was_cold(start, Some(COLD), FRESH));
    }

    #[test]
    fn the_look_before_the_start_says_whether_a_request_was_cold() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut awake = looks(start, &[(10, false), (25, false), (40, true), (55, true), (70, false)]);
        for (second, cold) in
            [(5, false), (10, true), (26, true), (39, true), (40, false), (60, false), (71, true)]
        {
            assert_eq!(awake.was_cold(at(second), None, FRESH), cold, "{second}");
        }
        assert!(!awake.was_cold(at(70 + 46), None, FRESH), "too long ago to say");
    }

    #[test]
    fn a_request_after_one_that_was_answered_is_warm() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut awake = looks(start, &[(0, false)]);
        awake.answered(at(9));
        awake.answered(at(5));
        assert!(awake.was_cold(at(4), None, FRESH), "it began before: it waited, too");
        assert!(!awake.was_cold(at(6), None, FRESH));
        awake.see(false, at(20));
        assert!(awake.was_cold(at(21), None, FRESH), "it was unloaded again");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut awake = Awake::default();
        for second in 0..10_000 {
            awake.see(second % 2 == 0, start + Duration::from_secs(second));
        }
        assert!(awake.times.len() <= MOST);
    }
}
