//! Tokens as they are compared: never as text.

use serde::{Deserialize, Serialize};

/// A token: its number in the vocabulary where the server tells it, else a hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(u64);

/// Set in tokens that are hashes: no vocabulary is that large.
const HASHED: u64 = 1 << 63;

impl Token {
    /// By its number in the vocabulary.
    pub const fn of_id(id: u32) -> Token {
        Token(id as u64)
    }

    /// By its bytes: FNV-1a of 64 bits, the same in every version of the agent.
    pub fn of_bytes(bytes: &[u8]) -> Token {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Token(hash | HASHED)
    }
}

/// One position of an answer: which token came, and how likely it and the others were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The token that came.
    pub token: Token,
    /// Its natural log probability. `None`: the server told only the list.
    pub logprob: Option<f32>,
    /// The likeliest tokens with their natural log probabilities, the likeliest first; at most [`super::TOP`].
    pub top: Vec<(Token, f32)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_by_number_is_never_one_by_bytes() {
        assert_eq!(Token::of_bytes(b" the"), Token::of_bytes(b" the"));
        assert_ne!(Token::of_bytes(b" the"), Token::of_bytes(b"the"));
        let bytes: Vec<Token> = (0..=255).map(|byte| Token::of_bytes(&[byte])).collect();
        assert!((0..1000).map(Token::of_id).all(|token| !bytes.contains(&token)));
    }
}
