//! How a generation ended.

use serde::{Deserialize, Serialize};

/// How a generation ended. Each has exactly one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// The server said that the answer is whole.
    Complete,
    /// It is not whole, and the client did not leave.
    Failed(Failure),
    /// The client left before the answer was whole.
    Cancelled(Phase),
}

/// Why a generation failed: a closed set, fit for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
