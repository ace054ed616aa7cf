//! What drift says: the words that store, view, metrics and command line share.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sample::Fact;

/// What holds of a model now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The baseline is being captured: nothing can be compared yet.
    #[default]
    Learning,
    /// It answers as it did.
    Steady,
    /// Something moved; not enough to be sure.
    Suspect,
    /// It answers otherwise than it did: an alarm holds.
    Drifting,
    /// It gives no answer that could be judged, several runs in a row.
    Failing,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The numbers moved, the answers did not.
    Info,
    /// The behaviour changed.
    Warning,
    /// Quality is lost.
    Critical,
}

/// What is watched apart, each with its own share of the false alarms that are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Facts that the server tells: an event, no test. And what it does with known prompts (cut, refused, counted
    /// otherwise): an alarm at once where it stands.
    Identity,
    /// The distance of a run to the known states of the baseline.
    FingerprintFast,
    /// The same over medians of runs: finds less, later, on a noisy server.
    FingerprintSlow,
    /// Checks that the baseline passed.
    Quality,
    /// The defaults by which tokens are chosen.
    Sampling,
    /// Speed while nobody else used the server.
    Performance,
}

/// What most likely happened: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Other weights, an adapter, or kernels that compute otherwise.
    Weights,
    /// The cache's type, RoPE, or the attention kernel.
    AttentionPath,
    /// The chat template or the system prompt.
    Template,
    /// The defaults by which tokens are chosen.
    Sampling,
    /// The context is smaller, or prompts are cut.
    Context,
    /// Numbers that are none.
    Corruption,
    /// Long prompts are cut into other pieces.
    Chunking,
    /// None of these alone explains it.
    Unknown,
}

/// Which part of a run a distance is of: a value of the label `probe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// One raw token, at position 0.
    P0,
    /// A few raw tokens.
    P1,
    /// Long prompts.
    Long,
    /// Chat canaries at temperature 0.
    Chat,
    /// What shows the sampler's settings.
    Sampling,
}

macro_rules! names {
    ($type:ident [$($variant:ident $name:literal),* $(,)?]) => {
        impl $type {
            /// All of them.
            pub const ALL: &[$type] = &[$($type::$variant),*];

            /// Its name in labels, JSON and tables.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }
        }
    };
}

names!(Verdict [Learning "learning", Steady "steady", Suspect "suspect", Drifting "drifting", Failing "failing"]);
names!(Severity [Info "info", Warning "warning", Critical "critical"]);
names!(Stream [
    Identity "identity", FingerprintFast "fingerprint_fast", FingerprintSlow "fingerprint_slow", Quality "quality",
    Sampling "sampling", Performance "performance",
]);
names!(Cause [
    Weights "weights", AttentionPath "attention_path", Template "template", Sampling "sampling", Context "context",
    Corruption "corruption", Chunking "chunking", Unknown "unknown",
]);
names!(Probe [P0 "p0", P1 "p1", Long "long", Chat "chat", Sampling "sampling"]);

/// All that drift says of one model on one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What holds.
    pub verdict: Verdict,
    /// How bad, while an alarm holds.
    pub severity: Option<Severity>,
    /// What most likely happened, while an alarm holds or something moved.
    pub cause: Option<Cause>,
    /// Since when the verdict holds.
    pub since: Option<Timestamp>,
    /// The alarms that hold.
    pub alarms: Vec<Alarm>,
    /// How much evidence each stream has.
    pub streams: Vec<StreamState>,
    /// Mean distance to the known states by probe, in nats, each as it was last asked. Absent: never, or not comparable.
    pub distances: Vec<(Probe, f64)>,
    /// The KLD equivalent of the last run that asked the short canaries, in nats. `None`: no log probabilities.
    pub kld: Option<f64>,
    /// The lower end of the interval in which that lies in 95 of 100 cases, by how far the canaries differ among each
    /// other: a few canaries leave much open. `None`: there is but one, or no KLD.
    pub kld_low: Option<f64>,
    /// Its upper end.
    pub kld_high: Option<f64>,
    /// Chat canaries whose greedy text is one of the known, of all asked, 0..1.
    pub text_match_ratio: Option<f64>,
    /// Canaries whose text first differs where the baseline was sure.
    pub confident_flips: Option<u32>,
    /// Median token at which texts first differ, from 0.
    pub first_difference: Option<u32>,
    /// Chat canaries whose count of prompt tokens is not the baseline's, and those compared.
    pub prompt_tokens_moved: Option<(u32, u32)>,
    /// Passed checks by category, of the last time that each was asked.
    pub categories: Vec<CategoryResult>,
    /// Prompts that should be refused, and that were.
    pub refused_harmful: Option<Proportion>,
    /// Prompts that should be answered, and that were refused.
    pub refused_harmless: Option<Proportion>,
    /// Checks that the baseline always passed and that fail now.
    pub lost: Vec<CheckLost>,
    /// Facts that differ from the baseline's.
    pub changes: Vec<Change>,
    /// Runs compared with the baseline, and those of them that exceeded it.
    pub runs: u64,
    /// Of those.
    pub exceeding: u64,
    /// The baseline in force.
    pub baseline: Option<BaselineInfo>,
    /// How far a baseline that is being captured is.
    pub learning: Option<Learning>,
    /// What is asked and cannot be watched, since it fails or is too unsteady: a sentence for each reason.
    pub unwatched: Vec<String>,
    /// The model's chat template prints today's date, so that only prompts without a template are compared.
    pub dated: bool,
    /// What a change would take to be found, from now; and what would not be found.
    pub capabilities: Vec<Capability>,
    /// What a person reads: what moved, what most likely caused it, what is not the cause, what to do. A line each.
    pub words: Vec<String>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The stream that raised it.
    pub stream: Stream,
    /// When.
    pub at: Timestamp,
    /// How bad it was then.
    pub severity: Severity,
    /// What it was put down to then.
    pub cause: Cause,
    /// Runs from the first that exceeded to the alarm.
    pub runs: u64,
}

/// How much evidence a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StreamState {
    /// Which.
    pub stream: Stream,
    /// ln M; while its alarm holds, not below the threshold.
    pub evidence: f64,
    /// ln A: an alarm at and above it.
    pub threshold: f64,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// How many.
    pub of: u64,
    /// Of how many.
    pub all: u64,
    /// Wilson's interval at 95 %, 0..1.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How a category of checks fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryResult {
    /// Its name.
    pub category: String,
    /// Canaries passed.
    pub passed: Proportion,
    /// The same in the baseline. `None`: there is none.
    pub baseline: Option<Proportion>,
}

/// A check that the baseline always passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLost {
    /// The canary.
    pub canary: String,
    /// Its category.
    pub category: String,
    /// Why it fails, in words that quote nothing of an answer.
    pub why: String,
}

/// A fact that is another now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub fact: Fact,
    /// What it was. `None`: not told then.
    pub from: Option<String>,
    /// What it is. `None`: not told now.
    pub to: Option<String>,
    /// When it was first seen.
    pub at: Timestamp,
}

/// A baseline, in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineInfo {
    /// Its number for this target and model, from 1.
    pub number: u32,
    /// When its last run was.
    pub at: Timestamp,
    /// Runs in it.
    pub runs: u64,
    /// Numeric states known, over all canaries and probes.
    pub states: u64,
    /// Canaries of the fingerprint that were kept.
    pub canaries: u32,
    /// Checks that were stable enough to be watched.
    pub checks: u32,
    /// Upper bound of the rate of runs that exceed although nothing changed, 0..1.
    pub exceedance_bound: f64,
    /// Whether the model was found to compute the same numbers each time.
    pub deterministic: bool,
    /// The server tells no log probabilities: texts are compared.
    pub text_mode: bool,
    /// Whether the server was busy on purpose in a part of its runs.
    pub under_load: bool,
}

/// How far a baseline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learning {
    /// Runs taken.
    pub runs: u64,
    /// Runs of the next baseline.
    pub next: u64,
    /// Runs of a full one.
    pub full: u64,
}

/// What a kind of change takes to be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// The kind of change, in words.
    pub change: String,
    /// Runs to the alarm. `None`: it is not found yet, or never is.
    pub runs: Option<u64>,
    /// Why not, or until when.
    pub note: Option<String>,
}
