//! Another look at what moved, beside the beat. Pure.

use std::time::Duration;

use super::Asking;
use crate::drift::Wants;
use crate::sample::{Question, Sampling};
use crate::suite::{Canary, Suite};

/// Looks that wait at most: a report of drift asks for three, and bursts are cut into runs.
const MOST: usize = 16;

/// Questions at once and use of the prompt cache, in turn: what moves with them is no drift.
const MANNERS: [(u8, Option<bool>); 3] = [(2, Some(false)), (4, None), (1, Some(false))];

/// From one part of a burst to the next.
const BURST_EVERY: Duration = Duration::from_secs(1);

/// Graded canaries in one run of a burst: what a beat asks too.
const OF_BURST: usize = 2;

/// One such look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// The fingerprint, in another manner each time.
    Confirm(usize),
    /// Canaries whose answers were faults.
    Repeat(Vec<String>),
    /// Graded canaries with these seeds.
    Burst(Vec<(String, u32)>),
}

impl Follow {
    /// What drift wants, each with when it is due from now.
    pub fn of(wants: &Wants) -> Vec<(Duration, Follow)> {
        let mut all: Vec<(Duration, Follow)> = match wants {
            Wants::Nothing => Vec::new(),
            Wants::RepeatHard { after, canaries } => vec![(*after, Follow::Repeat(canaries.clone()))],
            Wants::Confirm { after } => {
                after.iter().enumerate().map(|(nth, after)| (*after, Follow::Confirm(nth))).collect()
            }
            Wants::BurstChecks { canaries, times } => {
                let seeds =
                    (0..*times).flat_map(|seed| canaries.iter().map(move |name| (name.clone(), 100 + seed)));
                let seeds: Vec<(String, u32)> = seeds.collect();
                let parts = seeds.chunks(OF_BURST).map(|part| Follow::Burst(part.to_vec()));
                (1..).map(|nth| BURST_EVERY * nth).zip(parts).collect()
            }
        };
        all.truncate(MOST);
        all
    }

    /// How many questions at once.
    pub fn at_once(&self) -> u8 {
        match self {
            Self::Confirm(nth) => MANNERS[nth % MANNERS.len()].0,
            Self::Repeat(_) | Self::Burst(_) => 1,
        }
    }

    /// Whether the server may reuse what it has of the prompts.
    pub fn cache(&self) -> Option<bool> {
        match self {
            Self::Confirm(nth) => MANNERS[nth % MANNERS.len()].1,
            Self::Repeat(_) | Self::Burst(_) => None,
        }
    }

    /// What is asked.
    pub fn questions(&self, suite: &Suite, asking: &Asking) -> Vec<Question> {
        match self {
            Self::Confirm(_) => asking.fingerprint(suite),
            Self::Repeat(canaries) => {
                let mut all = asking.fingerprint(suite);
                all.extend(asking.long(suite));
                all.retain(|question| canaries.contains(&question.canary));
                // Those of which only a whole answer was at fault.
                let rest = canaries.iter().filter(|name| all.iter().all(|asked| asked.canary != **name));
                let rest: Vec<&Canary> = rest.filter_map(|name| suite.canary(name)).collect();
                all.extend(rest.into_iter().map(|one| asking.graded(one, Sampling::Greedy)));
                // A fault of the run as a whole has no name.
                if all.is_empty() { asking.fingerprint(suite) } else { all }
            }
            Self::Burst(seeds) => {
                let one = |(name, seed): &(String, u32)| {
                    let canary: &Canary = suite.canary(name)?;
                    Some(asking.graded(canary, Sampling::Default { seed: *seed }))
                };
                seeds.iter().filter_map(one).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::asker::Abilities;

    fn asking() -> Asking {
        let abilities = Abilities { logprobs: true, raw: true, sampler: true };
        Asking { abilities, cache: None, timeout: Duration::from_secs(1) }
    }

    fn names(questions: &[Question]) -> Vec<&str> {
        questions.iter().map(|question| question.canary.as_str()).collect()
    }

    #[test]
    fn what_moved_is_asked_again_three_times_each_in_another_manner() {
        let after = [20, 40, 60].map(Duration::from_secs).to_vec();
        let follows = Follow::of(&Wants::Confirm { after: after.clone() });
        assert_eq!(follows.iter().map(|(due, _)| *due).collect::<Vec<_>>(), after);
        let manners: std::collections::BTreeSet<_> =
            follows.iter().map(|(_, follow)| (follow.at_once(), follow.cache())).collect();
        assert_eq!(manners.len(), 3);
        assert_eq!(follows[0].1.questions(&Suite::builtin(), &asking()).len(), 11);
    }

    #[test]
    fn a_fault_is_asked_again_alone_and_checks_with_other_seeds_in_small_runs() {
        let suite = Suite::builtin();
        let hard =
            Wants::RepeatHard { after: Duration::from_secs(10), canaries: vec!["ar2".into(), "p1".into()] };
        let (due, repeat) = Follow::of(&hard).remove(0);
        assert_eq!(due, Duration::from_secs(10));
        assert_eq!(names(&repeat.questions(&suite, &asking())), ["ar2", "p1"]);
        let mixed = Follow::Repeat(vec!["ar1".into(), "js2".into()]).questions(&suite, &asking());
        assert_eq!(names(&mixed), ["ar1", "js2"], "of js2 only the whole answer is known");
        let whole = Follow::Repeat(Vec::new());
        assert_eq!(whole.questions(&suite, &asking()).len(), 11, "a fault of no canary in particular");

        let burst = Follow::of(&Wants::BurstChecks { canaries: vec!["co1".into(), "js1".into()], times: 4 });
        assert_eq!(burst.len(), 4);
        let asked: Vec<Question> =
            burst.iter().flat_map(|(_, follow)| follow.questions(&suite, &asking())).collect();
        assert_eq!(names(&asked), ["co1", "js1", "co1", "js1", "co1", "js1", "co1", "js1"]);
        let seeds: std::collections::BTreeSet<String> =
            asked.iter().map(|question| format!("{:?}", question.sampling)).collect();
        assert_eq!(seeds.len(), 4);
        assert!(Follow::of(&Wants::Nothing).is_empty());
        let many = Wants::BurstChecks { canaries: (0..50).map(|nth| nth.to_string()).collect(), times: 9 };
        assert_eq!(Follow::of(&many).len(), MOST);
    }
}
