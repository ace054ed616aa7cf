//! What is asked of a model, as questions to its server. Pure.

use std::time::Duration;

use super::asker::Abilities;
use crate::sample::{Logprobs, Part, Prompt, Question, Sampling};
use crate::suite::{Canary, FINGERPRINT_TOKENS, PROBE_TOKENS, SAMPLER, Suite};

/// The seed of everything that is asked by a server's own defaults: the same each time, so that answers can be
/// compared.
pub const SEED: u32 = 20_260_713;

/// Tokens of a fingerprint's answer that are compared where the server tells no log probabilities: texts tell less, and
/// four tokens of ten canaries miss every second change that sixteen find (measured).
pub const TEXT_TOKENS: u32 = 16;

/// How questions are made for one server.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// What the server can be asked for.
    pub abilities: Abilities,
    /// Whether it may reuse what it has of a prompt. `None`: as it likes.
    pub cache: Option<bool>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl Asking {
    /// What is compared at each beat: the first tokens of the fingerprint's canaries and of the short probes, and
    /// what shows the sampler. Without what the server cannot be asked.
    pub fn fingerprint(&self, suite: &Suite) -> Vec<Question> {
        let short = suite.canaries.iter().filter(|canary| canary.fingerprint && !canary.long);
        let mut questions: Vec<Question> = short.map(|canary| self.print(canary)).collect();
        questions.extend(self.probes(suite, &["p0", "p1"]));
        if self.abilities.sampler && !suite.sampler.is_empty() {
            questions.push(Question {
                sampling: Sampling::Default { seed: SEED },
                logprobs: Logprobs::Sampler,
                ..self.first_tokens(SAMPLER, Part::Sampler, Prompt::Raw(suite.sampler.clone()), PROBE_TOKENS)
            });
        }
        questions
    }

    /// What is compared once an hour: the first tokens of long prompts.
    pub fn long(&self, suite: &Suite) -> Vec<Question> {
        let long = suite.canaries.iter().filter(|canary| canary.long);
        let mut questions: Vec<Question> = long.map(|canary| self.print(canary)).collect();
        questions.extend(self.probes(suite, &["p2", "p3"]));
        questions
    }

    /// A whole answer, to be graded and timed.
    pub fn graded(&self, canary: &Canary, sampling: Sampling) -> Question {
        Question {
            canary: canary.id.clone(),
            part: Part::Graded,
            prompt: canary.prompt.clone(),
            max_tokens: canary.max_tokens,
            sampling,
            logprobs: Logprobs::None,
            stream: true,
            cache: self.cache,
            timeout: self.timeout,
        }
    }

    fn print(&self, canary: &Canary) -> Question {
        let tokens = if self.abilities.logprobs { FINGERPRINT_TOKENS } else { TEXT_TOKENS };
        self.first_tokens(&canary.id, Part::Fingerprint, canary.prompt.clone(), tokens)
    }

    fn probes(&self, suite: &Suite, names: &[&str]) -> Vec<Question> {
        if !self.abilities.raw {
            return Vec::new();
        }
        let wanted = suite.probes.iter().filter(|(name, _)| names.contains(name));
        let probe = |(name, text): &(&'static str, String)| {
            self.first_tokens(name, Part::Fingerprint, Prompt::Raw(text.clone()), PROBE_TOKENS)
        };
        wanted.map(probe).collect()
    }

    fn first_tokens(&self, canary: &str, part: Part, prompt: Prompt, max_tokens: u32) -> Question {
        Question {
            canary: canary.to_owned(),
            part,
            prompt,
            max_tokens,
            sampling: Sampling::Greedy,
            logprobs: if self.abilities.logprobs { Logprobs::Model } else { Logprobs::None },
            stream: false,
            cache: self.cache,
            timeout: self.timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(logprobs: bool, raw: bool, sampler: bool) -> Asking {
        let abilities = Abilities { logprobs, raw, sampler };
        Asking { abilities, cache: None, timeout: Duration::from_secs(10) }
    }

    fn names(questions: &[Question]) -> Vec<&str> {
        questions.iter().map(|question| question.canary.as_str()).collect()
    }

    #[test]
    fn a_beat_asks_eight_canaries_two_probes_and_the_sampler_for_few_tokens() {
        let suite = Suite::builtin();
        let questions = asking(true, true, true).fingerprint(&suite);
        assert_eq!(questions.len(), 11);
        assert_eq!(names(&questions)[8..], ["p0", "p1", SAMPLER]);
        assert!(questions.iter().map(|question| question.max_tokens).sum::<u32>() <= 40);
        assert!(questions[..10].iter().all(|question| question.logprobs == Logprobs::Model));
        assert_eq!(names(&asking(true, true, true).long(&suite)), ["lc1", "lc2", "lc3", "p2", "p3"]);
    }

    #[test]
    fn a_server_is_not_asked_for_what_it_cannot_tell() {
        let questions = asking(false, false, false).fingerprint(&Suite::builtin());
        assert_eq!(questions.len(), 8);
        assert!(questions.iter().all(|question| question.logprobs == Logprobs::None));
    }

    #[test]
    fn a_graded_answer_is_streamed_so_that_its_first_token_can_be_timed() {
        let suite = Suite::builtin();
        let question = asking(true, true, true).graded(&suite.canaries[0], Sampling::Greedy);
        assert!(question.stream && question.part == Part::Graded && question.logprobs == Logprobs::None);
    }
}
