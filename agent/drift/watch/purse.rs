//! Steps of evidence that may be taken. The promise of few false alarms is for the steps of a year: as many as there
//! are beats, and a few more, for which the thresholds are set. They come in with the time that passes, whoever asks: so
//! the promise holds however often anybody looks, and a shell that asks each night without any agent counts whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::budgets::{ANSWERS, EXTRA, long_every};
use crate::drift::Plan;

/// Steps that are saved up at most, and that are there at first: what a person may look at in one go. A year has ten
/// thousand times as many, so that neither tells beside the promise.
const MOST_STEPS: f64 = 12.0;

/// The same of runs with the long prompts.
const MOST_LONG: f64 = 4.0;

/// The same of graded answers: each check of the built-in suite twice.
const MOST_ANSWERS: f64 = 60.0;

/// What may still be taken, now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Purse {
    /// Up to when time filled it. `None`: not yet.
    filled_at: Option<Timestamp>,
    /// When a look beside the beat last took a step.
    looked_at: Option<Timestamp>,
    /// Steps of the short canaries. Below 0 where beats came sooner than planned.
    steps: f64,
    /// Steps of the long prompts.
    long: f64,
    /// Graded answers.
    answers: f64,
}

impl Default for Purse {
    fn default() -> Purse {
        Purse { filled_at: None, looked_at: None, steps: MOST_STEPS, long: MOST_LONG, answers: MOST_ANSWERS }
    }
}

impl Purse {
    /// Fills it for the time since it was filled last. A clock that was set back fills nothing, and counts from there.
    pub(super) fn fill(&mut self, at: Timestamp, plan: &Plan) {
        let passed = self.filled_at.map_or(0.0, |before| at.duration_since(before).as_secs_f64().max(0.0));
        self.filled_at = Some(at);
        let every = plan.every_seconds.max(1.0);
        let fill = |purse: &mut f64, steps: f64, most: f64| *purse = (*purse + steps).min(most);
        fill(&mut self.steps, (1.0 + EXTRA) * passed / every, MOST_STEPS);
        fill(&mut self.long, (1.0 + EXTRA) * passed / long_every(plan), MOST_LONG);
        fill(&mut self.answers, ANSWERS * passed / every, MOST_ANSWERS);
    }

    /// A beat always takes its step: what comes sooner than planned now comes later another time, and is owed till then.
    pub(super) fn beat(&mut self) {
        self.steps = (self.steps - 1.0).max(-MOST_STEPS);
    }

    /// The same of the long prompts that the agent asks by its plan.
    pub(super) fn long_beat(&mut self) {
        self.long = (self.long - 1.0).max(-MOST_LONG);
    }

    /// Whether a look beside the beat may take a step: one is left, and the last was long enough ago. Then it is taken.
    pub(super) fn look(&mut self, at: Timestamp, seconds_apart: i64) -> bool {
        let apart = |before: Timestamp| at.duration_since(before).as_secs().abs() >= seconds_apart;
        if self.steps < 1.0 || !self.looked_at.is_none_or(apart) {
            return false;
        }
        self.steps -= 1.0;
        self.looked_at = Some(at);
        true
    }

    /// The same of its long prompts.
    pub(super) fn long_look(&mut self) -> bool {
        take(&mut self.long)
    }

    /// The same of a graded answer, whoever asked for it.
    pub(super) fn answer(&mut self) -> bool {
        take(&mut self.answers)
    }
}

fn take(from: &mut f64) -> bool {
    let is_left = *from >= 1.0;
    *from -= if is_left { 1.0 } else { 0.0 };
    is_left
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::drift::random::Random;

    const DAY: i64 = 86_400;

    fn plan() -> Plan {
        Plan::new("gpu1", "qwen3:8b", Duration::from_secs(300))
    }

    fn begin() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    /// Steps that looks at such a pace take in so many days beside beats, and those that were promised for the time.
    fn taken(beats: bool, days: i64, pace: impl Fn(&mut Random) -> i64) -> (f64, f64) {
        let (mut purse, mut random, mut steps) = (Purse::default(), Random::new(5), 0.0);
        let (mut seconds, mut next) = (0, 300);
        while seconds < days * DAY {
            let step = pace(&mut random);
            while beats && next <= seconds + step {
                purse.fill(begin() + SignedDuration::from_secs(next), &plan());
                purse.beat();
                (steps, next) = (steps + 1.0, next + 240 + i64::try_from(random.below(121)).unwrap());
            }
            seconds += step;
            let at = begin() + SignedDuration::from_secs(seconds);
            purse.fill(at, &plan());
            steps += f64::from(u8::from(purse.look(at, 15)));
        }
        (steps, (1.0 + EXTRA) * seconds as f64 / 300.0)
    }

    #[test]
    fn at_no_pace_more_steps_are_taken_than_a_year_has_for_the_promise() {
        for beats in [false, true] {
            for pace in [1, 15, 60, 299, 1000, 86_400] {
                let (steps, promised) =
                    taken(beats, 20, |random| 1 + i64::try_from(random.below(2 * pace)).unwrap());
                // What was saved up, and what beats that came early owe.
                let most = promised + 2.0 * MOST_STEPS;
                assert!(steps <= most, "{steps} of {promised} at {pace} s, beats: {beats}");
            }
        }
        let (steps, promised) = taken(false, 20, |_| 15);
        assert!(steps > 0.99 * promised, "without beats, all that time allows: {steps} of {promised}");
    }

    #[test]
    fn a_night_is_enough_for_a_whole_command_with_its_looks_again() {
        let mut purse = Purse::default();
        for night in 0..400 {
            let at = begin() + SignedDuration::from_secs(night * DAY);
            purse.fill(at, &plan());
            for look in 0..4 {
                assert!(purse.look(at + SignedDuration::from_secs(20 * look), 15), "night {night}");
            }
            assert!(purse.long_look() && (0..34).all(|_| purse.answer()), "night {night}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_fills_nothing_and_starves_nobody() {
        let mut purse = Purse { steps: 0.0, ..Purse::default() };
        let at = |seconds| begin() + SignedDuration::from_secs(seconds);
        purse.fill(at(3_000_000), &plan());
        purse.fill(at(0), &plan());
        assert!(!purse.look(at(0), 15));
        purse.fill(at(900), &plan());
        assert!(purse.look(at(900), 15));
    }
}
