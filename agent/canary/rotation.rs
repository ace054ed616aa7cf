//! Which graded canaries a beat asks: two at a time, in turn, so that each is asked some times a day. Pure.

use serde::{Deserialize, Serialize};

use super::Asking;
use super::room::{COMPLETION_PER_RUN, Room};
use crate::sample::{Question, Sampling};
use crate::suite::{Canary, Suite};

/// Graded canaries of a beat.
const AT_A_BEAT: usize = 2;

/// Passes after the first, greedy one in which the server's own sampling is used: a check that fails by chance is told
/// from one that never fails. After them all are greedy.
const SAMPLED_PASSES: u32 = 5;

/// The questions whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// They.
    pub questions: Vec<Question>,
    /// The next one waits for this key of the config: the hour has no room for it.
    pub waits_for: Option<&'static str>,
}

/// Where the turn is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rotation {
    next: usize,
    pass: u32,
    /// The same of those with long prompts.
    long: usize,
}

impl Rotation {
    /// For a model of which a baseline stands already: its checks were seen with the server's own sampling.
    pub fn after_learning() -> Rotation {
        Rotation { next: 0, pass: SAMPLED_PASSES + 1, long: 0 }
    }

    /// The next ones of a beat, as far as there is room for them. One that never has room is passed over; one that has
    /// none just now keeps its turn.
    pub(super) fn next(&mut self, suite: &Suite, asking: &Asking, room: Room) -> Turn {
        let mut left = room;
        let graded: Vec<&Canary> = suite.graded().filter(|canary| !canary.long).collect();
        let mut turn = Turn::default();
        for _ in 0..graded.len() {
            if turn.questions.len() == AT_A_BEAT {
                break;
            }
            let Some(canary) = graded.get(self.next) else {
                // The suite is a shorter one than before.
                self.next = 0;
                continue;
            };
            let question = asking.graded(canary, self.sampling());
            if room.ever(&question).is_ok() && !turn.push(question, &mut left) {
                break;
            }
            self.next += 1;
            if self.next == graded.len() {
                (self.next, self.pass) = (0, self.pass.saturating_add(1));
            }
        }
        turn
    }

    /// The same of those with long prompts: all that there is room for, and the next time the others.
    pub(super) fn next_long(&mut self, suite: &Suite, asking: &Asking, room: Room) -> Turn {
        let mut left = room;
        let graded: Vec<&Canary> = suite.graded().filter(|canary| canary.long).collect();
        let mut turn = Turn::default();
        for _ in 0..graded.len() {
            let nth = self.long % graded.len();
            let question = asking.graded(graded[nth], Sampling::Greedy);
            if room.ever(&question).is_ok() && !turn.push(question, &mut left) {
                break;
            }
            self.long = (nth + 1) % graded.len();
        }
        turn
    }

    fn sampling(&self) -> Sampling {
        if (1..=SAMPLED_PASSES).contains(&self.pass) {
            Sampling::Default { seed: self.pass }
        } else {
            Sampling::Greedy
        }
    }
}

impl Turn {
    /// Adds it, if there is room for it.
    fn push(&mut self, question: Question, left: &mut Room) -> bool {
        match left.take(&question) {
            Ok(()) => {
                self.questions.push(question);
                true
            }
            Err(key) => {
                // That a run is full is no news: the next one has room.
                self.waits_for = (key != COMPLETION_PER_RUN).then_some(key);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::canary::Spent;
    use crate::canary::asker::Abilities;
    use crate::canary::room::{COMPLETION_PER_HOUR, PROMPT_PER_HOUR};
    use crate::sample::Prompt;

    /// A run of so many tokens, in an hour with room for all.
    fn room(run: u32) -> Room {
        let hour = Spent { prompt: u64::MAX, completion: u64::MAX };
        Room { run, hour, empty_hour: hour }
    }

    fn asking() -> Asking {
        let abilities = Abilities { logprobs: true, raw: true, sampler: true };
        Asking { abilities, cache: None, timeout: Duration::from_secs(1) }
    }

    #[test]
    fn all_are_asked_in_turn_first_greedy_then_sampled_five_times_then_greedy_for_ever() {
        let suite = Suite::builtin();
        let graded = suite.graded().filter(|canary| !canary.long).count();
        let mut rotation = Rotation::default();
        let mut passes: BTreeMap<String, Vec<Sampling>> = BTreeMap::new();
        for _ in 0..graded * 10 {
            let questions = rotation.next(&suite, &asking(), room(65)).questions;
            assert!((1..=2).contains(&questions.len()), "a beat asks something");
            assert!(questions.iter().map(|question| question.max_tokens).sum::<u32>() <= 65);
            for question in questions {
                passes.entry(question.canary).or_default().push(question.sampling);
            }
        }
        assert_eq!(passes.len(), graded, "each has its turn");
        for (canary, samplings) in passes {
            assert_eq!(samplings[0], Sampling::Greedy, "{canary}");
            let seeds: Vec<Sampling> = (1..=5).map(|seed| Sampling::Default { seed }).collect();
            assert_eq!(samplings[1..6], seeds, "{canary}");
            assert!(samplings[6..].iter().all(|sampling| *sampling == Sampling::Greedy), "{canary}");
        }
        let mut known = Rotation::after_learning();
        assert_eq!(known.next(&suite, &asking(), room(65)).questions[0].sampling, Sampling::Greedy);
    }

    #[test]
    fn one_that_never_fits_does_not_hold_up_the_others() {
        let suite = Suite::builtin();
        let mut rotation = Rotation::default();
        let asked: std::collections::BTreeSet<String> = (0..60)
            .flat_map(|_| rotation.next(&suite, &asking(), room(30)).questions)
            .map(|question| question.canary)
            .collect();
        let fits = suite.graded().filter(|canary| !canary.long && canary.max_tokens <= 30).count();
        assert_eq!(asked.len(), fits);
        assert!(rotation.next(&suite, &asking(), room(0)).questions.is_empty());
    }

    #[test]
    fn one_that_the_hour_has_no_room_for_keeps_its_turn() {
        let suite = Suite::builtin();
        let mut rotation = Rotation::default();
        let hour = Spent { prompt: 1000, completion: 20 };
        let full = room(65).hour;
        let mut next = |hour| {
            let turn = rotation.next(&suite, &asking(), Room { hour, ..room(65) });
            let names: Vec<String> = turn.questions.into_iter().map(|question| question.canary).collect();
            (names.join(" "), turn.waits_for)
        };
        let (completion, prompt) = (Some(COMPLETION_PER_HOUR), Some(PROMPT_PER_HOUR));
        assert_eq!(next(hour), ("ar1".into(), completion), "16 of 20 tokens");
        assert_eq!(next(Spent { completion: 15, ..hour }), (String::new(), completion));
        assert_eq!(next(Spent { prompt: 14, ..hour }), (String::new(), prompt));
        assert_eq!(next(full), ("ar2 ar3".into(), None));
    }

    #[test]
    fn of_long_ones_that_do_not_fit_into_one_run_each_has_its_turn() {
        let mut suite = Suite::builtin();
        let long = suite.canary("lc1").unwrap().clone();
        for nth in 0..4 {
            let prompt = Prompt::Raw("short".into());
            suite.canaries.push(Canary { id: format!("own{nth}"), prompt, max_tokens: 20, ..long.clone() });
        }
        suite.canaries.push(Canary { id: "never".into(), max_tokens: 500, ..long });
        let mut rotation = Rotation::default();
        let mut asked: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..10 {
            let questions = rotation.next_long(&suite, &asking(), room(50)).questions;
            assert!(questions.iter().map(|question| question.max_tokens).sum::<u32>() <= 50);
            for question in questions {
                assert_eq!(question.sampling, Sampling::Greedy);
                *asked.entry(question.canary).or_default() += 1;
            }
        }
        assert_eq!(asked.len(), 7, "{asked:?}");
        assert!(asked.values().all(|times| *times >= 3), "{asked:?}");
        assert!(rotation.next_long(&suite, &asking(), room(0)).questions.is_empty());
        suite.canaries.clear();
        assert!(rotation.next_long(&suite, &asking(), room(50)).questions.is_empty(), "there may be none");
    }

    #[test]
    fn one_that_no_hour_has_room_for_does_not_hold_up_the_others() {
        let mut suite = Suite::builtin();
        let long = suite.canary("lc1").unwrap().clone();
        let prompt = Prompt::Raw("word ".repeat(5000));
        suite.canaries.insert(0, Canary { id: "never".into(), prompt, ..long });
        let hour = Spent { prompt: 5000, completion: 100 };
        let room = Room { run: 200, hour, empty_hour: hour };
        let turn = Rotation::default().next_long(&suite, &asking(), room);
        let names: Vec<&str> = turn.questions.iter().map(|question| question.canary.as_str()).collect();
        assert_eq!((names, turn.waits_for), (vec!["lc1", "lc2", "lc3"], None));
    }
}
