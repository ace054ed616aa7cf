//! What is asked besides where a server tells texts alone.
//!
//! A text tells of a change only where a token becomes another one. In an answer of one word, or in a form that the
//! prompt prescribes, hardly any can: a 4-bit K cache altered 5 of the 8 fingerprint canaries within 16 tokens, and 13 of
//! 14 prompts that leave all open; one word of the system prompt 3 of 8, and 12 of 14 (measured, SmolLM2-135M).

use super::{Canary, Suite};
use crate::sample::{Message, Prompt, Role};

/// Texts that are compared at each beat, where the server tells nothing else.
pub const TEXTS: usize = 10;

/// Tokens of each that are compared: ten of them, the drawn text and two probes are below 160 tokens.
pub const TEXT_TOKENS: u32 = 15;

/// Tokens of a text that is drawn with the server's own sampling: another temperature, top-p, top-k or repeat penalty
/// shows within the first two where all is open (measured), and 34 tokens of the fingerprint with these are 40.
pub const DRAWN_TOKENS: u32 = 6;

/// What is drawn, with a fixed seed: many first words are likely, so that any other choice among them shows.
pub(super) const DRAWN: &str = "Tell me a story about a fox.";

/// Prompts whose answers are open from the first token on. Their names are no canaries'.
pub const OPEN: [(&str, &str); TEXTS] = [
    ("op1", "Write a poem about rain."),
    ("op2", "Describe a busy market in the morning."),
    ("op3", "Give me advice for a long walk."),
    ("op4", "What would you do with a free day?"),
    ("op5", "Write a letter to an old friend."),
    ("op6", "Tell me something about bridges."),
    ("op7", "Describe a dream."),
    ("op8", "Write the first lines of a diary."),
    ("op9", "Tell me about a village by a river."),
    ("op10", "Write a recipe for a simple soup."),
];

pub(super) fn open() -> Vec<(&'static str, String)> {
    OPEN.into_iter().map(|(name, text)| (name, text.to_owned())).collect()
}

impl Suite {
    /// What is compared at each beat where the server tells texts alone: the config's own canaries of the fingerprint,
    /// and open prompts up to [`TEXTS`].
    pub fn texts(&self) -> Vec<(&str, Prompt)> {
        let own =
            |canary: &&Canary| !canary.long && !super::builtin::FINGERPRINT.contains(&canary.id.as_str());
        let mut all: Vec<(&str, Prompt)> = self
            .fingerprint()
            .filter(own)
            .map(|canary| (canary.id.as_str(), canary.prompt.clone()))
            .collect();
        let room = TEXTS.saturating_sub(all.len());
        all.extend(self.open.iter().take(room).map(|(name, text)| (*name, super::chat(text))));
        all
    }

    /// The prompt of which a text is drawn with the server's own sampling. `None`: none is.
    pub fn drawn(&self) -> Option<Prompt> {
        let message = |text: &String| Prompt::Chat(vec![Message { role: Role::User, text: text.clone() }]);
        Some(&self.drawn).filter(|text| !text.is_empty()).map(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::OWN;

    #[test]
    fn own_canaries_of_the_fingerprint_take_the_place_of_open_prompts() {
        let names = |suite: &Suite| -> Vec<String> {
            suite.texts().into_iter().map(|(name, _)| name.to_owned()).collect()
        };
        let mut suite = Suite::builtin();
        assert_eq!(names(&suite), OPEN.map(|(name, _)| name));
        suite.canaries.push(Canary {
            id: "mine".into(),
            category: OWN,
            prompt: crate::suite::chat("Say yes."),
            checks: Vec::new(),
            max_tokens: 8,
            fingerprint: true,
            long: false,
        });
        let with = names(&suite);
        assert_eq!((with.len(), with[0].as_str(), with[9].as_str()), (TEXTS, "mine", "op9"));
    }
}
