//! Where things stand in each dialect's answers, and which document of a stream is the last.
//!
//! Generated text is a string that is not empty in any of the places that models write to. A chunk with a role
//! alone, with empty text, with progress, with usage, or a ping is none.

#![allow(clippy::match_same_arms, reason = "a row for each place, in the order of the documents")]

mod anthropic;
mod lm_studio;
mod ollama;
mod openai;
mod responses;

pub(super) use anthropic::Anthropic;
pub(super) use lm_studio::LmStudio;
pub(super) use ollama::Ollama;
pub(super) use openai::Openai;
pub(super) use responses::Responses;

use super::answer::{Document, Told};
use super::place::Place;
use super::words::Kind;

/// Members that stand alike in all dialects, once one is within their parent.
fn common(parent: Place, key: &[u8]) -> Place {
    match (parent, key) {
        (Place::Error, b"message" | b"type" | b"code") => Place::ErrorText,
        (Place::Usage, b"prompt_tokens" | b"input_tokens") => Place::Input,
        (Place::Usage, b"completion_tokens" | b"output_tokens") => Place::Output,
        (Place::Usage, b"prompt_tokens_details" | b"input_tokens_details") => Place::InputDetails,
        (Place::Usage, b"completion_tokens_details" | b"output_tokens_details") => Place::OutputDetails,
        (Place::InputDetails, b"cached_tokens") => Place::Cached,
        (Place::OutputDetails, b"reasoning_tokens") => Place::OutputReasoning,
        (Place::Timings, b"cache_n") => Place::TimedCached,
        (Place::Timings, b"prompt_n") => Place::TimedPrompt,
        (Place::Timings, b"prompt_ms") => Place::TimedPromptMillis,
        (Place::Timings, b"predicted_n") => Place::TimedOutput,
        (Place::Timings, b"predicted_ms") => Place::TimedOutputMillis,
        (Place::ToolCalls, b"function" | b"custom") => Place::Function,
        (Place::Function, b"name" | b"arguments" | b"input") => Place::Tool,
        _ => Place::Skip,
    }
}

/// What an event of a known kind was, in the dialects whose events say what they are.
fn told_by_kind(document: &Document) -> Told {
    let kind = if document.piece { document.kind } else { Kind::Other };
    Told {
        piece: matches!(kind, Kind::Answer | Kind::Reasoning | Kind::Tool),
        visible: kind == Kind::Answer,
        end: document.kind == Kind::End,
        error: document.error || document.kind == Kind::Error,
    }
}
