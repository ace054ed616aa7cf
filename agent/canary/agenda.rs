//! When something of a model is due: its beat, the long prompts of each hour, and looks again at what moved. What could
//! not be asked stays due, and is tried at the next beats. Pure: "now" is given.

use std::time::Duration;

use tokio::time::Instant;

use super::follow::Follow;
use super::model::Work;
use crate::view::Skip;

/// From one run of the long prompts to the next.
const LONG_EVERY: Duration = Duration::from_secs(3600);

/// The long prompts are asked so many beats after the first one, so that they are known before anything moves.
const LONG_AFTER: u32 = 3;

/// A look again is tried at so many beats: as many runs as an alarm takes after a full baseline. By then the beats
/// themselves have told.
const MOST_TRIES: u32 = 4;

/// A look again that waits.
#[derive(Debug, Clone)]
struct Pending {
    due: Instant,
    /// How long after what it follows.
    after: Duration,
    tries: u32,
    what: Follow,
}

/// What is due of one model, and when.
#[derive(Debug)]
pub(super) struct Agenda {
    beat: Instant,
    long: Instant,
    follow: Vec<Pending>,
    /// What was taken of `follow`, until it is known how it went.
    taken: Option<Pending>,
}

impl Agenda {
    /// The first beat is due then.
    pub(super) fn new(beat: Instant, every: Duration) -> Agenda {
        let long = beat + (every * LONG_AFTER).min(LONG_EVERY);
        Agenda { beat, long, follow: Vec::new(), taken: None }
    }

    /// When the next beat is due.
    pub(super) fn beat(&self) -> Instant {
        self.beat
    }

    /// Since when something is due, if so.
    pub(super) fn since(&self, now: Instant) -> Option<Instant> {
        let follow = self.follow.iter().map(|pending| pending.due);
        follow.chain([self.beat, self.long]).filter(|due| *due <= now).min()
    }

    /// What is due, the beat first: what is beside it may wait.
    pub(super) fn take(&mut self, now: Instant) -> Work {
        if self.beat <= now {
            return Work::Beat;
        }
        if let Some(nth) = self.follow.iter().position(|pending| pending.due <= now) {
            let pending = self.follow.remove(nth);
            let what = pending.what.clone();
            self.taken = Some(pending);
            return Work::Follow(what);
        }
        Work::Long
    }

    /// What is to be looked at again, each with when from now, in place of what waited.
    pub(super) fn look_again(&mut self, follows: Vec<(Duration, Follow)>, now: Instant) {
        let pending = |(after, what)| Pending { due: now + after, after, tries: 0, what };
        self.follow = follows.into_iter().map(pending).collect();
    }

    /// That was done, or was not and why: when it comes again. `vary`: what a beat's length is multiplied by, so that
    /// several do not fall together for ever.
    pub(super) fn done(
        &mut self,
        work: &Work,
        skipped: Option<Skip>,
        every: Duration,
        vary: f64,
        now: Instant,
    ) {
        let taken = self.taken.take();
        match (work, skipped) {
            (Work::Beat, skipped) => {
                self.beat = now + every.mul_f64(vary);
                if skipped.is_some() {
                    self.put_off();
                }
            }
            // What the server cannot be asked at all it cannot be asked at the next beat either.
            (Work::Long, None | Some(Skip::Unsupported)) => {
                self.long = now + LONG_EVERY.max(every).mul_f64(vary);
            }
            (Work::Long, Some(_)) => self.long = self.beat,
            (Work::Follow(_), None | Some(Skip::Unsupported)) => {}
            (Work::Follow(_), Some(_)) => {
                let again = taken.map(|one| Pending { tries: one.tries + 1, ..one });
                let again = again.filter(|one| one.tries < MOST_TRIES);
                self.follow.extend(again.map(|one| Pending { due: self.beat + one.after, ..one }));
            }
        }
    }

    /// Where the beat could not ask, nothing else could: all that is due waits for the next one.
    fn put_off(&mut self) {
        self.long = self.long.max(self.beat);
        for pending in &mut self.follow {
            pending.due = pending.due.max(self.beat + pending.after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What is done in so many seconds, each second a look; `skips` says what could not be asked.
    fn lived(
        agenda: &mut Agenda,
        start: Instant,
        seconds: std::ops::Range<u64>,
        mut skips: impl FnMut(&Work, u64) -> Option<Skip>,
    ) -> Vec<(u64, &'static str, bool)> {
        let mut all = Vec::new();
        for second in seconds {
            let now = start + secs(second);
            if agenda.since(now).is_none() {
                continue;
            }
            let work = agenda.take(now);
            let skipped = skips(&work, second);
            agenda.done(&work, skipped, EVERY, 1.0, now);
            let name = match work {
                Work::Beat => "beat",
                Work::Long => "long",
                Work::Follow(_) => "again",
            };
            all.push((second, name, skipped.is_none()));
        }
        all
    }

    fn of(name: &str, lived: &[(u64, &'static str, bool)]) -> Vec<(u64, bool)> {
        lived.iter().filter(|one| one.1 == name).map(|one| (one.0, one.2)).collect()
    }

    #[test]
    fn the_long_prompts_are_asked_three_beats_after_the_first_and_then_once_an_hour() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start, EVERY);
        let lived = lived(&mut agenda, start, 0..9000, |_, _| None);
        assert_eq!(of("beat", &lived).len(), 30);
        assert_eq!(of("long", &lived), [(901, true), (4501, true), (8101, true)]);
    }

    #[test]
    fn long_prompts_that_could_not_be_asked_are_tried_at_each_beat_until_they_were() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start, EVERY);
        let until =
            |work: &Work, second| (matches!(work, Work::Long) && second < 2000).then_some(Skip::Budget);
        let lived = lived(&mut agenda, start, 0..6000, until);
        let expected =
            [(901, false), (1201, false), (1501, false), (1801, false), (2101, true), (5701, true)];
        assert_eq!(of("long", &lived), expected);
        assert_eq!(of("beat", &lived).len(), 20, "and keep no beat up");
    }

    #[test]
    fn while_beats_cannot_ask_nothing_else_is_tried() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start, EVERY);
        let busy = |_: &Work, second: u64| (800..3000).contains(&second).then_some(Skip::Busy);
        let lived = lived(&mut agenda, start, 0..4000, busy);
        assert_eq!(of("long", &lived), [(3001, true)], "{lived:?}");
    }

    #[test]
    fn what_the_server_cannot_be_asked_is_not_tried_at_each_beat() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start, EVERY);
        let none = |work: &Work, _| matches!(work, Work::Long).then_some(Skip::Unsupported);
        let lived = lived(&mut agenda, start, 0..9000, none);
        assert_eq!(of("long", &lived).len(), 3);
    }

    #[test]
    fn a_look_again_that_could_not_be_asked_is_tried_after_the_next_beats_and_given_up_in_the_end() {
        let start = Instant::now();
        let confirm =
            || [20, 40, 60].into_iter().enumerate().map(|(nth, at)| (secs(at), Follow::Confirm(nth)));
        let mut agenda = Agenda::new(start + EVERY, EVERY);
        agenda.look_again(confirm().collect(), start);
        let once =
            |work: &Work, second| (matches!(work, Work::Follow(_)) && second < 300).then_some(Skip::Busy);
        let lived_once = lived(&mut agenda, start, 0..700, once);
        let expected = [(20, false), (40, false), (60, false), (320, true), (340, true), (360, true)];
        assert_eq!(of("again", &lived_once), expected, "as far from the beat as from the first");

        let mut agenda = Agenda::new(start + EVERY, EVERY);
        agenda.look_again(confirm().collect(), start);
        let never = |work: &Work, _| matches!(work, Work::Follow(_)).then_some(Skip::Busy);
        let tried = of("again", &lived(&mut agenda, start, 0..9000, never));
        assert_eq!(tried.len(), 3 * MOST_TRIES as usize, "{tried:?}");
    }
}
