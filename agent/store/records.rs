//! What is stored, as plain values. Whose JSON it is knows what it means; the store does not.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// A model on a target: what nearly all is keyed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// The target's name.
    pub target: String,
    /// The model, as the target's inventory spells it.
    pub model: String,
}

impl Key {
    /// A key.
    pub fn new(target: impl Into<String>, model: impl Into<String>) -> Key {
        Key { target: target.into(), model: model.into() }
    }
}

/// What a text was, to tell whether it was replaced since it was read: SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag([u8; 32]);

impl Tag {
    /// The tag of a text.
    pub fn of(text: &str) -> Tag {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut tag = [0; 32];
        tag.copy_from_slice(digest.as_ref());
        Tag(tag)
    }
}

/// A run that was done. Numbers that are none (NaN, infinite) are stored as absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunRecord {
    /// When it began.
    pub at: Timestamp,
    /// What for: a name of `sample::Purpose`.
    pub purpose: String,
    /// What came of it: `ok`, `exceed`, `error` or `skipped`.
    pub result: String,
    /// What held after it: a name of `drift::Verdict`.
    pub verdict: String,
    /// Mean distance to the baseline, in nats.
    pub distance: Option<f64>,
    /// KLD equivalent, in nats.
    pub kld: Option<f64>,
    /// Graded canaries that passed.
    pub passed: Option<u64>,
    /// Graded canaries.
    pub graded: Option<u64>,
    /// Tokens of the prompts.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answers.
    pub completion_tokens: Option<u64>,
    /// Median time to the first token, in seconds.
    pub ttft_seconds: Option<f64>,
    /// Median tokens a second.
    pub tokens_per_second: Option<f64>,
    /// The hash of what was asked.
    pub suite: String,
    /// All else, at most [`super::MOST_DETAILS`] bytes as text.
    pub details: Value,
    /// Canary and text of each answer, where the config says that answers are stored; else empty. Not read back with
    /// the run: see [`super::Db::answers`].
    #[serde(skip)]
    pub answers: Vec<(String, String)>,
}

/// A run as it lies in the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredRun {
    /// Its number: grows with each run, and none is given twice.
    pub id: i64,
    /// Whose it is.
    #[serde(flatten)]
    pub key: Key,
    /// What it was.
    #[serde(flatten)]
    pub run: RunRecord,
}

/// A baseline. Once stored it is never changed, nor deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaselineRecord {
    /// Its number for this key, from 1 without a gap.
    pub number: u32,
    /// When it was made.
    pub at: Timestamp,
    /// The hash of what was asked.
    pub suite: String,
    /// Runs in it.
    pub runs: u64,
    /// The whole, as JSON. Empty in lists.
    #[serde(skip)]
    pub json: String,
}

/// What is watched of a model: one text a key, replaced at each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRecord {
    /// When it was written.
    pub at: Timestamp,
    /// JSON.
    pub json: String,
    /// What to base the next one on.
    pub tag: Tag,
}

/// Something that happened: ready to be an annotation of a graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventRecord {
    /// When.
    pub at: Timestamp,
    /// The target.
    pub target: String,
    /// The model. `None`: it is the target's.
    pub model: Option<String>,
    /// A word of a small closed set, such as `identity`, `alarm`, `accepted`, `rollback`.
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// A sentence.
    pub words: String,
    /// All else, at most [`super::MOST_DETAILS`] bytes as text.
    pub details: Value,
}

/// An event as it lies in the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Its number: grows with each event, and none is given twice.
    pub id: i64,
    /// What it was.
    #[serde(flatten)]
    pub event: EventRecord,
}

/// A counter that goes on after a restart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// The target, or the UUID of a card.
    pub target: String,
    /// The model. `None`: the target's own.
    pub model: Option<String>,
    /// What is counted, with its unit, such as `energy_joules`.
    pub name: String,
    /// How much so far.
    pub value: f64,
}

/// What one hour held of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Hour {
    /// Its beginning.
    pub hour: Timestamp,
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// The last.
    pub last: f64,
}
