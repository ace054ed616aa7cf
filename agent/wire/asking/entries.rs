//! Tokens with their probabilities, as the servers write them.

use serde_json::Value;

use crate::sample::{AskError, Position, TOP, Token};

/// Below this no server can tell one from another: a softmax in 32 bits ends at e^-104. llama.cpp writes -3.4e38 for
/// what cannot come, vLLM -9999.
const FLOOR: f64 = -104.0;

/// A log probability of 0 may come out of rounding a little above it; more than this is none.
const ROUNDING: f64 = 1e-3;

/// The most positions of one answer that are kept: no canary asks for as many.
const POSITIONS: usize = 4096;

/// What was told of one answer's tokens.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// A position for each token.
    pub(super) positions: Vec<Position>,
    /// The first token's probabilities after the samplers.
    pub(super) sampler: Vec<(Token, f32)>,
    /// Tokens of which something was told.
    seen: usize,
}

impl Entries {
    /// A list of tokens, each with `logprob` and `top_logprobs`, or with `prob` and `top_probs`.
    pub(super) fn list(&mut self, list: Option<&Value>) -> Result<(), AskError> {
        for entry in list.and_then(Value::as_array).into_iter().flatten() {
            self.seen += 1;
            if entry.get("prob").is_some() || entry.get("top_probs").is_some() {
                self.after_samplers(entry)?;
            } else if self.positions.len() < POSITIONS {
                let top = entry.get("top_logprobs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let top = top.iter().map(|one| Ok((token(one), logprob(one.get("logprob"))?)));
                self.push(token(entry), entry.get("logprob"), top.collect::<Result<_, _>>()?)?;
            }
        }
        Ok(())
    }

    /// OpenAI's older arrays, side by side: tokens, their log probabilities, and a map of the likeliest for each.
    pub(super) fn arrays(&mut self, logprobs: &Value) -> Result<(), AskError> {
        let array = |key: &str| logprobs.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let (tokens, own, tops) = (array("tokens"), array("token_logprobs"), array("top_logprobs"));
        for (at, text) in tokens.iter().enumerate().take(POSITIONS) {
            self.seen += 1;
            let top = tops.get(at).and_then(Value::as_object).into_iter().flatten();
            let top = top.map(|(text, value)| Ok((named(text), logprob(Some(value))?)));
            let top = top.collect::<Result<_, AskError>>()?;
            self.push(named(text.as_str().unwrap_or_default()), own.get(at), top)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        token: Token,
        own: Option<&Value>,
        mut top: Vec<(Token, f32)>,
    ) -> Result<(), AskError> {
        likeliest(&mut top);
        self.positions.push(Position { token, logprob: Some(logprob(own)?), top });
        Ok(())
    }

    /// Only the first token's list: which token came is chance, and so is what follows it.
    fn after_samplers(&mut self, entry: &Value) -> Result<(), AskError> {
        if self.seen > 1 {
            return Ok(());
        }
        for one in entry.get("top_probs").and_then(Value::as_array).into_iter().flatten() {
            let value = one.get("prob");
            let prob = value.and_then(Value::as_f64).filter(|prob| (0.0..=1.0 + ROUNDING).contains(prob));
            let prob = prob.ok_or_else(|| AskError::BadLogprob { found: found(value) })?;
            // What a sampler removed is not in the list on some builds, and with 0 on others.
            if prob > 0.0 {
                self.sampler.push((token(one), prob.min(1.0) as f32));
            }
        }
        likeliest(&mut self.sampler);
        Ok(())
    }
}

/// The likeliest first, each token once, no more than were asked for.
fn likeliest(list: &mut Vec<(Token, f32)>) {
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut seen = Vec::with_capacity(list.len().min(TOP));
    list.retain(|(token, _)| {
        let fresh = !seen.contains(token) && seen.len() < TOP;
        if fresh {
            seen.push(*token);
        }
        fresh
    });
}

fn logprob(value: Option<&Value>) -> Result<f32, AskError> {
    match value.and_then(Value::as_f64) {
        Some(value) if value <= ROUNDING => Ok(value.clamp(FLOOR, 0.0) as f32),
        _ => Err(AskError::BadLogprob { found: found(value) }),
    }
}

/// What stood in place of a probability, in a word.
fn found(value: Option<&Value>) -> String {
    match value {
        None => "missing".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) if matches!(text.as_str(), "NaN" | "Infinity") => text.clone(),
        Some(_) => "no number".into(),
    }
}

/// By its number where it is told, else by its bytes, else by its text.
fn token(entry: &Value) -> Token {
    if let Some(id) = entry.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()) {
        return Token::of_id(id);
    }
    let text = entry.get("token").and_then(Value::as_str).unwrap_or_default();
    let bytes = entry.get("bytes").and_then(Value::as_array).filter(|bytes| !bytes.is_empty());
    let bytes = bytes.map(|bytes| {
        let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
        bytes.iter().filter_map(byte).collect::<Vec<u8>>()
    });
    match (numbered(text), bytes) {
        (Some(token), _) => token,
        (None, Some(bytes)) => Token::of_bytes(&bytes),
        (None, None) => Token::of_bytes(text.as_bytes()),
    }
}

fn named(text: &str) -> Token {
    numbered(text).unwrap_or_else(|| Token::of_bytes(text.as_bytes()))
}

/// vLLM's way to tell numbers where OpenAI has texts.
fn numbered(text: &str) -> Option<Token> {
    text.strip_prefix("token_id:")?.parse().ok().map(Token::of_id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(list: &Value) -> Result<Entries, AskError> {
        let mut entries = Entries::default();
        entries.list(Some(list)).map(|()| entries)
    }

    #[test]
    fn a_token_is_known_by_its_number_then_its_bytes_then_its_text() {
        let list = json!([{ "id": 7, "token": "a", "bytes": [97], "logprob": -1.0, "top_logprobs": [
            { "id": 9, "token": "c", "logprob": -3.0 }, { "token": "b", "bytes": [98, 128], "logprob": -0.5 },
            { "token": "token_id:12", "bytes": [1], "logprob": -0.75 }, { "token": "d", "logprob": -4 },
            { "token": "again", "bytes": [98, 128], "logprob": -5 } ] }]);
        let position = read(&list).unwrap().positions.remove(0);
        assert_eq!((position.token, position.logprob), (Token::of_id(7), Some(-1.0)));
        let tokens: Vec<Token> = position.top.iter().map(|(token, _)| *token).collect();
        let bytes = [Token::of_bytes(&[98, 128]), Token::of_id(12), Token::of_id(9), Token::of_bytes(b"d")];
        assert_eq!(tokens, bytes, "the likeliest first, each once");
    }

    #[test]
    fn what_is_no_log_probability_is_told_as_that_and_the_least_ones_end_at_a_floor() {
        for (bad, word) in
            [(json!(null), "null"), (json!("NaN"), "NaN"), (json!(0.5), "0.5"), (json!("text"), "no number")]
        {
            let own = json!([{ "token": "a", "logprob": bad }]);
            let top =
                json!([{ "token": "a", "logprob": -1, "top_logprobs": [{ "token": "b", "logprob": bad }] }]);
            for list in [own, top] {
                assert_eq!(read(&list).unwrap_err(), AskError::BadLogprob { found: word.into() }, "{list}");
            }
        }
        let missing = read(&json!([{ "token": "a" }])).unwrap_err();
        assert_eq!(missing, AskError::BadLogprob { found: "missing".into() });
        for (value, kept) in [(1e-7, 0.0), (-3.4e38, -104.0), (-9999.0, -104.0), (-2.5, -2.5)] {
            let entries = read(&json!([{ "token": "a", "logprob": value }])).unwrap();
            assert_eq!(entries.positions[0].logprob, Some(kept), "{value}");
        }
    }

    #[test]
    fn of_the_samplers_only_the_first_tokens_list_counts_and_what_they_removed_does_not() {
        let list = json!([
            { "id": 1, "prob": 0.25, "top_probs": [{ "id": 2, "prob": 0.7 }, { "id": 1, "prob": 0.25 }, { "id": 3, "prob": 0 }] },
            { "id": 5, "prob": 1.0, "top_probs": [{ "id": 5, "prob": 1.0 }] }
        ]);
        let entries = read(&list).unwrap();
        assert_eq!(entries.sampler, [(Token::of_id(2), 0.7), (Token::of_id(1), 0.25)]);
        assert!(entries.positions.is_empty());
        let bad = json!([{ "prob": null, "top_probs": [{ "id": 2, "prob": null }] }]);
        assert_eq!(read(&bad).unwrap_err(), AskError::BadLogprob { found: "null".into() });
    }

    #[test]
    fn the_older_arrays_are_read_too() {
        let mut entries = Entries::default();
        let arrays = json!({ "tokens": ["token_id:5", " b"], "token_logprobs": [-0.1, -2.0],
            "top_logprobs": [{ "token_id:6": -3.0, "token_id:5": -0.1 }, null], "text_offset": [0, 1] });
        entries.arrays(&arrays).unwrap();
        assert_eq!(entries.positions[0].top, [(Token::of_id(5), -0.1), (Token::of_id(6), -3.0)]);
        assert_eq!(entries.positions[1].token, Token::of_bytes(b" b"));
        let null = json!({ "tokens": ["a"], "token_logprobs": [null] });
        assert!(matches!(Entries::default().arrays(&null), Err(AskError::BadLogprob { .. })));
    }
}
