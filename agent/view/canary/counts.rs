//! What is counted of canaries: closed sets, each a label's values.

use serde::{Deserialize, Serialize};

use super::CanaryView;
use crate::drift::{Severity, Stream};
use crate::sample::Fact;

/// Why a beat asked nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The server works for others, or reads a model into memory.
    Busy,
    /// The model is not in memory, and the config does not let a canary load it.
    NotLoaded,
    /// The server's model sleeps until somebody asks.
    Asleep,
    /// The server does not answer, or its last poll is too old.
    Unreachable,
    /// It is a time of the day in which nothing is asked.
    QuietHours,
    /// The tokens of this hour are spent.
    Budget,
    /// Nobody else used the model since the last run: a canary would be what keeps it in memory.
    Unused,
    /// A run made the server load the model anew: that must not happen twice.
    ReloadCaused,
    /// The server or the model cannot be asked.
    Unsupported,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// As it was, or the baseline learned from it.
    Ok,
    /// Farther off than the baseline's own spread.
    Exceed,
    /// Nothing in it could be judged.
    Error,
    /// Nothing was asked.
    Skipped,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Skip; 9] = [
        Self::Busy,
        Self::NotLoaded,
        Self::Asleep,
        Self::Unreachable,
        Self::QuietHours,
        Self::Budget,
        Self::Unused,
        Self::ReloadCaused,
        Self::Unsupported,
    ];

    /// Its name in labels and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NotLoaded => "not_loaded",
            Self::Asleep => "asleep",
            Self::Unreachable => "unreachable",
            Self::QuietHours => "quiet_hours",
            Self::Budget => "budget",
            Self::Unused => "unused",
            Self::ReloadCaused => "reload_caused",
            Self::Unsupported => "unsupported",
        }
    }
}

impl RunResult {
    /// Every result.
    pub const ALL: [RunResult; 4] = [Self::Ok, Self::Exceed, Self::Error, Self::Skipped];

    /// Its name in labels and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exceed => "exceed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// Whether an alarm of that stream can be that bad. A prompt that is counted otherwise or refused is a change of
/// behaviour at least; speed alone is never more, nor less, than a warning; quality that is lost is the worst there is.
pub const fn can_alarm(stream: Stream, severity: Severity) -> bool {
    match stream {
        Stream::Identity => !matches!(severity, Severity::Info),
        Stream::Performance => matches!(severity, Severity::Warning),
        Stream::Quality => matches!(severity, Severity::Critical),
        Stream::FingerprintFast | Stream::FingerprintSlow | Stream::Sampling => true,
    }
}

impl CanaryView {
    /// One more beat that asked nothing.
    pub fn count_skip(&mut self, reason: Skip) {
        add(&mut self.skips, reason.name().to_owned());
        self.count_run(RunResult::Skipped);
    }

    /// One more run that came to this.
    pub fn count_run(&mut self, result: RunResult) {
        add(&mut self.runs, result.name().to_owned());
    }

    /// One more alarm.
    pub fn count_alarm(&mut self, stream: Stream, severity: Severity) {
        add(&mut self.alarms, (stream, severity));
    }

    /// One more fact that is another now.
    pub fn count_change(&mut self, fact: Fact) {
        add(&mut self.changes, fact);
    }
}

fn add<K: PartialEq>(counts: &mut Vec<(K, u64)>, key: K) {
    match counts.iter_mut().find(|(one, _)| *one == key) {
        Some((_, count)) => *count += 1,
        None => counts.push((key, 1)),
    }
}
