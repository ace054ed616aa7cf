//! The words everything else is said in: what one look at a server or a GPU saw.
//!
//! `None` means "it did not say", never zero.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod canary;
mod generation;
mod gpu;
mod host;
mod named;
mod tap;

pub use canary::{
    ABSENT, Answer, AskError, DATED, Fact, Facts, Logprobs, Message, Part, Position, Prompt, Purpose,
    Question, Reply, Role, Run, Sampling, TOP, Token,
};
pub use generation::{
    Dialect, End, Failure, Finish, GAP_BOUNDS, Gaps, Generation, Phase, ServerTimes, Source, Tokens,
    Truncation,
};
pub use gpu::{
    CardFault, CardRef, Clock, EccErrors, FABRIC_STATES, Fan, GpuProcess, GpuSample, HangEvent, Mig,
    MigInstance, NvLinks, PcieLink, ProcessKind, RECOVERY_ACTIONS, Readings, THROTTLE_REASONS, XidEvent,
    XidSource,
};
pub use host::{
    CgroupSample, CpuSeconds, Disk, EnergySample, FolderSample, HostMemory, HostSample, PressureSample,
    Resource,
};
pub use named::is_called;
pub use tap::{MeterFault, Refusal};

/// What a server is doing, beyond up and down. One holds at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It answers, and is reading a model into memory.
    Loading,
    /// It answers and has nothing to do.
    Ready,
    /// It answers and works on at least one request.
    Busy,
    /// It answers; its model is unloaded until somebody asks (llama-server's `--sleep-idle-seconds`).
    Sleeping,
    /// Something answers, but no work moves: the port accepts and nobody reads, the health check is
    /// fine and nothing else is, or requests are in flight and no counter moves.
    Hung,
    /// It does not answer.
    Down,
}

impl ServerState {
    /// Every state, in the order of the metric's documentation.
    pub const ALL: [ServerState; 6] =
        [Self::Loading, Self::Ready, Self::Busy, Self::Sleeping, Self::Hung, Self::Down];

    /// The state's name in labels, JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Sleeping => "sleeping",
            Self::Hung => "hung",
            Self::Down => "down",
        }
    }
}

/// What one poll of a server saw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerSample {
    /// The kind that answered: the name of a row of `servers::KINDS` (or `demo`).
    pub kind: &'static str,
    /// The server's version as it says it, such as `0.34.0`.
    pub version: Option<String>,
    /// The build, where the server tells one beside the version (llama.cpp's `build_info`).
    pub build: Option<String>,
    /// What the server itself tells or shows of its state. `None`: the fleet decides between ready
    /// and busy by the slots.
    pub state: Option<ServerState>,
    /// Models on disk, loaded or not.
    pub models_installed: Option<u64>,
    /// The models it told of, installed and loaded.
    pub models: Vec<ModelSample>,
    /// Model processes that outlived the server which started them (Ollama only).
    pub orphans: Option<u32>,
    /// Endpoints that did not answer in time although the health check did, such as `/api/ps`.
    pub unanswered: Vec<&'static str>,
    /// What is missing or odd, why, and what to do about it.
    pub notes: Vec<Note>,
}

/// The name under which processes stand whose model no list names: it is still being loaded, or has been replaced. It
/// cannot be asked by that name.
pub const UNNAMED: &str = "other";

/// One model on a server, installed or loaded or both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelSample {
    /// The name as the server's own inventory spells it.
    pub name: String,
    /// Whether it is in memory now.
    pub loaded: Option<bool>,
    /// The model's own state where a server holds several (router mode, a loading child).
    pub state: Option<ServerState>,
    /// What identifies the weights: Ollama's manifest digest (hex).
    pub digest: Option<String>,
    /// Quantization as the server names it, such as `Q4_K_M`.
    pub quantization: Option<String>,
    /// Parameters as text, such as `8.0B`.
    pub parameters: Option<String>,
    /// File format, such as `gguf`.
    pub format: Option<String>,
    /// Architecture family, such as `llama`.
    pub family: Option<String>,
    /// Size on disk, in bytes.
    pub size_bytes: Option<u64>,
    /// Memory it takes loaded (weights, cache and buffers), in bytes.
    pub memory_bytes: Option<u64>,
    /// The part of that on GPUs, in bytes.
    pub vram_bytes: Option<u64>,
    /// Context allocated per request, in tokens.
    pub context_tokens: Option<u64>,
    /// Context it was trained for, in tokens.
    pub context_trained_tokens: Option<u64>,
    /// When the server will unload it, if nobody asks. `None` with `stays`: never.
    pub expires_at: Option<Timestamp>,
    /// It stays loaded for ever (Ollama's `keep_alive: -1`).
    pub stays: Option<bool>,
    /// Requests it can work on at once.
    pub slots: Option<u32>,
    /// Requests it works on.
    pub slots_busy: Option<u32>,
    /// Requests that wait for a slot.
    pub queue_depth: Option<u64>,
    /// The server's own totals, as raw as it tells them: they start anew with the process.
    pub counters: Totals,
    /// What counts: changes whenever the process that holds the counters is another one
    /// (`pid:starttime`). `None`: unknown, and a total that falls is the only sign of a restart.
    pub incarnation: Option<String>,
    /// A number that changes while work is being done: decode calls and tokens of the running
    /// requests. Stands still while `slots_busy` > 0: hung.
    pub progress: Option<f64>,
    /// The process that runs this model for the server (Ollama from 0.30 on).
    pub child: Option<ChildSample>,
}

/// Totals of one model: in a sample as its server tells them, from the start of the process on; in
/// the view as sums that only grow while the agent runs, whatever the processes do.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Requests finished.
    pub requests: Option<f64>,
    /// Prompt tokens processed, without those out of the cache.
    pub prompt_tokens: Option<f64>,
    /// Prompt tokens reused from the cache.
    pub cached_tokens: Option<f64>,
    /// Tokens generated.
    pub output_tokens: Option<f64>,
    /// Seconds spent on prompts.
    pub prompt_seconds: Option<f64>,
    /// Seconds spent generating.
    pub decode_seconds: Option<f64>,
    /// Tokens drafted by speculative decoding.
    pub draft_tokens: Option<f64>,
    /// Drafted tokens that were accepted.
    pub draft_accepted_tokens: Option<f64>,
}

/// The llama-server that an Ollama runs a model in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChildSample {
    /// Its process id. `None`: the model is listed, but no process runs it.
    pub pid: Option<u32>,
    /// Whether it answers.
    pub up: bool,
    /// Whether its `/metrics` is on (`LLAMA_ARG_ENDPOINT_METRICS=1` in Ollama's environment).
    pub metrics: Option<bool>,
}

/// Something a person should know: what is missing or odd, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// A short closed word to match on, such as `child_metrics_off`.
    pub code: String,
    /// Whether it asks for a person (`warning`) or only explains (`info`).
    pub level: NoteLevel,
    /// What was seen, in a sentence.
    pub text: String,
    /// What to do about it, in a sentence, where there is something to do.
    pub remedy: Option<String>,
}

/// How much a [`Note`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteLevel {
    /// Explains why something is missing.
    Info,
    /// Somebody should look.
    Warning,
}

impl Note {
    /// A note that only explains.
    pub fn info(code: &'static str, text: impl Into<String>, remedy: Option<&str>) -> Note {
        Note { code: code.into(), level: NoteLevel::Info, text: text.into(), remedy: remedy.map(Into::into) }
    }

    /// A note that asks for a person.
    pub fn warning(code: &'static str, text: impl Into<String>, remedy: Option<&str>) -> Note {
        Note {
            code: code.into(),
            level: NoteLevel::Warning,
            text: text.into(),
            remedy: remedy.map(Into::into),
        }
    }
}
