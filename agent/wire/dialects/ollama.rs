//! Ollama's own API: `/api/generate`, `/api/chat`, `/api/embed`. A line with `done: true` is the last one; a stream
//! that breaks ends with a line that has an `error`, or with none.

use super::super::answer::{Document, Grammar, Told};
use super::super::place::Place;

/// Ollama's own API.
pub(in super::super) struct Ollama;

impl Grammar for Ollama {
    #[inline]
    fn member(parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, key) => root(key),
            (Place::Delta, b"content") => Place::Answer,
            (Place::Delta, b"thinking") => Place::Reasoning,
            (Place::Delta, b"tool_calls") => Place::ToolCalls,
            _ => super::common(parent, key),
        }
    }

    #[inline]
    fn told(document: &Document) -> Told {
        Told {
            piece: document.answer || document.reasoning || document.tool,
            visible: document.answer,
            end: document.done,
            error: document.error,
        }
    }
}

#[inline]
fn root(key: &[u8]) -> Place {
    match key {
        b"model" => Place::Model,
        b"message" => Place::Delta,
        b"response" => Place::Answer,
        b"thinking" => Place::Reasoning,
        b"done" => Place::Done,
        b"done_reason" => Place::Finish,
        b"load_duration" => Place::LoadNanos,
        b"prompt_eval_count" => Place::Input,
        b"prompt_eval_cached_count" => Place::Cached,
        b"prompt_eval_duration" => Place::PromptNanos,
        b"eval_count" => Place::Output,
        b"eval_duration" => Place::DecodeNanos,
        b"error" => Place::Error,
        _ => Place::Skip,
    }
}
