//! What a reader must know of a log to go on with it: what was read and waits to be told. Numbers and names of
//! models; no text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dates::Dates;
use super::join::Request;
use super::load::Loads;
use super::models::Models;
use super::tasks::{Key, Open, Tasks};
use super::{Clock, ServerLog, Speaker, Waiting};

/// Tasks under way that are kept: more than a server has slots. The rest are those whose end was never told.
const MOST_TASKS: usize = 128;

/// What was read of a log and is not told yet, to be kept together with how far it was read: then a restart loses
/// nothing and tells nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    speaker: Option<Speaker>,
    dates: Dates,
    models: Models,
    children: BTreeMap<u16, String>,
    tasks: Vec<(Key, Open)>,
    lines: u64,
    /// The reader's own clock at the last line.
    when: Duration,
    loads: Loads,
    cuts: u32,
    aborted: u32,
    requests: Vec<Request>,
    answers: Vec<Waiting>,
}

impl ServerLog {
    /// What waits now.
    pub fn kept(&self) -> Kept {
        let (requests, answers) = (self.requests.clone(), self.answers.clone());
        Kept {
            speaker: self.speaker,
            dates: self.dates.clone(),
            models: self.models.clone(),
            children: self.children.clone(),
            tasks: self.tasks.open(MOST_TASKS),
            lines: self.lines,
            when: self.heard,
            loads: self.loads.clone(),
            cuts: self.cuts,
            aborted: self.aborted,
            requests,
            answers,
        }
    }

    /// Goes on with a log of which that waits. What is known by other ways holds.
    pub fn go_on(&mut self, kept: Kept) {
        let polled = self.models.polled_now();
        *self = ServerLog {
            speaker: self.speaker.or(kept.speaker),
            dates: kept.dates,
            models: kept.models,
            children: kept.children,
            tasks: Tasks::of(kept.tasks),
            lines: kept.lines,
            settled: kept.lines,
            heard: kept.when,
            clock: Clock { last: None, when: kept.when },
            loads: kept.loads,
            cuts: kept.cuts,
            aborted: kept.aborted,
            requests: kept.requests,
            answers: kept.answers,
            ..ServerLog::default()
        };
        self.models.polled(polled);
    }
}
