//! How each server is asked one question, and how its answer is read: bodies out, replies in.
//!
//! The [`Meter`](super::Meter) measures the same bytes; it holds no text, so text and probabilities are read here,
//! out of the whole body, which the asker bounds.

mod body;
mod documents;
mod entries;
mod reading;
mod refusal;

pub use body::{DATE, Extras, Manner, SEED, Speaks, body, template_words};
pub use reading::{Heard, conclude};

use crate::sample::{AskError, Dialect, Logprobs, Prompt, Question};

/// A path that a question may be asked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// llama.cpp's `/completion`: texts as they are.
    LlamaCompletion,
    /// `/v1/chat/completions`, of whichever server.
    OpenaiChat,
    /// `/v1/completions`: texts as they are.
    OpenaiCompletions,
    /// Ollama's `/api/chat`.
    OllamaChat,
    /// Ollama's `/api/generate` with `raw`: texts as they are.
    OllamaGenerate,
}

impl Api {
    /// The one for this question on such a server.
    ///
    /// # Errors
    /// It asks for probabilities after the samplers, and only llama.cpp tells them.
    pub fn of(speaks: Speaks, question: &Question) -> Result<Api, AskError> {
        if question.logprobs == Logprobs::Sampler && speaks != Speaks::LlamaCpp {
            let text = "only llama.cpp tells probabilities after the samplers".to_owned();
            return Err(AskError::Unsupported { text });
        }
        Ok(match (&question.prompt, speaks) {
            (Prompt::Chat(_), Speaks::Ollama) => Self::OllamaChat,
            (Prompt::Raw(_), Speaks::Ollama) => Self::OllamaGenerate,
            (Prompt::Raw(_), Speaks::LlamaCpp) => Self::LlamaCompletion,
            (Prompt::Chat(_), _) => Self::OpenaiChat,
            (Prompt::Raw(_), _) => Self::OpenaiCompletions,
        })
    }

    /// Where it is, under the server's address.
    pub const fn path(self) -> &'static str {
        match self {
            Self::LlamaCompletion => "/completion",
            Self::OpenaiChat => "/v1/chat/completions",
            Self::OpenaiCompletions => "/v1/completions",
            Self::OllamaChat => "/api/chat",
            Self::OllamaGenerate => "/api/generate",
        }
    }

    /// What is spoken there.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::LlamaCompletion => Dialect::LlamaCppCompletion,
            Self::OpenaiChat => Dialect::OpenaiChat,
            Self::OpenaiCompletions => Dialect::OpenaiCompletions,
            Self::OllamaChat => Dialect::OllamaChat,
            Self::OllamaGenerate => Dialect::OllamaGenerate,
        }
    }
}
