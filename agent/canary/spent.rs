//! What canaries of a model took in the last hour. Pure: "now" is given.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::Duration;

use tokio::time::Instant;

use crate::sample::{Answer, AskError, Prompt, Question};

/// What is counted as "the last hour".
const HOUR: Duration = Duration::from_secs(3600);

/// Runs that are remembered: one a second for an hour. Under more the oldest two are taken together.
const MOST: usize = 3600;

/// Characters that a token of a prompt has at least, on average: a guess for a prompt that was never sent.
const CHARACTERS: usize = 3;

/// Tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Of prompts.
    pub prompt: u64,
    /// Of answers.
    pub completion: u64,
}

impl Spent {
    /// What these answers took, as the server says. Where it does not say, as much as was asked for: an answer that
    /// did not come in time, or broke off, may have been generated to its end all the same. Only what was surely
    /// refused took nothing.
    pub fn of<'a>(asked: impl IntoIterator<Item = (&'a Question, &'a Answer)>) -> Spent {
        let mut sum = Spent::default();
        for (question, answer) in asked {
            let most = Spent::guess([question]);
            sum += match &answer.result {
                Ok(reply) => {
                    let told = reply.generation.tokens;
                    Spent {
                        prompt: told.input.unwrap_or(most.prompt),
                        completion: told.output.unwrap_or(most.completion),
                    }
                }
                Err(error) if takes_nothing(error) => Spent::default(),
                Err(_) => most,
            };
        }
        sum
    }

    /// What these questions will take at the most, as far as can be guessed.
    pub fn guess<'a>(questions: impl IntoIterator<Item = &'a Question>) -> Spent {
        let mut sum = Spent::default();
        for question in questions {
            let characters = match &question.prompt {
                Prompt::Raw(text) => text.len(),
                Prompt::Chat(messages) => messages.iter().map(|message| message.text.len()).sum(),
            };
            sum.prompt += (characters / CHARACTERS + 1) as u64;
            sum.completion += u64::from(question.max_tokens);
        }
        sum
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Spent) {
        self.prompt = self.prompt.saturating_add(more.prompt);
        self.completion = self.completion.saturating_add(more.completion);
    }
}

/// Reasons of `HttpError` for which a question never came to a server that would have worked on it.
const NEVER_ARRIVED: [&str; 5] = ["refused", "unreachable", "dns", "tls", "redirect"];

/// Whether the server surely did no work for the question.
fn takes_nothing(error: &AskError) -> bool {
    match error {
        AskError::Unreachable { reason, .. } => NEVER_ARRIVED.contains(reason),
        // A server that fails, and one behind a gateway that waits no longer, may have worked until then; 501 and 503
        // say that it did not begin.
        AskError::Status { status, .. } => *status < 500 || matches!(*status, 501 | 503),
        AskError::TooLong { .. } | AskError::Unsupported { .. } => true,
        AskError::BadLogprob { .. } | AskError::Empty | AskError::Malformed { .. } => false,
    }
}

/// What was taken, and when.
#[derive(Debug, Default)]
pub struct Ledger(VecDeque<(Instant, Spent)>);

impl Ledger {
    /// So much more was taken.
    pub fn add(&mut self, spent: Spent, now: Instant) {
        if self.0.len() >= MOST
            && let Some((_, oldest)) = self.0.pop_front()
            && let Some((_, next)) = self.0.front_mut()
        {
            *next += oldest;
        }
        self.0.push_back((now, spent));
    }

    /// What was taken in the hour until now.
    pub fn last_hour(&mut self, now: Instant) -> Spent {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= HOUR) {
            self.0.pop_front();
        }
        self.0.iter().fold(Spent::default(), |mut sum, (_, spent)| {
            sum += *spent;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Asking;
    use crate::canary::asker::Abilities;
    use crate::sample::{Part, Sampling};
    use crate::suite::Suite;

    #[test]
    fn an_answer_that_did_not_come_counts_as_if_it_had_and_one_that_was_refused_does_not() {
        let suite = Suite::builtin();
        let abilities = Abilities { logprobs: true, raw: true, sampler: true };
        let asking = Asking { abilities, cache: None, timeout: Duration::from_secs(1) };
        let question = asking.graded(suite.canary("dg1").unwrap(), Sampling::Greedy);
        let took = |error: AskError| {
            let answer = Answer { canary: "dg1".into(), part: Part::Graded, result: Err(error) };
            Spent::of([(&question, &answer)])
        };
        let away = |reason| AskError::Unreachable { reason, text: String::new() };
        let status = |status| AskError::Status { status, text: String::new() };
        let most = Spent { prompt: 12, completion: 64 };
        let malformed = AskError::Malformed { text: String::new() };
        for error in [away("timeout"), away("reset"), status(500), status(504), AskError::Empty, malformed] {
            assert_eq!(took(error.clone()), most, "{error:?}");
        }
        let (text, too_long) = (String::new(), AskError::TooLong { text: String::new() });
        for error in
            [away("refused"), away("dns"), status(400), status(503), too_long, AskError::Unsupported { text }]
        {
            assert_eq!(took(error.clone()), Spent::default(), "{error:?}");
        }
    }

    #[test]
    fn what_was_taken_an_hour_ago_counts_no_more_and_what_is_kept_is_bounded() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let one = Spent { prompt: 400, completion: 35 };
        let mut ledger = Ledger::default();
        ledger.add(one, at(0));
        ledger.add(one, at(1800));
        assert_eq!(ledger.last_hour(at(3599)), Spent { prompt: 800, completion: 70 });
        assert_eq!(ledger.last_hour(at(3600)), one);
        assert_eq!(ledger.last_hour(at(9000)), Spent::default());
        for _ in 0..2 * MOST {
            ledger.add(one, at(9000));
        }
        assert_eq!(ledger.last_hour(at(9000)).completion, 35 * 2 * MOST as u64, "none of it is lost");
        assert!(ledger.0.len() <= MOST);
    }
}
