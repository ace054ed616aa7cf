//! What the agent itself asked of a target, to be taken out of what the target's log tells: there it stands beside
//! users' requests. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::live::{Asked, End};
use crate::sample::{Dialect, Generation};

/// Requests of our own that are looked for: a baseline that is captured at once makes some twenty a second, and a log
/// tells of them within some fifteen.
pub(super) const MOST: usize = 1024;

/// How long one is looked for.
const KEPT: Duration = Duration::from_secs(60);

/// A log is read each second, and later where its disk hangs; what it tells ended so long after our request did.
const LATE: Duration = Duration::from_secs(12);

/// What it may have ended before: clocks are read at different moments of one request.
const EARLY: Duration = Duration::from_secs(1);

/// A server's time on a request may be longer than ours by this.
const LONGER: Duration = Duration::from_millis(50);

/// A server notices that we left in the midst so much later.
const NOTICED: Duration = Duration::from_secs(5);

/// And shorter by this and a tenth: we wait for the connection, and may be held up on a machine that is busy.
const SHORTER: Duration = Duration::from_millis(250);

/// A log tells a minute and more in whole seconds.
const ROUNDED_FROM: Duration = Duration::from_secs(60);

/// Our requests of the last minute that no log told of yet.
#[derive(Debug, Default)]
pub(super) struct Own {
    asked: Vec<Sought>,
}

/// A request of ours, and what of it is still to be found: a log may tell its tokens apart from it.
#[derive(Debug)]
struct Sought {
    asked: Asked,
    request: bool,
    tokens: bool,
}

impl Own {
    /// These ended.
    pub(super) fn learn(&mut self, asked: Vec<Asked>) {
        let sought = |asked: Asked| Sought { request: true, tokens: asked.output.is_some(), asked };
        self.asked.extend(asked.into_iter().map(sought));
        self.asked.drain(..self.asked.len().saturating_sub(MOST));
    }

    /// Takes out what a log tells of our requests: of each one at most, the one that took most nearly as long. Another's
    /// request at the same time stays.
    pub(super) fn take_out(&mut self, ended: &mut Vec<End>, now: Instant) {
        self.asked.retain(|sought| now.saturating_duration_since(sought.asked.ended) < KEPT);
        if self.asked.is_empty() {
            return;
        }
        let mut pairs = Vec::new();
        for (at, (when, one)) in ended.iter().enumerate() {
            let fitting = self.asked.iter().enumerate().filter(|(_, sought)| sought.fits(*when, one));
            pairs
                .extend(fitting.map(|(own, sought)| (sought.asked.duration.abs_diff(one.duration), at, own)));
        }
        pairs.sort();
        let mut ours = vec![false; ended.len()];
        for (_, at, own) in pairs {
            let (sought, (when, one)) = (&mut self.asked[own], &ended[at]);
            if !ours[at] && sought.fits(*when, one) {
                ours[at] = true;
                sought.found(one);
            }
        }
        let mut ours = ours.into_iter();
        ended.retain(|_| ours.next() != Some(true));
        self.asked.retain(|sought| sought.request || sought.tokens);
    }
}

impl Sought {
    fn fits(&self, when: Option<Instant>, one: &Generation) -> bool {
        let asked = &self.asked;
        let Some(when) = when else { return false };
        let in_time = when + EARLY >= asked.ended && when <= asked.ended + LATE;
        let same =
            |ours: Option<u64>, told: Option<u64>| ours.zip(told).is_none_or(|(ours, told)| ours == told);
        if !in_time || !same(asked.output, one.tokens.output) {
            return false;
        }
        if one.loose {
            return self.tokens && one.tokens.output.is_some();
        }
        let longer = if asked.whole { LONGER } else { NOTICED };
        let rounded = if one.duration >= ROUNDED_FROM { Duration::from_secs(1) } else { Duration::ZERO };
        self.request
            && (one.dialect == asked.dialect || one.dialect == Dialect::Unknown)
            && same(asked.status.map(u64::from), one.status.map(u64::from))
            && one.duration <= asked.duration + longer
            && asked.duration <= one.duration + rounded + SHORTER + one.duration / 10
    }

    fn found(&mut self, one: &Generation) {
        self.request &= one.loose;
        self.tokens &= one.tokens.output.is_none();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{End as Ending, Tokens};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn asked(ended: Instant, millis: u64, output: Option<u64>) -> Asked {
        let (dialect, status) = (Dialect::OllamaGenerate, Some(200));
        Asked { ended, dialect, duration: ms(millis), status, output, whole: true }
    }

    fn told(when: Instant, millis: u64, output: Option<u64>) -> End {
        let one = Generation::new(Dialect::OllamaGenerate, Ending::Complete, ms(millis));
        let tokens = Tokens { output, ..Tokens::default() };
        (Some(when), Generation { status: Some(200), tokens, ..one })
    }

    /// The times of those that stay.
    fn left(own: &mut Own, mut ended: Vec<End>, now: Instant) -> Vec<u128> {
        own.take_out(&mut ended, now);
        ended.iter().map(|(_, one)| one.duration.as_millis()).collect()
    }

    #[test]
    fn at_most_as_many_go_as_were_asked_and_the_nearest_first() {
        let now = Instant::now() + ms(100_000);
        let mut own = Own::default();
        own.learn(vec![asked(now, 300, None), asked(now, 310, None)]);
        let all = || [290, 299, 305, 200, 900].map(|millis| told(now + ms(800), millis, None)).into();
        assert_eq!(left(&mut own, all(), now + ms(900)), [290, 200, 900]);
        assert_eq!(left(&mut own, all(), now + ms(900)), [290, 299, 305, 200, 900]);
    }

    #[test]
    fn another_path_status_number_of_tokens_or_time_is_anothers_request() {
        let now = Instant::now() + ms(100_000);
        let of = |change: fn(&mut End)| {
            let mut own = Own::default();
            own.learn(vec![asked(now, 300, Some(6))]);
            let mut one = told(now, 295, Some(6));
            change(&mut one);
            left(&mut own, vec![one], now).is_empty()
        };
        assert!(of(|_| ()));
        assert!(of(|one| one.1.dialect = Dialect::Unknown), "a log of tasks tells no path");
        assert!(of(|one| one.0 = one.0.map(|when| when + ms(11_000))), "its disk hung");
        for change in [
            |one: &mut End| one.1.dialect = Dialect::OllamaChat,
            |one: &mut End| one.1.status = Some(500),
            |one: &mut End| one.1.tokens.output = Some(7),
            |one: &mut End| one.1.duration = ms(400),
            |one: &mut End| one.1.duration = ms(20),
            |one: &mut End| one.0 = one.0.map(|when| when + ms(13_000)),
            |one: &mut End| one.0 = one.0.map(|when| when.checked_sub(ms(2000)).unwrap()),
            |one: &mut End| one.0 = None,
        ] {
            assert!(!of(change));
        }
    }

    #[test]
    fn that_we_left_is_noticed_later_than_we_did() {
        let now = Instant::now() + ms(100_000);
        for (whole, gone) in [(true, false), (false, true)] {
            let mut own = Own::default();
            own.learn(vec![Asked { status: None, whole, ..asked(now, 300, None) }]);
            assert_eq!(left(&mut own, vec![told(now + ms(900), 1200, None)], now).is_empty(), gone);
        }
    }

    #[test]
    fn tokens_that_are_told_apart_from_their_request_go_too_and_once() {
        let now = Instant::now() + ms(100_000);
        let mut own = Own::default();
        own.learn(vec![asked(now, 300, Some(6))]);
        let loose = || {
            let (when, one) = told(now, 250, Some(6));
            (when, Generation { loose: true, ..one })
        };
        assert!(left(&mut own, vec![told(now, 299, None)], now).is_empty());
        assert_eq!(left(&mut own, vec![told(now, 299, None), loose(), loose()], now), [299, 250]);
        assert!(own.asked.is_empty());
    }

    #[test]
    fn what_is_looked_for_is_bounded() {
        let now = Instant::now();
        let mut own = Own::default();
        for _ in 0..3 {
            own.learn((0..MOST).map(|_| asked(now, 1, None)).collect());
        }
        assert_eq!(own.asked.len(), MOST);
        own.take_out(&mut Vec::new(), now + KEPT);
        assert!(own.asked.is_empty());
    }
}
