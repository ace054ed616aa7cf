//! `[store]`: what outlives a restart, where, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::check::Check;
use super::error::quoted;
use super::read::{At, Section};
use crate::store::Retention;

/// Less would be deleted before anybody looks at it, and before a day can be compared with the one before.
const SHORTEST_KEPT: Duration = Duration::from_secs(86_400);

/// Where the store lies and how long it keeps what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorePlan {
    /// The file. `None`: `opsagent.db` in the state folder ([`crate::store::of_agent`]).
    pub path: Option<PathBuf>,
    /// How long what is kept.
    pub retention: Retention,
}

/// `[store]`, as typed.
#[derive(Default)]
pub(super) struct RawStore {
    path: Option<At<String>>,
    keep_runs: Option<At<String>>,
    keep_events: Option<At<String>>,
    keep_hourly: Option<At<String>>,
}

impl RawStore {
    pub(super) fn read(section: &mut Section<'_>) -> RawStore {
        RawStore {
            path: section.string("path"),
            keep_runs: section.duration("keep_runs"),
            keep_events: section.duration("keep_events"),
            keep_hourly: section.duration("keep_hourly"),
        }
    }
}

/// What it means. `answers`: how long the canaries' section keeps their text.
pub(super) fn plan(raw: &RawStore, answers: Option<Duration>, check: &mut Check<'_>) -> StorePlan {
    let default = Retention::default();
    let mut keep = |at: Option<&At<String>>, default: Duration| check.at_least(at, default, SHORTEST_KEPT);
    let retention = Retention {
        runs: keep(raw.keep_runs.as_ref(), default.runs),
        events: keep(raw.keep_events.as_ref(), default.events),
        hourly: keep(raw.keep_hourly.as_ref(), default.hourly),
        answers: answers.unwrap_or(default.answers),
    };
    StorePlan { path: raw.path.as_ref().and_then(|at| path(at, check)), retention }
}

fn path(at: &At<String>, check: &mut Check<'_>) -> Option<PathBuf> {
    let path = check.resolve(&at.value);
    if at.value.is_empty() || at.value.ends_with('/') || path.is_dir() {
        check.fault(at, format!("{} is no file, expected one such as opsagent.db", quoted(&at.value)));
        return None;
    }
    Some(path)
}
