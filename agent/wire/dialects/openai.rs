//! OpenAI's chat, completions and embeddings, as all servers speak them, and llama.cpp's own paths, whose members
//! stand beside them. The end is a `finish_reason`, then `[DONE]` (which some leave out); llama.cpp's own end is
//! `stop: true`. An error may be followed by `[DONE]`.

use super::super::answer::{Document, Grammar, Told};
use super::super::place::Place;

/// OpenAI's chat, completions and embeddings; llama.cpp's own.
pub(in super::super) struct Openai;

impl Grammar for Openai {
    #[inline]
    fn member(parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, key) => root(key),
            (Place::Choices, b"delta" | b"message") => Place::Delta,
            (Place::Choices, b"text") => Place::Answer,
            (Place::Choices, b"finish_reason") => Place::Finish,
            (Place::Delta, b"content" | b"refusal") => Place::Answer,
            (Place::Delta, b"reasoning_content" | b"reasoning" | b"thinking") => Place::Reasoning,
            (Place::Delta, b"tool_calls") => Place::ToolCalls,
            (Place::Delta, b"function_call") => Place::Function,
            (Place::Stats, b"stop_reason") => Place::Finish,
            (Place::ModelInfo, b"context_length") => Place::ContextLength,
            _ => super::common(parent, key),
        }
    }

    #[inline]
    fn told(document: &Document) -> Told {
        // While llama-swap starts a model it invents chunks with reasoning, which name nothing.
        let real = document.named || document.answer || document.tool;
        Told {
            piece: real && (document.answer || document.reasoning || document.tool),
            visible: document.answer,
            end: document.done,
            error: document.error,
        }
    }
}

#[inline]
fn root(key: &[u8]) -> Place {
    match key {
        b"id" => Place::Id,
        b"object" => Place::Object,
        b"model" => Place::Model,
        b"choices" => Place::Choices,
        b"usage" => Place::Usage,
        b"timings" => Place::Timings,
        b"error" => Place::Error,
        // llama.cpp's own.
        b"content" => Place::Answer,
        b"stop" => Place::Done,
        b"stop_type" => Place::Finish,
        b"truncated" => Place::Truncated,
        b"tokens_predicted" => Place::Output,
        b"tokens_evaluated" => Place::Input,
        // LM Studio's.
        b"stats" => Place::Stats,
        b"model_info" => Place::ModelInfo,
        // An error of old vLLM and SGLang, which has no object of its own.
        b"message" => Place::ErrorText,
        _ => Place::Skip,
    }
}
