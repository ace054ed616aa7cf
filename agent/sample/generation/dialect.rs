//! Who saw a generation, and what was spoken.

use serde::{Deserialize, Serialize};

/// Who saw a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The tap, between a client and the server.
    Tap,
    /// A canary, which asked it itself.
    Canary,
    /// The server's own log.
    Log,
}

impl Source {
    /// Every source.
    pub const ALL: [Source; 3] = [Source::Tap, Source::Canary, Source::Log];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Canary => "canary",
            Self::Log => "log",
        }
    }
}

/// What is spoken: an API, and what is asked of it. Told by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// Ollama's `/api/generate`.
    OllamaGenerate,
    /// Ollama's `/api/chat`.
    OllamaChat,
    /// Ollama's `/api/embed` and `/api/embeddings`.
    OllamaEmbed,
    /// `/v1/chat/completions`, of whichever server; also `/api/v0/chat/completions` of LM Studio.
    OpenaiChat,
    /// `/v1/completions`.
    OpenaiCompletions,
    /// `/v1/responses`.
    OpenaiResponses,
    /// `/v1/embeddings`.
    OpenaiEmbeddings,
    /// llama.cpp's `/completion`.
    LlamaCppCompletion,
    /// llama.cpp's `/infill`.
    LlamaCppInfill,
    /// llama.cpp's `/embedding`.
    LlamaCppEmbedding,
    /// Anthropic's `/v1/messages`.
    AnthropicMessages,
    /// LM Studio's `/api/v1/chat`.
    LmStudioChat,
    /// An answer with text, of which a log tells no path.
    Unknown,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 13] = [
        Self::OllamaGenerate,
        Self::OllamaChat,
        Self::OllamaEmbed,
        Self::OpenaiChat,
        Self::OpenaiCompletions,
        Self::OpenaiResponses,
        Self::OpenaiEmbeddings,
        Self::LlamaCppCompletion,
        Self::LlamaCppInfill,
        Self::LlamaCppEmbedding,
        Self::AnthropicMessages,
        Self::LmStudioChat,
        Self::Unknown,
    ];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OllamaGenerate => "ollama_generate",
            Self::OllamaChat => "ollama_chat",
            Self::OllamaEmbed => "ollama_embed",
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiCompletions => "openai_completions",
            Self::OpenaiResponses => "openai_responses",
            Self::OpenaiEmbeddings => "openai_embeddings",
            Self::LlamaCppCompletion => "llama_cpp_completion",
            Self::LlamaCppInfill => "llama_cpp_infill",
            Self::LlamaCppEmbedding => "llama_cpp_embedding",
            Self::AnthropicMessages => "anthropic_messages",
            Self::LmStudioChat => "lm_studio_chat",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is Ollama's own.
    pub const fn is_ollama(self) -> bool {
        matches!(self, Self::OllamaGenerate | Self::OllamaChat | Self::OllamaEmbed)
    }

    /// Whether vectors are asked for, not text: such an answer has no tokens to time.
    pub const fn embeds(self) -> bool {
        matches!(self, Self::OllamaEmbed | Self::OpenaiEmbeddings | Self::LlamaCppEmbedding)
    }
}
