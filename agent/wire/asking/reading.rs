//! A whole answer, read: text, probabilities, or why it cannot be judged.

use serde_json::Value;

use super::Api;
use super::documents::documents;
use super::entries::Entries;
use super::refusal::words;
use crate::sample::{AskError, End, Failure, Generation, Logprobs, Part, Question, Reply};

/// What came over the wire for one question.
#[derive(Debug)]
pub struct Heard<'a> {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
    /// The same, as the meter measured it.
    pub generation: Generation,
}

/// What the documents of an answer held.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    /// The text of the model's thinking.
    thought: String,
    entries: Entries,
}

/// The reply that these bytes are.
///
/// # Errors
/// It is none that can be judged: see [`AskError`].
pub fn conclude(api: Api, question: &Question, heard: Heard<'_>) -> Result<Reply, AskError> {
    let Heard { status, body, generation } = heard;
    if let Some(error) = refused(status, body, &generation) {
        return Err(error);
    }
    let mut reading = Reading::default();
    for document in documents(body).map_err(|text| AskError::Malformed { text })? {
        reading.take(api, &document)?;
    }
    let Reading { text, thought, entries } = reading;
    let nothing =
        text.is_empty() && thought.is_empty() && entries.positions.is_empty() && entries.sampler.is_empty();
    if nothing && generation.tokens.output.unwrap_or(0) == 0 {
        return Err(AskError::Empty);
    }
    if question.logprobs == Logprobs::Sampler && entries.sampler.is_empty() {
        let text = "it tells no probabilities after the samplers".into();
        return Err(AskError::Malformed { text });
    }
    // A model that thinks says nothing else in its first tokens: they are what is compared. What is graded is its answer.
    let text = if text.is_empty() && question.part != Part::Graded { thought } else { text };
    Ok(Reply { text, positions: entries.positions, sampler: entries.sampler, generation })
}

fn refused(status: u16, body: &[u8], generation: &Generation) -> Option<AskError> {
    let text = || words(body);
    match generation.end {
        End::Failed(Failure::ContextExceeded) => Some(AskError::TooLong { text: text() }),
        _ if !(200..300).contains(&status) => Some(AskError::Status { status, text: text() }),
        End::Complete => None,
        End::Failed(Failure::Malformed) => Some(AskError::Malformed { text: text() }),
        // It began with success, and its runner died or the connection went: of the server, not of the model.
        End::Failed(failure) => Some(broken(failure.name(), body)),
        End::Cancelled(_) => Some(broken("the answer was given up", body)),
    }
}

fn broken(how: &str, body: &[u8]) -> AskError {
    AskError::Unreachable { reason: "reset", text: format!("the answer broke off ({how}): {}", words(body)) }
}

impl Reading {
    fn take(&mut self, api: Api, document: &Value) -> Result<(), AskError> {
        let first = document.pointer("/choices/0");
        match api {
            Api::LlamaCompletion => {
                self.say(document.get("content"));
                self.entries.list(document.get("completion_probabilities"))
            }
            Api::OllamaGenerate => {
                self.say(document.get("response"));
                self.think(document.get("thinking"));
                self.entries.list(document.get("logprobs"))
            }
            Api::OllamaChat => {
                self.say(document.pointer("/message/content"));
                self.think(document.pointer("/message/thinking"));
                self.entries.list(document.get("logprobs"))
            }
            Api::OpenaiChat => {
                let Some(choice) = first else { return Ok(()) };
                for part in [choice.get("message"), choice.get("delta")].into_iter().flatten() {
                    self.say(part.get("content"));
                    self.think(part.get("reasoning_content").or_else(|| part.get("reasoning")));
                }
                self.entries.list(choice.pointer("/logprobs/content"))
            }
            Api::OpenaiCompletions => {
                let Some(choice) = first else { return Ok(()) };
                self.say(choice.get("text"));
                match choice.get("logprobs") {
                    // llama.cpp's has the form of a chat's.
                    Some(logprobs) if logprobs.get("content").is_some() => {
                        self.entries.list(logprobs.get("content"))
                    }
                    Some(logprobs) => self.entries.arrays(logprobs),
                    None => Ok(()),
                }
            }
        }
    }

    fn say(&mut self, text: Option<&Value>) {
        self.text.push_str(text.and_then(Value::as_str).unwrap_or_default());
    }

    fn think(&mut self, text: Option<&Value>) {
        self.thought.push_str(text.and_then(Value::as_str).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{Dialect, Prompt, Sampling};

    #[test]
    fn of_a_model_that_thinks_its_thoughts_are_compared_and_not_graded() {
        let body = br#"{"choices":[{"message":{"content":"","reasoning_content":"Okay, a fox."}}]}"#;
        let read = |part| {
            let question = Question {
                canary: "op1".into(),
                part,
                prompt: Prompt::Raw(String::new()),
                max_tokens: 4,
                sampling: Sampling::Greedy,
                logprobs: Logprobs::None,
                stream: false,
                cache: None,
                timeout: Duration::from_secs(1),
            };
            let generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(9));
            conclude(Api::OpenaiChat, &question, Heard { status: 200, body, generation }).unwrap().text
        };
        assert_eq!((read(Part::Fingerprint).as_str(), read(Part::Graded).as_str()), ("Okay, a fox.", ""));
        assert_eq!(read(Part::Sampler), "Okay, a fox.");
    }
}
