//! The places in requests and answers that somebody asks for, whichever the dialect.

/// What a value in a document is. The order matters: see [`Place::takes_text`] and [`Place::is_entered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Place {
    /// Nothing of interest.
    Skip,

    // Numbers, booleans, and strings of which only counts whether they are empty.
    /// Generated text for the reader's eyes.
    Answer,
    /// Generated text of the model's thinking.
    Reasoning,
    /// Generated text that calls a tool.
    Tool,
    /// Generated text of which the event's kind tells what it is.
    Piece,
    /// What a real chunk has and an invented one has not: its id.
    Id,
    /// `stream` of a request.
    Stream,
    /// The most tokens that a request allows.
    Limit,
    /// Ollama's `done`, llama.cpp's `stop`.
    Done,
    /// llama.cpp's `truncated`.
    Truncated,
    /// Tokens of the whole prompt.
    Input,
    /// Tokens of the prompt that are in no cache (Anthropic's count leaves them out).
    InputUncached,
    /// Tokens of the prompt out of a cache.
    Cached,
    /// Tokens of the prompt that were put into a cache, and are not in `InputUncached`.
    CacheWritten,
    /// Tokens generated.
    Output,
    /// The part of them that is reasoning.
    OutputReasoning,
    /// The length of the context that is in use.
    ContextLength,
    /// Ollama's `load_duration`, nanoseconds.
    LoadNanos,
    /// LM Studio's `model_load_time_seconds`.
    LoadSeconds,
    /// Ollama's `prompt_eval_duration`, nanoseconds.
    PromptNanos,
    /// Ollama's `eval_duration`, nanoseconds.
    DecodeNanos,
    /// llama.cpp's `timings.cache_n`.
    TimedCached,
    /// llama.cpp's `timings.prompt_n`.
    TimedPrompt,
    /// llama.cpp's `timings.prompt_ms`.
    TimedPromptMillis,
    /// llama.cpp's `timings.predicted_n`.
    TimedOutput,
    /// llama.cpp's `timings.predicted_ms`.
    TimedOutputMillis,

    // Short strings of which the text counts.
    /// A model's name.
    Model,
    /// An event's `type`.
    Kind,
    /// What the document calls itself: old vLLM and SGLang say `error`.
    Object,
    /// Why generating stopped.
    Finish,
    /// How a whole answer of OpenAI's Responses stands.
    Status,
    /// A part of an error.
    ErrorText,

    // Both: a string's text, or an object's members.
    /// An error, unless it is `null`.
    Error,

    // Objects and arrays that are read.
    /// The document.
    Root,
    /// OpenAI's `choices`.
    Choices,
    /// What one chunk adds: `delta`, `message`.
    Delta,
    /// `tool_calls`.
    ToolCalls,
    /// `function`.
    Function,
    /// `usage`.
    Usage,
    /// `prompt_tokens_details`, `input_tokens_details`.
    InputDetails,
    /// `completion_tokens_details`, `output_tokens_details`.
    OutputDetails,
    /// llama.cpp's `timings`.
    Timings,
    /// A whole answer within an event: `response`, `message`, `result`.
    Response,
    /// `incomplete_details`.
    Incomplete,
    /// LM Studio's `stats`.
    Stats,
    /// LM Studio's `model_info`.
    ModelInfo,
    /// Ollama's `options`.
    Options,
}

impl Place {
    /// Whether a string there is text that the model generated.
    #[inline]
    pub(super) fn is_text_of_the_model(self) -> bool {
        self >= Place::Answer && self <= Place::Piece
    }

    /// Whether the text of a string there is asked for.
    #[inline]
    pub(super) fn takes_text(self) -> bool {
        self >= Place::Model && self <= Place::Error
    }

    /// Whether members of an object or array there are asked for.
    #[inline]
    pub(super) fn is_entered(self) -> bool {
        self >= Place::Error
    }
}
