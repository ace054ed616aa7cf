//! What questions that got no answer say: of the server, or of the model. Pure.

use crate::sample::{Answer, AskError};
use crate::suite::Suite;

/// Questions without an answer that can be judged.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Questions asked.
    pub(super) asked: u64,
    /// Those that the server refused, or did not answer in time or in order: that tells of the server.
    pub(super) unanswered: u64,
    /// Those with an answer that is none, such as an empty one: that tells of the model.
    pub(super) empty: u64,
    /// Why the last unanswered one was not.
    why: Option<String>,
    /// The first answer that is none, and whose.
    first_empty: Option<String>,
    /// A number that is none: memory or weights are corrupt.
    pub(super) fault: Option<String>,
}

impl Silence {
    /// Of these answers.
    pub(super) fn of<'a>(answers: impl Iterator<Item = &'a Answer>, suite: &Suite) -> Silence {
        let mut silence = Silence::default();
        for answer in answers {
            silence.asked += 1;
            if let Err(error) = &answer.result {
                silence.take(answer, error, suite);
            }
        }
        silence
    }

    fn take(&mut self, answer: &Answer, error: &AskError, suite: &Suite) {
        let said = || format!("{}: {error}", answer.canary);
        let long = suite.canary(&answer.canary).is_none_or(|canary| canary.long);
        match error {
            AskError::BadLogprob { .. } => {
                self.fault.get_or_insert_with(said);
            }
            // A context that is too small for the long prompts is no fault by itself.
            AskError::TooLong { .. } if long => {}
            AskError::Empty | AskError::TooLong { .. } => {
                self.empty += 1;
                self.first_empty.get_or_insert_with(said);
            }
            AskError::Unreachable { .. }
            | AskError::Status { .. }
            | AskError::Malformed { .. }
            | AskError::Unsupported { .. } => {
                self.unanswered += 1;
                self.why = Some(error.to_string());
            }
        }
    }

    /// Why nothing at all was answered, if so and it tells nothing of the model.
    pub(super) fn is_whole(&self) -> Option<&str> {
        let nothing = "there was nothing to ask";
        (self.unanswered == self.asked).then(|| self.why.as_deref().unwrap_or(nothing))
    }

    /// Whether so much is missing that the rest tells nothing.
    pub(super) fn is_most(&self) -> bool {
        self.unanswered * 2 > self.asked
    }

    /// Whether most answers are none: no model that is well answers so.
    pub(super) fn is_failing(&self) -> bool {
        self.fault.is_some() || self.empty * 2 > self.asked
    }

    /// What of it a person should know, a sentence each; `true`: it is bad.
    pub(super) fn words(&self) -> Vec<(bool, String)> {
        let mut all = Vec::new();
        if let Some(fault) = &self.fault {
            all.push((true, format!("does not answer as a model does: {fault}")));
        }
        if let Some(first) = &self.first_empty {
            let words = format!("{} of {} answers are none ({first})", self.empty, self.asked);
            all.push((self.is_failing(), words));
        }
        if let Some(why) = &self.why {
            let words =
                format!("{} of {} questions got no answer, the last one: {why}", self.unanswered, self.asked);
            all.push((self.is_most(), words));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{Dialect, End, Generation, Part, Reply};

    /// So many whole answers, and the errors beside them.
    fn silence(whole: usize, errors: &[AskError]) -> Silence {
        let generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(100));
        let reply = Reply { text: "x".into(), positions: Vec::new(), sampler: Vec::new(), generation };
        let whole = std::iter::repeat_with(|| Ok(reply.clone())).take(whole);
        let all = whole.chain(errors.iter().cloned().map(Err));
        let answers: Vec<Answer> =
            all.map(|result| Answer { canary: "ar1".into(), part: Part::Graded, result }).collect();
        Silence::of(answers.iter(), &Suite::builtin())
    }

    fn status(status: u16) -> AskError {
        AskError::Status { status, text: "no".into() }
    }

    fn timeout() -> AskError {
        AskError::Unreachable { reason: "timeout", text: "no whole answer within 60s".into() }
    }

    #[test]
    fn a_server_that_answers_nothing_cannot_be_asked_and_a_model_that_answers_nothing_fails() {
        for error in [status(500), status(400), timeout()] {
            let told = silence(0, &vec![error.clone(); 6]);
            assert_eq!(told.is_whole(), Some(error.to_string().as_str()));
            let half = silence(6, &vec![error.clone(); 6]);
            assert!(half.is_whole().is_none() && !half.is_most() && half.unanswered == 6, "{half:?}");
            assert!(silence(5, &vec![error; 6]).is_most());
        }
        let empty = silence(0, &vec![AskError::Empty; 6]);
        assert!(empty.is_failing() && empty.is_whole().is_none(), "{empty:?}");
        let half = silence(6, &vec![AskError::Empty; 6]);
        assert!(
            !half.is_failing() && half.words()[0].1.starts_with("6 of 12 answers are none (ar1:"),
            "{half:?}"
        );
        let corrupt = silence(9, &[AskError::BadLogprob { found: "null".into() }]);
        assert!(corrupt.is_failing() && corrupt.words()[0].0);
        assert!(silence(9, &[]).words().is_empty());
        assert_eq!(silence(0, &[]).is_whole(), Some("there was nothing to ask"));
    }

    #[test]
    fn a_long_prompt_that_does_not_fit_is_the_contexts_size_and_no_fault() {
        let too_long = || Err(AskError::TooLong { text: "512".into() });
        let answer = |canary: &str| Answer { canary: canary.into(), part: Part::Graded, result: too_long() };
        let suite = Suite::builtin();
        assert_eq!(Silence::of([answer("lc3"), answer("p3")].iter(), &suite).empty, 0);
        assert_eq!(Silence::of([answer("ar1")].iter(), &suite).empty, 1);
    }
}
