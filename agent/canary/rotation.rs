//! Which graded canaries a beat asks: two at a time, in turn, so that each is asked some times a day. Pure.

use serde::{Deserialize, Serialize};

use super::Asking;
use crate::sample::{Question, Sampling};
use crate::suite::{Canary, Suite};

/// Graded canaries of a beat.
const AT_A_BEAT: usize = 2;

/// Passes after the first, greedy one in which the server's own sampling is used: a check that fails by chance is told
/// from one that never fails. After them all are greedy.
const SAMPLED_PASSES: u32 = 5;

/// Where the turn is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rotation {
    next: usize,
    pass: u32,
}

impl Rotation {
    /// For a model of which a baseline stands already: its checks were seen with the server's own sampling.
    pub fn after_learning() -> Rotation {
        Rotation { next: 0, pass: SAMPLED_PASSES + 1 }
    }

    /// The next ones, as far as their answers fit into so many tokens. One that would never fit is passed over.
    pub fn next(&mut self, suite: &Suite, asking: &Asking, mut room: u32) -> Vec<Question> {
        let whole = room;
        let graded: Vec<&Canary> = suite.graded().filter(|canary| !canary.long).collect();
        let mut questions = Vec::new();
        for _ in 0..graded.len() {
            if questions.len() == AT_A_BEAT {
                break;
            }
            let Some(canary) = graded.get(self.next) else {
                // The suite is a shorter one than before.
                self.next = 0;
                continue;
            };
            if canary.max_tokens > room && canary.max_tokens <= whole {
                break;
            }
            if canary.max_tokens <= room {
                room -= canary.max_tokens;
                questions.push(asking.graded(canary, self.sampling()));
            }
            self.next += 1;
            if self.next == graded.len() {
                (self.next, self.pass) = (0, self.pass.saturating_add(1));
            }
        }
        questions
    }

    fn sampling(&self) -> Sampling {
        if (1..=SAMPLED_PASSES).contains(&self.pass) {
            Sampling::Default { seed: self.pass }
        } else {
            Sampling::Greedy
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::canary::asker::Abilities;

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
            let questions = rotation.next(&suite, &asking(), 65);
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
        assert_eq!(known.next(&suite, &asking(), 65)[0].sampling, Sampling::Greedy);
    }

    #[test]
    fn one_that_never_fits_does_not_hold_up_the_others() {
        let suite = Suite::builtin();
        let mut rotation = Rotation::default();
        let asked: std::collections::BTreeSet<String> = (0..60)
            .flat_map(|_| rotation.next(&suite, &asking(), 30))
            .map(|question| question.canary)
            .collect();
        let fits = suite.graded().filter(|canary| !canary.long && canary.max_tokens <= 30).count();
        assert_eq!(asked.len(), fits);
        assert!(rotation.next(&suite, &asking(), 0).is_empty());
    }
}
