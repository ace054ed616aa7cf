//! What a canary asks and what came back: the words that asking, checking, drift and store share.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Generation;

mod facts;
mod token;

pub use facts::{DATED, Fact, Facts};
pub use token::{Position, Token};

/// The most alternatives that are asked for at a position. Servers give 20 at the most.
pub const TOP: usize = 20;

/// One thing to ask a model. What it does not say is left out of the request, so that the server's own default holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Whose answer it will be: the canary's name, or the probe's.
    pub canary: String,
    /// What its answer is for.
    pub part: Part,
    /// The text.
    pub prompt: Prompt,
    /// The most tokens of the answer.
    pub max_tokens: u32,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Whether the distribution is asked for, and which.
    pub logprobs: Logprobs,
    /// As a stream, so that the first token can be timed from outside.
    pub stream: bool,
    /// Whether the server may reuse what it has of this prompt. `None`: as it likes.
    pub cache: Option<bool>,
    /// How long the whole may take.
    pub timeout: Duration,
}

/// What an answer is for. A canary may be asked for several in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its first tokens, greedy, are compared with the baseline: canaries of the fingerprint, and raw probes.
    Fingerprint,
    /// The whole of it is held against the canary's checks, and timed.
    Graded,
    /// It shows the sampler's settings: of no canary, and named [`crate::suite::SAMPLER`].
    Sampler,
}

/// The text of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, through the server's chat template.
    Chat(Vec<Message>),
    /// A text as it is, without a template.
    Raw(String),
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sets the stage.
    System,
    /// Asks.
    User,
    /// Answers.
    Assistant,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Temperature 0: the likeliest. Penalties of the server still apply.
    Greedy,
    /// The server's own defaults, with this seed.
    Default {
        /// The seed.
        seed: u32,
    },
}

/// Which distribution is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logprobs {
    /// None.
    None,
    /// The model's own, before any sampler.
    Model,
    /// After the chain of samplers: shows its settings. Only llama.cpp's own API has it.
    Sampler,
}

/// What came back of one question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The question's canary.
    pub canary: String,
    /// The question's part.
    pub part: Part,
    /// The answer, or why there is none.
    pub result: Result<Reply, AskError>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its visible text; of an answer that is only compared, its thinking where that is all it says. Held in memory
    /// only, unless the config says that answers are stored.
    pub text: String,
    /// A position for each token, where the server tells distributions; else empty.
    pub positions: Vec<Position>,
    /// The first token's probabilities after the samplers, where they were asked for.
    pub sampler: Vec<(Token, f32)>,
    /// How it went: times, tokens, end.
    pub generation: Generation,
}

/// Ollama's `load_duration` above which it loaded the model, or waited until somebody had: 1 to 10 ms where it was
/// loaded, over a second where it was not.
const LOAD: Duration = Duration::from_millis(200);

impl Reply {
    /// Whether the server loaded the model for this answer, or waited for a load. Such an answer tells nothing of
    /// speed, and may mean that the question itself caused the load.
    pub fn waited_for_a_load(&self) -> bool {
        self.generation.told.load.is_some_and(|load| load > LOAD)
    }
}

/// Why a question got no answer that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The server could not be reached, broke off, or took too long: tells of the server, not of the model.
    #[error("{text}")]
    Unreachable {
        /// A reason of `HttpError::REASONS`.
        reason: &'static str,
        /// In words.
        text: String,
    },
    /// It refused with this HTTP status.
    #[error("HTTP {status}: {text}")]
    Status {
        /// The status.
        status: u16,
        /// What it said, shortened.
        text: String,
    },
    /// It says that the prompt is longer than its context.
    #[error("the prompt is longer than the context: {text}")]
    TooLong {
        /// What it said, shortened.
        text: String,
    },
    /// A logarithm of a probability that is none: null, not a number, or positive, so that memory or weights are
    /// corrupt; or [`ABSENT`].
    #[error("a log probability is {found}")]
    BadLogprob {
        /// What stood there.
        found: String,
    },
    /// The answer has no token.
    #[error("the answer is empty")]
    Empty,
    /// The answer cannot be read as this server's.
    #[error("the answer cannot be read: {text}")]
    Malformed {
        /// What is wrong with it.
        text: String,
    },
    /// It asks for what this server cannot do.
    #[error("this server cannot be asked that: {text}")]
    Unsupported {
        /// What it cannot.
        text: String,
    },
}

/// What is found where a server that told log probabilities tells none: it is another one now, or something before it
/// takes them away.
pub const ABSENT: &str = "absent, though the server told them before";

impl AskError {
    /// Its word for labels and records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { reason, .. } => reason,
            Self::Status { .. } => "status",
            Self::TooLong { .. } => "too_long",
            Self::BadLogprob { .. } => "bad_logprob",
            Self::Empty => "empty",
            Self::Malformed { .. } => "malformed",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    /// Whether it tells of the model or its set-up, and not only of a server that is away or busy.
    pub const fn is_hard(&self) -> bool {
        match self {
            // 502 to 504 are gateways' words, and those of servers that load or are full.
            Self::Status { status, .. } => *status <= 501 && !matches!(*status, 401 | 403 | 408 | 429),
            Self::TooLong { .. } | Self::BadLogprob { .. } | Self::Empty => true,
            Self::Unreachable { .. } | Self::Malformed { .. } | Self::Unsupported { .. } => false,
        }
    }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The beat of the agent.
    Beat,
    /// The beat's long prompts, once an hour.
    Long,
    /// To learn what the model does while all is well.
    Capture,
    /// To look again at what just moved.
    Confirm,
    /// A person asked.
    Manual,
}

/// One pass over canaries and probes of one model.
#[derive(Debug, Clone)]
pub struct Run {
    /// The target.
    pub target: String,
    /// The model, as the target's inventory spells it.
    pub model: String,
    /// When it began.
    pub at: Timestamp,
    /// What for.
    pub purpose: Purpose,
    /// [`crate::suite::Suite::hash`] of what was asked.
    pub suite: String,
    /// What the server told of itself and the model, read just before.
    pub facts: Facts,
    /// Whether nobody else used the server meanwhile, as far as can be seen. `None`: not known.
    pub idle: Option<bool>,
    /// Questions at once.
    pub concurrency: u8,
    /// The answers, in the order in which they were asked.
    pub answers: Vec<Answer>,
}
