//! Which questions a run may ask by its budget: what is compared goes first, whole answers have the rest in turn. Pure.

use super::rotation::Turn;
use super::{Asking, Budget, LeftOut, Rotation, Spent};
use crate::sample::{Part, Question};
use crate::suite::{PROBES, Suite};

/// The keys of `[canaries]` that bound what canaries take.
pub(super) const COMPLETION_PER_RUN: &str = "max_completion_tokens_per_run";
pub(super) const COMPLETION_PER_HOUR: &str = "max_completion_tokens_per_hour";
pub(super) const PROMPT_PER_HOUR: &str = "max_prompt_tokens_per_hour";

/// Tokens that are left for whole answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Of the run's answers.
    pub run: u32,
    /// Of the hour.
    pub hour: Spent,
    /// Of an hour in which nothing else is asked.
    pub empty_hour: Spent,
}

impl Room {
    /// Whether some run has room for the question.
    ///
    /// # Errors
    /// None has: the key of the config that allows no more.
    pub(super) fn ever(&self, question: &Question) -> Result<(), &'static str> {
        Room { hour: self.empty_hour, ..*self }.take(question)
    }

    /// Takes what the question takes at the most.
    ///
    /// # Errors
    /// So much is not left: the key of the config that allows no more.
    pub(super) fn take(&mut self, question: &Question) -> Result<(), &'static str> {
        let most = Spent::guess([question]);
        let run = self.run.checked_sub(question.max_tokens).ok_or(COMPLETION_PER_RUN)?;
        let completion = self.hour.completion.checked_sub(most.completion).ok_or(COMPLETION_PER_HOUR)?;
        let prompt = self.hour.prompt.checked_sub(most.prompt).ok_or(PROMPT_PER_HOUR)?;
        (self.run, self.hour) = (run, Spent { prompt, completion });
        Ok(())
    }
}

/// What of a model's suite is not asked.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What no run ever asks. `None`: what its server can be asked for is not known yet.
    pub out: Option<Vec<LeftOut>>,
    /// The hour's budget kept whole answers of the last beat back, by this key of the config.
    pub waits_for: Option<&'static str>,
    /// The same of the last run of the long prompts.
    pub long_waits_for: Option<&'static str>,
    /// The long prompts are due and were not asked: why.
    pub long: Option<String>,
}

impl Left {
    /// It in sentences, for whoever reads the status.
    pub(super) fn words(&self) -> Vec<String> {
        let mut all = LeftOut::words(self.out.as_deref().unwrap_or_default());
        for (what, key) in [("", self.waits_for), (" to long prompts", self.long_waits_for)] {
            all.extend(
                key.map(|key| format!("Whole answers{what} wait: {key} of [canaries] allows no more")),
            );
        }
        all.extend(self.long.as_ref().map(|why| format!("The long prompts wait: {why}")));
        all
    }
}

/// The questions of a beat. `hour`: what canaries of the model took in the last hour.
pub(super) fn of_beat(
    suite: &Suite,
    asking: &Asking,
    rotation: &mut Rotation,
    budget: &Budget,
    hour: Spent,
) -> Turn {
    let (compared, room) = compared(asking.fingerprint(suite), budget, hour);
    before(compared, rotation.next(suite, asking, room))
}

/// The questions of a run of the long prompts.
pub(super) fn of_long(
    suite: &Suite,
    asking: &Asking,
    rotation: &mut Rotation,
    budget: &Budget,
    hour: Spent,
) -> Turn {
    let (compared, room) = compared(asking.long(suite), budget, hour);
    before(compared, rotation.next_long(suite, asking, room))
}

/// What a beat, and a run of the long prompts, take at the most for what they compare.
pub(super) fn needs(suite: &Suite, asking: &Asking, run: u32) -> [Spent; 2] {
    [asking.fingerprint(suite), asking.long(suite)].map(|compared| Spent::guess(&fit(compared, run).0))
}

/// Those that fit into so many tokens of answers, in their order, and the others. The probes and what shows the sampler
/// take their place first: they are short, and tell causes apart.
pub(super) fn fit(questions: Vec<Question>, mut run: u32) -> (Vec<Question>, Vec<Question>) {
    let is_probe =
        |question: &Question| question.part == Part::Sampler || PROBES.contains(&question.canary.as_str());
    let mut first: Vec<usize> = (0..questions.len()).collect();
    first.sort_by_key(|nth| !is_probe(&questions[*nth]));
    let mut fits = vec![false; questions.len()];
    for nth in first {
        if let Some(left) = run.checked_sub(questions[nth].max_tokens) {
            (run, fits[nth]) = (left, true);
        }
    }
    let (asked, left): (Vec<_>, Vec<_>) = questions.into_iter().zip(fits).partition(|(_, fits)| *fits);
    let questions = |of: Vec<(Question, bool)>| of.into_iter().map(|(question, _)| question).collect();
    (questions(asked), questions(left))
}

/// What of these fits into a run, and what that leaves for whole answers.
pub(super) fn compared(questions: Vec<Question>, budget: &Budget, hour: Spent) -> (Vec<Question>, Room) {
    let (questions, _) = fit(questions, budget.completion_tokens_per_run);
    let takes = Spent::guess(&questions);
    let left = |taken: Spent| Spent {
        prompt: budget.prompt_tokens_per_hour.saturating_sub(taken.prompt.saturating_add(takes.prompt)),
        completion: budget
            .completion_tokens_per_hour
            .saturating_sub(taken.completion.saturating_add(takes.completion)),
    };
    let taken: u32 = questions.iter().map(|question| question.max_tokens).sum();
    let run = budget.completion_tokens_per_run - taken;
    (questions, Room { run, hour: left(hour), empty_hour: left(Spent::default()) })
}

fn before(mut compared: Vec<Question>, turn: Turn) -> Turn {
    compared.extend(turn.questions);
    Turn { questions: compared, ..turn }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::canary::asker::Abilities;

    fn asking(logprobs: bool) -> Asking {
        let abilities = Abilities { logprobs, raw: true, sampler: logprobs };
        Asking { abilities, cache: None, timeout: Duration::from_secs(1) }
    }

    fn names(questions: &[Question]) -> Vec<&str> {
        questions.iter().map(|question| question.canary.as_str()).collect()
    }

    #[test]
    fn what_is_compared_has_its_place_before_whole_answers_and_probes_before_all() {
        let (suite, mut rotation) = (Suite::builtin(), Rotation::default());
        let budget = Budget { completion_tokens_per_run: 40, ..Budget::of(Duration::from_secs(300)) };
        let hour = Spent::default();
        let texts = of_beat(&suite, &asking(false), &mut rotation, &budget, hour).questions;
        assert_eq!(names(&texts), ["op1", "op2", "p0", "p1", "sampler"], "38 of 40 tokens");
        let numbers = of_beat(&suite, &asking(true), &mut rotation, &budget, hour).questions;
        assert_eq!(names(&numbers), names(&asking(true).fingerprint(&suite)));
    }

    #[test]
    fn whole_answers_take_no_more_of_an_hour_than_it_has_left() {
        let (suite, mut rotation) = (Suite::builtin(), Rotation::default());
        let budget = Budget::of(Duration::from_secs(300));
        let spent = Spent { prompt: 0, completion: budget.completion_tokens_per_hour - 40 };
        let turn = of_beat(&suite, &asking(true), &mut rotation, &budget, spent);
        assert_eq!(turn.questions.len(), 11, "what is compared, and nothing else");
        assert_eq!(turn.waits_for, Some(COMPLETION_PER_HOUR));
        let left = Left { waits_for: turn.waits_for, ..Left::default() };
        let said = "Whole answers wait: max_completion_tokens_per_hour of [canaries] allows no more";
        assert_eq!(left.words(), [said]);
        let turn = of_long(&suite, &asking(true), &mut rotation, &budget, Spent::default());
        assert_eq!(names(&turn.questions), ["lc1", "lc2", "lc3", "p2", "p3", "lc1", "lc2", "lc3"]);
        let [beat, long] = needs(&suite, &asking(true), 240);
        assert_eq!((beat.completion, long.completion), (35, 14));
        assert!(long.prompt > 3000 && beat.prompt < 500, "{long:?}");
    }
}
