//! What canaries of a model took in the last hour. Pure: "now" is given.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::sample::{Answer, Prompt, Question};

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
    /// What these answers took, as the server says, or else as much as was asked for.
    pub fn of<'a>(asked: impl IntoIterator<Item = (&'a Question, &'a Answer)>) -> Spent {
        let mut sum = Spent::default();
        for (question, answer) in asked {
            let guess = Spent::guess([question]);
            let told = answer.result.as_ref().ok().map(|reply| reply.generation.tokens);
            let Some(told) = told else { continue };
            sum.prompt += told.input.unwrap_or(guess.prompt);
            sum.completion += told.output.unwrap_or(guess.completion);
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
            next.prompt += oldest.prompt;
            next.completion += oldest.completion;
        }
        self.0.push_back((now, spent));
    }

    /// What was taken in the hour until now.
    pub fn last_hour(&mut self, now: Instant) -> Spent {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= HOUR) {
            self.0.pop_front();
        }
        let sum = |of: fn(&Spent) -> u64| self.0.iter().map(|(_, spent)| of(spent)).sum();
        Spent { prompt: sum(|spent| spent.prompt), completion: sum(|spent| spent.completion) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
