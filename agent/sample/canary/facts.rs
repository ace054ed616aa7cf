//! What a server tells of a model and its set-up, apart from its answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of fact. Each is a value of the label `fact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// What identifies the weights: Ollama's digest, else file, size and shape of the model.
    Digest,
    /// The quantization.
    Quantization,
    /// The server's kind and version.
    Version,
    /// The chat template and the system prompt.
    Template,
    /// Tokens of context a request has.
    Context,
    /// The defaults by which tokens are chosen.
    Sampling,
    /// Adapters (LoRA) and their weight.
    Adapter,
}

impl Fact {
    /// Every kind.
    pub const ALL: [Fact; 7] = [
        Self::Digest,
        Self::Quantization,
        Self::Version,
        Self::Template,
        Self::Context,
        Self::Sampling,
        Self::Adapter,
    ];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Quantization => "quantization",
            Self::Version => "version",
            Self::Template => "template",
            Self::Context => "context",
            Self::Sampling => "sampling",
            Self::Adapter => "adapter",
        }
    }
}

/// A note: the chat template puts today's date into each prompt, and by what. See [`Facts::is_dated`].
pub const DATED: &str = "date";

/// The facts that a server told. One it does not tell is absent: that is no change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Each fact as a short text that a person can compare, a long one as `sha256:…`.
    pub of: BTreeMap<Fact, String>,
    /// What helps to explain and is no part of the identity: GPU, driver.
    pub notes: BTreeMap<String, String>,
}

impl Facts {
    /// Whether the model's chat template puts today's date into each prompt: what is asked through it is another prompt
    /// tomorrow, so that its first tokens and its length say nothing of the model.
    pub fn is_dated(&self) -> bool {
        self.notes.contains_key(DATED)
    }
}
