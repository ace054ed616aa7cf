//! The view: all that the outside sees, one plain document. `/metrics`, the status page, the JSON
//! and the command line are each a function of it. Pure.
//!
//! `null` is "not known", with the reason in a note or in the target's `reason`; never zero.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::sample::{ChildSample, GpuSample, Totals};
use crate::sample::{Note, NoteLevel, ServerState};

mod canary;
mod fit;
mod gpu;
mod health;
mod host;
mod kept;
mod merge;
mod room;
mod store;
mod traffic;

pub use canary::{CanaryView, MOST_RECENT, RecentRun, RunResult, Skip, can_alarm, words as canary_words};
pub use fit::{Fit, Unload, Verdict, fits};
pub use gpu::{
    BackendView, CardUser, CardView, EnergySource, GpusView, HangCount, LogView, StrayXids, TargetGpus,
    XidCount,
};
pub use health::Health;
pub use host::{
    CgroupSample, CpuSeconds, Disk, EnergyView, FolderSample, HostMemory, HostView, PressureSample, Resource,
};
pub use kept::{KeptTokens, KeptView};
pub use merge::merge;
pub use room::{PROCESS_BYTES, headroom};
pub use store::StoreView;
pub use traffic::words as traffic_words;
pub use traffic::{LogTailView, Quantiles, SloView, TapView, TrafficView};

/// Grows when a field changes its meaning or goes; a new field does not change it.
pub const SCHEMA_VERSION: u32 = 1;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// [`SCHEMA_VERSION`] of the agent that made it.
    pub schema_version: u32,
    /// When it was made.
    pub at: Timestamp,
    /// The agent itself.
    pub agent: AgentView,
    /// How servers are looked for, and what came of it.
    pub discovery: DiscoveryView,
    /// Every target, by name.
    pub targets: Vec<TargetView>,
    /// Every GPU, by index.
    pub gpus: GpusView,
    /// The machine that the agent runs on; one for each agent where several were asked. Empty until
    /// it was looked at.
    #[serde(default)]
    pub hosts: Vec<HostView>,
    /// The store of what outlives a restart. `None`: none is used.
    #[serde(default)]
    pub store: Option<StoreView>,
}

/// The agent itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Nothing here is real: `opsagent run --demo`.
    pub demo: bool,
    /// The config's file, where there is one.
    pub config_file: Option<String>,
    /// Whether the last reload was taken. True before the first.
    pub config_ok: bool,
    /// When the config in force was read.
    pub config_at: Timestamp,
    /// Why the last reload was refused, a line a fault.
    pub config_errors: Vec<String>,
}

/// How servers are looked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoveryView {
    /// Whether it looks at all.
    pub enabled: bool,
    /// When it last looked.
    pub last_scan_at: Option<Timestamp>,
    /// What it tried, an entry a place.
    pub tried: Vec<Tried>,
}

/// A place where a server might have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Where, such as `127.0.0.1:11434`.
    pub address: String,
    /// Why there, such as `default port of ollama` or `process llama-server, pid 812`.
    pub why: String,
    /// What came of it, such as `connection refused` or `is ollama`.
    pub outcome: String,
}

/// One target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Its kind; `unknown` until its answers told it.
    pub kind: String,
    /// Its address without user or secret.
    pub url: String,
    /// Found by itself, not named in the config.
    pub discovered: bool,
    /// Simulated.
    pub demo: bool,
    /// Whether the last poll was answered as this kind answers. `None`: not polled yet, or the
    /// last poll is too old to be called current.
    pub up: Option<bool>,
    /// What it is doing. `None`: as for `up`.
    pub state: Option<ServerState>,
    /// Since when it is in that state.
    pub state_since: Option<Timestamp>,
    /// Why it is not up: one of `HttpError::REASONS`.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub error: Option<String>,
    /// The version it says.
    pub version: Option<String>,
    /// The build it says.
    pub build: Option<String>,
    /// From one poll to the next, in seconds.
    pub every_seconds: f64,
    /// When it was last polled, whatever came of it.
    pub last_poll_at: Option<Timestamp>,
    /// When it was last polled with success.
    pub last_success_at: Option<Timestamp>,
    /// How long the last poll took, in seconds.
    pub poll_duration_seconds: Option<f64>,
    /// Models on disk.
    pub models_installed: Option<u64>,
    /// Model processes that outlived their server.
    pub orphans: Option<u32>,
    /// The models it told of. Empty when the last poll failed.
    pub models: Vec<ModelView>,
    /// Models it told of beyond the limit that is kept.
    pub models_left_out: u64,
    /// What its processes take of this machine's GPUs. `None`: not known, or not of this machine.
    pub gpus: Option<TargetGpus>,
    /// Its users' requests. `None`: nobody watches them (no tap, no log).
    #[serde(default)]
    pub traffic: Option<TrafficView>,
    /// Its canaries, by model. Empty: none are asked.
    #[serde(default)]
    pub canaries: Vec<CanaryView>,
    /// Totals that the store keeps over restarts. `None`: no store keeps them.
    #[serde(default)]
    pub kept: Option<KeptView>,
    /// What is missing or odd, why, and what to do.
    pub notes: Vec<Note>,
}

/// One model on a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its name as the server's inventory spells it, made fit for a label.
    pub name: String,
    /// Whether it is in memory now.
    pub loaded: Option<bool>,
    /// Its own state where the server holds several.
    pub state: Option<ServerState>,
    /// Digest of the weights' manifest.
    pub digest: Option<String>,
    /// Quantization.
    pub quantization: Option<String>,
    /// Parameters as text.
    pub parameters: Option<String>,
    /// File format.
    pub format: Option<String>,
    /// Architecture family.
    pub family: Option<String>,
    /// Size on disk, bytes.
    pub size_bytes: Option<u64>,
    /// Memory taken, bytes.
    pub memory_bytes: Option<u64>,
    /// The part of it on GPUs, bytes.
    pub vram_bytes: Option<u64>,
    /// `vram_bytes` / `memory_bytes`, 0..1.
    pub offload_ratio: Option<f64>,
    /// Context per request, tokens.
    pub context_tokens: Option<u64>,
    /// Context it was trained for, tokens.
    pub context_trained_tokens: Option<u64>,
    /// When it will be unloaded.
    pub expires_at: Option<Timestamp>,
    /// It stays loaded for ever.
    pub stays: Option<bool>,
    /// Requests it can work on at once.
    pub slots: Option<u32>,
    /// Requests it works on.
    pub slots_busy: Option<u32>,
    /// Requests that wait.
    pub queue_depth: Option<u64>,
    /// Loads seen since the agent started.
    pub loads: u64,
    /// Totals, kept over restarts of the server while the agent runs.
    pub totals: Totals,
    /// The process that runs it for the server.
    pub child: Option<ChildSample>,
}

impl TargetView {
    /// How this target fares, and how its models answer.
    pub fn health(&self) -> Health {
        match self.state {
            None => Health::Unknown,
            Some(ServerState::Down | ServerState::Hung) => Health::Critical,
            Some(_) => {
                let warns = self.notes.iter().any(|note| note.level == NoteLevel::Warning);
                let noted = if warns { Health::Warning } else { Health::Ok };
                self.drift().map_or(noted, |worst| worst.report.health().max(noted))
            }
        }
    }

    /// Its model that is worst off by its canaries, if any asks for a person.
    pub fn drift(&self) -> Option<&CanaryView> {
        let ill = self.canaries.iter().filter(|canary| canary.report.health() > Health::Ok);
        ill.min_by(|a, b| a.rank().cmp(&b.rank()))
    }

    /// Slots at work and slots in all, over its models; `None` where no model tells.
    pub fn slots(&self) -> Option<(u32, u32)> {
        let mut all = self.models.iter().filter_map(|model| Some((model.slots_busy?, model.slots?)));
        let first = all.next()?;
        Some(all.fold(first, |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))))
    }
}
