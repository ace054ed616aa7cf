//! A generation: one prompt in, one answer out, timed from outside. What a tapped client got, what a canary
//! asked, or what a server's log told of one.
//!
//! Every time counts from the moment at which the request was wholly handed to the server, on a monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use super::MeterFault;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// One prompt in, one answer out. `None` means "it was not told", never zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// What was spoken.
    pub dialect: Dialect,
    /// The model that was asked for, or the one that the answer names where the request names none; as the
    /// wire spells it, at most 256 bytes. A client can send any name: see `fleet` for what becomes a label.
    pub model: Option<String>,
    /// Whether the answer came as a stream; of a request that failed or got none, whether it asked for one.
    /// `None`: that is not known, as in a log.
    pub streamed: Option<bool>,
    /// How it ended.
    pub end: End,
    /// Why the server stopped generating, as it says.
    pub finish: Option<Finish>,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// The answer was cut short or the prompt was: by which limit.
    pub truncated: Option<Truncation>,
    /// To the last byte of the answer.
    pub duration: Duration,
    /// To the first piece of the answer that carries generated text of any kind (an answer, reasoning, a tool
    /// call). Of streams alone.
    pub time_to_first_token: Option<Duration>,
    /// To the first piece that carries visible answer text: later than the first token where the model reasons.
    pub time_to_first_answer: Option<Duration>,
    /// (last token − first token) / (output tokens − 1), with at least two tokens. Of streams alone.
    pub time_per_output_token: Option<Duration>,
    /// Pieces that carry generated text, as whoever carried the answer counted them. Of streams alone.
    pub pieces: u64,
    /// Between successive reads with such pieces: those that came in one share it.
    pub gaps: Gaps,
    /// Tokens in and out.
    pub tokens: Tokens,
    /// What the server says of its own times.
    pub told: ServerTimes,
    /// The trace that the client says this is part of: 32 hex digits out of `traceparent`.
    pub trace_id: Option<Arc<str>>,
    /// The client's name, as the config gives it.
    pub client: Option<Arc<str>>,
    /// What the tap itself added: from bytes read to the same bytes written, request and first token together.
    pub added: Option<Duration>,
    /// Why it was not measured to its end, if it was not: then what is told here is what was seen until then.
    pub fault: Option<MeterFault>,
    /// These are only the tokens and times that a server told of one request, and cannot be said of which: it is
    /// told by another of these, without them. To be counted as tokens, not as a request.
    pub loose: bool,
}

impl Generation {
    /// One of which nothing is known but what was spoken, how it ended and how long it took.
    pub fn new(dialect: Dialect, end: End, duration: Duration) -> Generation {
        Generation {
            dialect,
            model: None,
            streamed: None,
            end,
            finish: None,
            status: None,
            truncated: None,
            duration,
            time_to_first_token: None,
            time_to_first_answer: None,
            time_per_output_token: None,
            pieces: 0,
            gaps: Gaps::default(),
            tokens: Tokens::default(),
            told: ServerTimes::default(),
            trace_id: None,
            client: None,
            added: None,
            fault: None,
            loose: false,
        }
    }
}

/// How a generation ended. Each has exactly one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The server said that the answer is whole.
    Complete,
    /// It is not whole, and the client did not leave.
    Failed(Failure),
    /// The client left before the answer was whole.
    Cancelled(Phase),
}

/// Why a generation failed: a closed set, fit for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The server refused the connection.
    Refused,
    /// There is no way to it: no route, no such name, no TLS.
    Unreachable,
    /// It did not accept the connection in time.
    ConnectTimeout,
    /// No answer began within the limit.
    FirstByteTimeout,
    /// An answer began and then nothing came for the limit.
    IdleTimeout,
    /// The connection broke before the answer ended.
    Reset,
    /// The answer ended without the sign that it is whole.
    CutShort,
    /// An error stood in the midst of an answer that began with success.
    StreamError,
    /// 429 or 503: the server takes no more.
    Overloaded,
    /// 401 or 403.
    Unauthorized,
    /// 404: no such model or path.
    NotFound,
    /// The prompt is longer than the context, as the server says.
    ContextExceeded,
    /// Any other 4xx.
    ClientError,
    /// Any other 5xx.
    ServerError,
    /// What came is no HTTP, or success with an error inside.
    Malformed,
    /// The agent stopped, and cut it.
    AgentStopped,
}

impl Failure {
    /// Whether the client asked for what it cannot have: the server did what it should.
    pub const fn is_clients(self) -> bool {
        matches!(self, Self::Unauthorized | Self::NotFound | Self::ContextExceeded | Self::ClientError)
    }

    /// Whether it is the agent's doing.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::AgentStopped)
    }

    /// Every reason.
    pub const ALL: [Failure; 16] = [
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::FirstByteTimeout,
        Self::IdleTimeout,
        Self::Reset,
        Self::CutShort,
        Self::StreamError,
        Self::Overloaded,
        Self::Unauthorized,
        Self::NotFound,
        Self::ContextExceeded,
        Self::ClientError,
        Self::ServerError,
        Self::Malformed,
        Self::AgentStopped,
    ];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Reset => "reset",
            Self::CutShort => "cut_short",
            Self::StreamError => "stream_error",
            Self::Overloaded => "overloaded",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::ContextExceeded => "context_exceeded",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Malformed => "malformed",
            Self::AgentStopped => "agent_stopped",
        }
    }
}

/// How far a generation was when its client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The server had not begun with it, as far as can be seen from outside.
    Queued,
    /// The server had it, and no token had come. Of servers that answer only with their first token this holds
    /// the time in their queue too.
    Prefill,
    /// Tokens had come.
    Decode,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 3] = [Self::Queued, Self::Prefill, Self::Decode];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }
}

/// Why a server stopped generating, in the words of OpenAI's `finish_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The model ended its answer, or a stop word came.
    Stop,
    /// A limit was reached.
    Length,
    /// It calls a tool.
    ToolCalls,
    /// A filter ended it.
    ContentFilter,
    /// Something else.
    Other,
}

/// By which limit something was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truncation {
    /// The most tokens that the request allows.
    Length,
    /// The context: prompt or answer did not fit.
    Context,
}

impl Truncation {
    /// Every cause.
    pub const ALL: [Truncation; 2] = [Self::Length, Self::Context];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Context => "context",
        }
    }
}

/// Tokens of one generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the whole prompt, the cached ones too.
    pub input: Option<u64>,
    /// The part of the prompt that came out of the cache.
    pub cached: Option<u64>,
    /// Generated: answer, reasoning and tool calls.
    pub output: Option<u64>,
    /// The part of them that is reasoning.
    pub reasoning: Option<u64>,
    /// `output` is our count of pieces, since the server tells none.
    pub output_estimated: bool,
}

/// What a server says of its own times in one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerTimes {
    /// Getting the model ready: near zero if it was loaded. Ollama's `load_duration`, which holds its
    /// scheduler's queue too.
    pub load: Option<Duration>,
    /// On the part of the prompt that was not cached.
    pub prompt: Option<Duration>,
    /// Tokens of the prompt processed in that time.
    pub prompt_tokens: Option<u64>,
    /// From the first token to the last.
    pub decode: Option<Duration>,
    /// Tokens generated in that time, the first included.
    pub decode_tokens: Option<u64>,
}

/// Upper bounds of the gaps' buckets, in seconds.
pub const GAP_BOUNDS: [f64; 15] =
    [0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// The gaps between pieces of one answer, counted by size: an answer may have any number of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gaps {
    /// How many were within each bound of [`GAP_BOUNDS`] and above the one before; last, those above all.
    pub counts: [u32; GAP_BOUNDS.len() + 1],
    /// All of them together, in seconds.
    pub sum_seconds: f64,
    /// The longest: a stall that the reader saw.
    pub longest: Duration,
}

impl Gaps {
    /// One more gap.
    pub fn add(&mut self, gap: Duration) {
        let seconds = gap.as_secs_f64();
        let at = GAP_BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[at] = self.counts[at].saturating_add(1);
        self.sum_seconds += seconds;
        self.longest = self.longest.max(gap);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_at_a_bound_is_within_it() {
        let mut gaps = Gaps::default();
        for millis in [0, 10, 11, 9000] {
            gaps.add(Duration::from_millis(millis));
        }
        assert_eq!((gaps.counts[0], gaps.counts[2], gaps.counts[3], gaps.counts[15]), (1, 1, 1, 1));
        assert_eq!((gaps.count(), gaps.longest), (4, Duration::from_secs(9)));
    }

    #[test]
    fn names_are_told_apart() {
        let names: std::collections::BTreeSet<_> =
            Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
        assert_eq!(names.len(), Dialect::ALL.len());
        let reasons: std::collections::BTreeSet<_> =
            Failure::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(reasons.len(), Failure::ALL.len());
    }
}
