//! What no run of some budget ever asks, and why: told to whoever wrote the config, and to whoever reads the status.
//! Pure.

use super::room::{self, COMPLETION_PER_HOUR, COMPLETION_PER_RUN, PROMPT_PER_HOUR};
use super::{Asking, Budget, Spent};
use crate::sample::{Part, Question, Sampling};
use crate::suite::Suite;

/// Names that are listed before the rest is only counted.
const LISTED: usize = 6;

/// A canary or probe that no run of some budget asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub canary: String,
    /// Its whole answer is left out; else its first tokens, which would be compared.
    pub graded: bool,
    /// The key of `[canaries]` that leaves it out.
    pub key: &'static str,
    /// What that key allows.
    pub allows: u64,
    /// What of it is left beside what is compared.
    pub room: u64,
    /// What it would have to allow.
    pub would_do: u64,
}

/// All of it, of one suite.
pub fn left_out(suite: &Suite, asking: &Asking, budget: &Budget) -> Vec<LeftOut> {
    let mut all = Vec::new();
    for (questions, long) in [(asking.fingerprint(suite), false), (asking.long(suite), true)] {
        let graded = suite.graded().filter(|canary| canary.long == long);
        let graded: Vec<Question> = graded.map(|canary| asking.graded(canary, Sampling::Greedy)).collect();
        all.extend(of_run(questions, &graded, budget));
    }
    all
}

impl LeftOut {
    /// Sentences for what is left out, one for each reason.
    pub fn words(all: &[LeftOut]) -> Vec<String> {
        let mut words = Vec::new();
        for (key, what) in [
            (COMPLETION_PER_RUN, "a run has {} tokens of answers"),
            (COMPLETION_PER_HOUR, "an hour has {} tokens of answers"),
            (PROMPT_PER_HOUR, "an hour has {} tokens of prompts"),
        ] {
            for graded in [false, true] {
                let of: Vec<&LeftOut> =
                    all.iter().filter(|one| one.graded == graded && one.key == key).collect();
                let Some(would_do) = of.iter().map(|one| one.would_do).max() else { continue };
                let room = of.iter().map(|one| one.room).min().unwrap_or_default();
                let has = what.replace("{}", &of[0].allows.to_string());
                let (head, beside) = if graded {
                    ("Whole answers never asked for", format!(", {room} of them beside what is compared"))
                } else {
                    ("Never compared", String::new())
                };
                words.push(format!(
                    "{head}: {}, since {has}{beside}; {key} = {would_do} would do",
                    names(&of)
                ));
            }
        }
        words
    }
}

fn names(of: &[&LeftOut]) -> String {
    let names: Vec<&str> = of.iter().take(LISTED).map(|one| one.canary.as_str()).collect();
    match of.len().checked_sub(LISTED).filter(|more| *more > 0) {
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// What is left out of the runs that compare this and ask these whole answers.
fn of_run(compared: Vec<Question>, graded: &[Question], budget: &Budget) -> Vec<LeftOut> {
    let Budget { completion_tokens_per_run, completion_tokens_per_hour, prompt_tokens_per_hour } = *budget;
    let needs = Spent::guess(&compared);
    let (asked, left) = room::fit(compared, completion_tokens_per_run);
    let takes = Spent::guess(&asked);
    let allows = |key| match key {
        COMPLETION_PER_RUN => u64::from(completion_tokens_per_run),
        COMPLETION_PER_HOUR => completion_tokens_per_hour,
        _ => prompt_tokens_per_hour,
    };
    let one = |question: &Question, graded, key, room, would_do| LeftOut {
        canary: question.canary.clone(),
        graded,
        key,
        allows: allows(key),
        room,
        would_do,
    };
    let per_run = u64::from(completion_tokens_per_run);
    let mut all: Vec<LeftOut> =
        left.iter().map(|left| one(left, false, COMPLETION_PER_RUN, per_run, needs.completion)).collect();
    let completion: fn(&Spent) -> u64 = |spent| spent.completion;
    for (key, part) in [(COMPLETION_PER_HOUR, completion), (PROMPT_PER_HOUR, |spent| spent.prompt)] {
        if part(&takes) > allows(key) {
            // Such a run is never made, so that nothing of it is asked.
            let whole = graded.iter().map(|question| part(&Spent::guess([question]))).max();
            let would_do = part(&takes) + whole.unwrap_or_default();
            let of = asked.iter().chain(graded);
            all.extend(of.map(|of| one(of, of.part == Part::Graded, key, allows(key), would_do)));
            return all;
        }
    }
    let (_, room) = room::compared(asked, budget, Spent::default());
    for question in graded {
        let Err(key) = room.ever(question) else { continue };
        let most = Spent::guess([question]);
        let (left, would_do) = match key {
            COMPLETION_PER_RUN => (u64::from(room.run), needs.completion + most.completion),
            COMPLETION_PER_HOUR => (room.empty_hour.completion, takes.completion + most.completion),
            _ => (room.empty_hour.prompt, takes.prompt + most.prompt),
        };
        all.push(one(question, true, key, left, would_do));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::canary::Rotation;
    use crate::canary::asker::Abilities;
    use crate::sample::Prompt;
    use crate::suite::{Canary, OWN};

    fn asking(logprobs: bool) -> Asking {
        let abilities = Abilities { logprobs, raw: true, sampler: logprobs };
        Asking { abilities, cache: None, timeout: Duration::from_secs(1) }
    }

    /// The built-in suite and one more, with so many tokens.
    fn with(max_tokens: u32) -> Suite {
        let mut suite = Suite::builtin();
        let own =
            Canary { id: "mine".into(), category: OWN, max_tokens, ..suite.canary("ar1").unwrap().clone() };
        suite.canaries.push(own);
        suite
    }

    fn usual() -> Budget {
        Budget::of(Duration::from_secs(300))
    }

    #[test]
    fn all_of_the_built_in_suite_is_asked_by_the_usual_budget_with_numbers_and_with_texts() {
        for logprobs in [true, false] {
            assert_eq!(left_out(&Suite::builtin(), &asking(logprobs), &usual()), []);
        }
    }

    #[test]
    fn a_whole_answer_that_has_no_room_beside_what_is_compared_is_told_and_all_else_is_asked() {
        assert_eq!(left_out(&with(205), &asking(true), &usual()), []);
        let key = COMPLETION_PER_RUN;
        let one = |room, would_do| LeftOut {
            canary: "mine".into(),
            graded: true,
            key,
            allows: 240,
            room,
            would_do,
        };
        assert_eq!(left_out(&with(206), &asking(true), &usual()), [one(205, 241)]);
        let texts = left_out(&with(128), &asking(false), &usual());
        assert_eq!(texts, [one(82, 286)]);
        let said = "Whole answers never asked for: mine, since a run has 240 tokens of answers, 82 of them beside \
                    what is compared; max_completion_tokens_per_run = 286 would do";
        assert_eq!(LeftOut::words(&texts), [said]);
        // What is told is what the turns show.
        let (suite, mut rotation) = (with(128), Rotation::default());
        let asked: BTreeSet<String> = (0..100)
            .flat_map(|_| {
                let turn = room::of_beat(&suite, &asking(false), &mut rotation, &usual(), Spent::default());
                turn.questions
            })
            .filter(|question| question.part == Part::Graded)
            .map(|question| question.canary)
            .collect();
        let all = suite.graded().filter(|canary| !canary.long).count();
        assert!(!asked.contains("mine") && asked.len() == all - 1, "{asked:?}");
    }

    #[test]
    fn what_is_never_compared_is_told_by_the_key_that_leaves_it_out() {
        let budget = Budget { completion_tokens_per_run: 40, ..usual() };
        let left = left_out(&Suite::builtin(), &asking(false), &budget);
        let compared: Vec<&str> =
            left.iter().filter(|one| !one.graded).map(|one| one.canary.as_str()).collect();
        assert_eq!(compared, ["op3", "op4", "op5", "op6", "op7", "op8", "op9", "op10", "lc3"]);
        let said = LeftOut::words(&left);
        let begins = "Never compared: op3, op4, op5, op6, op7, op8 and 3 more, since a run has 40 tokens of answers; \
                      max_completion_tokens_per_run = 158 would do";
        assert_eq!(said[0], begins);
        assert!(said[1].starts_with("Whole answers never asked for: ar1"), "{said:?}");
    }

    #[test]
    fn an_hour_that_never_lets_the_long_prompts_through_is_told() {
        let budget = Budget { prompt_tokens_per_hour: 2000, ..usual() };
        let left = left_out(&Suite::builtin(), &asking(true), &budget);
        let compared: Vec<&str> =
            left.iter().filter(|one| !one.graded).map(|one| one.canary.as_str()).collect();
        assert_eq!(compared, ["lc1", "lc2", "lc3", "p2", "p3"], "beats go on");
        assert!(left.iter().all(|one| one.key == PROMPT_PER_HOUR && one.allows == 2000));
        let with = |tokens| {
            let budget = Budget { prompt_tokens_per_hour: tokens, ..usual() };
            left_out(&Suite::builtin(), &asking(true), &budget)
        };
        assert_eq!(with(left[0].would_do), []);
        let less = with(left[0].would_do - 1);
        assert_eq!((less.len(), less[0].graded), (1, true), "one answer is left out: {less:?}");
    }

    #[test]
    fn a_prompt_that_no_hour_has_room_for_is_told_alone() {
        let mut suite = with(8);
        let own = suite.canaries.last_mut().unwrap();
        own.prompt = Prompt::Raw("word ".repeat(14_000));
        let left = left_out(&suite, &asking(true), &usual());
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].canary.as_str(), left[0].key), ("mine", PROMPT_PER_HOUR));
    }
}
