//! A text as it is compared where the server tells no probabilities: by hashes, so that what is stored is no text, and
//! by those of its beginnings, so that it can be told where two of them part.
//!
//! Where they part tells what kind of change it is. What is broken differs from the first tokens on; a change of
//! arithmetic alone shows late, where two tokens were nearly as likely.

use serde::{Deserialize, Serialize};

use crate::sample::Token;

/// Characters of a text whose beginnings are told apart: 16 tokens of most languages. Two texts that part after them
/// are said to part there.
const BEGINNINGS: usize = 96;

/// Characters of a token where the server does not count its tokens: usual for English.
const USUAL: f64 = 4.0;

/// A text as it is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// A hash of the whole.
    whole: Token,
    /// A hash of each beginning, of one character, two, and so on.
    beginnings: Vec<u32>,
    /// Characters of the whole.
    characters: usize,
    /// Tokens of the whole, as the server counts them. `None`: it does not.
    tokens: Option<u64>,
}

impl Text {
    /// Of an answer, and the count of its tokens where the server tells it.
    pub fn of(text: &str, tokens: Option<u64>) -> Text {
        let ends = text.char_indices().skip(1).map(|(at, _)| at).chain([text.len()]);
        let beginnings = ends.take(BEGINNINGS).map(|end| of_beginning(&text[..end])).collect();
        Text { whole: Token::of_bytes(text.as_bytes()), beginnings, characters: text.chars().count(), tokens }
    }

    /// Whether it is the same text.
    pub fn is(&self, other: &Text) -> bool {
        self.whole == other.whole
    }

    /// Characters that both begin with.
    pub(super) fn common(&self, other: &Text) -> usize {
        self.beginnings.iter().zip(&other.beginnings).take_while(|(one, other)| one == other).count()
    }

    /// About which token another text first differs at, from 0: characters that both begin with, by the mean length of
    /// this text's tokens. `None`: it is the same.
    pub(super) fn differs_at(&self, other: &Text) -> Option<usize> {
        let length = match self.tokens {
            Some(tokens) if tokens > 0 && self.characters > 0 => self.characters as f64 / tokens as f64,
            _ => USUAL,
        };
        (!self.is(other)).then(|| (self.common(other) as f64 / length) as usize)
    }
}

/// The upper half of a hash, in which all bits of the text are mixed.
fn of_beginning(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_about_which_token_two_texts_part_at() {
        let known = Text::of("The sea is wide and blue.", Some(8));
        assert_eq!(known.differs_at(&Text::of("The sea is wide and blue.", None)), None);
        assert_eq!(known.differs_at(&Text::of("A sea is wide and blue.", Some(8))), Some(0));
        // 11 characters in common, at 25 by 8 a token.
        assert_eq!(known.differs_at(&Text::of("The sea is deep.", Some(6))), Some(3));
        assert_eq!(known.differs_at(&Text::of("The sea is wide", Some(5))), Some(4), "one that ends sooner");
        let uncounted = Text::of("The sea is wide and blue.", None);
        assert_eq!(
            uncounted.differs_at(&Text::of("The sea is deep.", None)),
            Some(2),
            "4 characters a token"
        );
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let known = Text::of("Öl und Wärme", Some(6));
        assert_eq!(known.common(&Text::of("Öl und Wände", None)), 9);
        assert_eq!(known.differs_at(&Text::of("Öl und Wände", None)), Some(4));
    }

    #[test]
    fn a_text_of_any_length_takes_little_and_what_differs_late_is_another_all_the_same() {
        let long = "a ".repeat(100_000);
        let (one, other) = (Text::of(&long, None), Text::of(&format!("{long}!"), None));
        assert!(!one.is(&other) && one.beginnings.len() == BEGINNINGS);
        assert_eq!(one.differs_at(&other), Some(BEGINNINGS / 4));
        let empty = Text::of("", Some(0));
        assert_eq!((empty.differs_at(&one), empty.differs_at(&empty)), (Some(0), None));
    }

    #[test]
    fn it_outlives_a_restart() {
        let text = Text::of("The sea.", Some(3));
        let json = serde_json::to_string(&text).unwrap();
        assert!(!json.contains("sea"), "{json}");
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
    }
}
