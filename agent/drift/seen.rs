//! What came of showing a watch one run: what to write down, and what to ask next.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Alarm, Baseline, Change};

/// What came of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// How it compares.
    pub result: Judged,
    /// The run's KLD equivalent in nats; in text mode, `None`.
    pub kld: Option<f64>,
    /// Its distance for a picture of runs: the KLD equivalent, or in text mode the part of texts that are not known.
    pub distance: Option<f64>,
    /// What the caller should do next.
    pub wants: Wants,
    /// What happened, for the store's events. At most a few.
    pub events: Vec<Event>,
    /// A baseline that was made just now, to be kept for good under its number.
    pub made: Option<Baseline>,
}

/// How a run compares with the baseline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// As it was; or there is no baseline yet, and it was learned from.
    #[default]
    Ok,
    /// Farther off than the baseline's own spread.
    Exceed,
    /// Nothing in it could be judged.
    Error,
}

impl Judged {
    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exceed => "exceed",
            Self::Error => "error",
        }
    }
}

/// What the caller should do next, apart from its beat. It may be left undone: then the next beat tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wants {
    /// Nothing.
    #[default]
    Nothing,
    /// A fault that needs no statistics: the same canaries again after that time, as a run for confirmation. If it
    /// stands, it is an alarm at once.
    RepeatHard {
        /// After how long.
        after: Duration,
        /// Which canaries and probes.
        canaries: Vec<String>,
    },
    /// The fingerprint again, as runs for confirmation, each with another number of questions at once and the prompt
    /// cache used or not.
    Confirm {
        /// When each is due, from now.
        after: Vec<Duration>,
    },
    /// These graded canaries again, `times` each and with other seeds: one that always passed failed.
    BurstChecks {
        /// Which canaries.
        canaries: Vec<String>,
        /// How often each.
        times: u32,
    },
}

/// Something that happened: a row of the store's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// In a sentence.
    pub text: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The server tells another fact than before.
    Changed(Change),
    /// An alarm began.
    Raised(Alarm),
    /// An alarm ended by itself: the model answers as it did again.
    Resolved(Alarm),
    /// A baseline was made.
    BaselineMade {
        /// Its number.
        number: u32,
    },
    /// A person, or the policy for small announced changes, took what the model does now as the baseline.
    Accepted {
        /// Its number.
        number: u32,
    },
    /// A person went back to an earlier baseline.
    RolledBack {
        /// Its number.
        number: u32,
    },
    /// No baseline could be made of what was seen.
    Refused,
    /// Other canaries are asked than before: what of them is another is learned anew.
    OtherSuite,
}

impl What {
    /// Its name in the store.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Changed(_) => "changed",
            Self::Raised(_) => "raised",
            Self::Resolved(_) => "resolved",
            Self::BaselineMade { .. } => "baseline_made",
            Self::Accepted { .. } => "accepted",
            Self::RolledBack { .. } => "rolled_back",
            Self::Refused => "refused",
            Self::OtherSuite => "other_suite",
        }
    }
}
