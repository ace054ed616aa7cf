//! What is asked of a model, as questions to its server. Pure.

use std::time::Duration;

use super::asker::Abilities;
use crate::sample::{Logprobs, Part, Prompt, Question, Sampling};
use crate::suite::{Canary, DRAWN_TOKENS, FINGERPRINT_TOKENS, PROBE_TOKENS, SAMPLER, Suite, TEXT_TOKENS};

/// The seed of everything that is asked by a server's own defaults: the same each time, so that answers can be
/// compared.
pub const SEED: u32 = 20_260_713;

/// The seed of the text that is drawn. The first number that llama.cpp's generator makes of it is 0.997: such a draw
/// falls into the tail of any distribution, which temperature, top-p, top-k and min-p all cut otherwise.
const DRAWN_SEED: u32 = 1;

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
    /// what shows the sampler. Without what the server cannot be asked; where it tells texts alone, longer ones of
    /// prompts that are open.
    pub fn fingerprint(&self, suite: &Suite) -> Vec<Question> {
        let mut questions: Vec<Question> = if self.abilities.logprobs {
            let short = suite.canaries.iter().filter(|canary| canary.fingerprint && !canary.long);
            short.map(|canary| self.print(canary)).collect()
        } else {
            let text = |(name, prompt)| self.first_tokens(name, Part::Fingerprint, prompt, TEXT_TOKENS);
            suite.texts().into_iter().map(text).collect()
        };
        questions.extend(self.probes(suite, &["p0", "p1"]));
        questions.extend(self.sampler(suite));
        questions
    }

    /// What shows the sampler's settings: its probabilities; else a text that it draws, the same each time where
    /// the server holds to the seed. Where it does not, the baseline drops it.
    fn sampler(&self, suite: &Suite) -> Option<Question> {
        if self.abilities.sampler {
            let sampling = Sampling::Default { seed: SEED };
            let prompt = Some(Prompt::Raw(suite.sampler.clone())).filter(|_| !suite.sampler.is_empty())?;
            let question = self.first_tokens(SAMPLER, Part::Sampler, prompt, PROBE_TOKENS);
            return Some(Question { sampling, logprobs: Logprobs::Sampler, ..question });
        }
        let sampling = Sampling::Default { seed: DRAWN_SEED };
        let question = self.first_tokens(SAMPLER, Part::Sampler, suite.drawn()?, DRAWN_TOKENS);
        Some(Question { sampling, logprobs: Logprobs::None, ..question })
    }

    /// What is compared once an hour: the first tokens of long prompts. Whoever asks them, the server is to read them
    /// anew: of long prompts the numbers depend on what is reused.
    pub fn long(&self, suite: &Suite) -> Vec<Question> {
        let asking = Asking { cache: Some(false), ..*self };
        let long = suite.canaries.iter().filter(|canary| canary.long);
        let mut questions: Vec<Question> = long.map(|canary| asking.print(canary)).collect();
        questions.extend(asking.probes(suite, &["p2", "p3"]));
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
        let long = asking(true, true, true).long(&suite);
        assert_eq!(names(&long), ["lc1", "lc2", "lc3", "p2", "p3"]);
        assert!(
            long.iter().all(|question| question.cache == Some(false)),
            "whoever asks, they are read anew"
        );
    }

    #[test]
    fn a_server_that_tells_texts_alone_is_asked_for_open_ones_and_for_one_that_it_draws() {
        let questions = asking(false, true, false).fingerprint(&Suite::builtin());
        assert_eq!(names(&questions)[..2], ["op1", "op2"]);
        assert_eq!(names(&questions)[9..], ["op10", "p0", "p1", SAMPLER]);
        assert!(questions.iter().all(|question| question.logprobs == Logprobs::None));
        assert!(questions.iter().map(|question| question.max_tokens).sum::<u32>() <= 160);
        let drawn = &questions[12];
        assert_eq!((drawn.part, drawn.sampling), (Part::Sampler, Sampling::Default { seed: DRAWN_SEED }));
        assert_eq!(asking(false, false, false).fingerprint(&Suite::builtin()).len(), 11, "no raw probes");
    }

    #[test]
    fn a_server_that_tells_log_probabilities_and_not_its_sampler_draws_a_short_text() {
        let questions = asking(true, true, false).fingerprint(&Suite::builtin());
        assert_eq!(names(&questions)[8..], ["p0", "p1", SAMPLER]);
        assert_eq!((questions[10].logprobs, questions[10].max_tokens), (Logprobs::None, DRAWN_TOKENS));
        assert!(questions.iter().map(|question| question.max_tokens).sum::<u32>() <= 40);
    }

    #[test]
    fn a_graded_answer_is_streamed_so_that_its_first_token_can_be_timed() {
        let suite = Suite::builtin();
        let question = asking(true, true, true).graded(&suite.canaries[0], Sampling::Greedy);
        assert!(question.stream && question.part == Part::Graded && question.logprobs == Logprobs::None);
    }
}
