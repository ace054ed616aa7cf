//! What is known of one target: its last sample, and what only several samples tell together
//! (totals, loads, states that need time).

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::canaries::Canaries;
use super::label::{label, line};
use super::traffic::{Traffic, World};
use super::vram::{Seen, Watch};
use super::warning_keys;
use crate::http::HttpError;
use crate::sample::{Note, ServerSample, ServerState};
use crate::servers::Target;

mod memory;
mod requests;
mod view;

use memory::Memory;

/// A sample older than this many beats is not shown as current.
const STALE_BEATS: u32 = 3;

/// Notes kept of one sample. Some stand once for each model, and a page is read by people.
const MAX_NOTES: usize = 20;

/// How many polls in a row must go without an answer of something that accepts, before it is
/// called hung: one may be a long load or a busy disk.
const STUCK_POLLS: u32 = 2;

/// What is known of one target.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    demo: bool,
    kind: Option<&'static str>,
    last: Option<Polled>,
    last_success_at: Option<Timestamp>,
    answered: Option<Instant>,
    added: Instant,
    state: Option<(ServerState, Timestamp)>,
    stuck_polls: u32,
    /// A whole list was seen, so that what is loaded and was not in it before is a load.
    listed: bool,
    models: BTreeMap<String, Memory>,
    vram: Watch,
    /// The one model of a server that answers to any name.
    only: Option<String>,
    pub(super) traffic: Traffic,
    pub(super) canaries: Canaries,
    /// The warnings that the last poll left, as [`Entry::warnings`] gives them.
    pub(super) warned: BTreeMap<String, Note>,
}

#[derive(Debug)]
struct Polled {
    at: Timestamp,
    when: Instant,
    took: Duration,
    result: Result<ServerSample, HttpError>,
    left_out: u64,
}

impl Entry {
    pub(super) fn new(target: Target, demo: bool) -> Entry {
        Entry {
            target,
            demo,
            kind: None,
            last: None,
            last_success_at: None,
            answered: None,
            added: Instant::now(),
            state: None,
            stuck_polls: 0,
            listed: false,
            models: BTreeMap::new(),
            vram: Watch::default(),
            only: None,
            traffic: Traffic::new(Instant::now()),
            canaries: Canaries::default(),
            warned: BTreeMap::new(),
        }
    }

    /// Another server is meant by its name from now on: only whoever sees the requests stays the same. What ended
    /// before is told by what was known of the old one.
    pub(super) fn replace(&mut self, target: &Target, demo: bool, world: &World<'_>) {
        self.settle(world);
        let new = Entry::new(target.clone(), demo);
        let traffic = std::mem::replace(&mut self.traffic, Traffic::new(Instant::now()));
        *self = Entry { traffic, ..new };
    }

    /// Its kind, by its answers, or else by its config.
    pub(super) fn kind(&self) -> Option<&'static str> {
        self.kind.or(self.target.kind.map(|kind| kind.name))
    }

    /// What the last poll saw loaded, and when.
    pub(super) fn loaded(&self) -> Option<(Instant, Vec<String>)> {
        let polled = self.last.as_ref()?;
        let sample = polled.result.as_ref().ok().filter(|sample| sample.unanswered.is_empty())?;
        let loaded = sample.models.iter().filter(|model| model.loaded == Some(true));
        Some((polled.when, loaded.map(|model| model.name.clone()).collect()))
    }

    /// The state that the last poll left it in.
    pub(super) fn state(&self) -> Option<ServerState> {
        self.state.map(|(state, _)| state)
    }

    /// The warnings of the last poll, each under what stays the same of it from poll to poll.
    pub(super) fn warnings(&self) -> BTreeMap<String, Note> {
        let sample = self.last.as_ref().and_then(|polled| polled.result.as_ref().ok());
        let notes = sample.into_iter().flat_map(|sample| &sample.notes).chain(self.vram.notes());
        warning_keys(notes.chain(&self.traffic.notes()))
    }

    /// Holds what the last poll told of memory on GPUs against what is known of those.
    pub(super) fn check_vram(&mut self, seen: Seen<'_>) {
        let sample = self.last.as_ref().and_then(|polled| polled.result.as_ref().ok());
        self.vram.take(&self.target.name, sample, seen);
    }

    /// Takes what came of a poll; says how many models were left out for the limit.
    pub(super) fn record(
        &mut self,
        result: Result<ServerSample, HttpError>,
        took: Duration,
        now: Instant,
        at: Timestamp,
        max_models: usize,
    ) -> u64 {
        let mut left_out = 0;
        let (result, state) = match result {
            Ok(mut sample) => {
                left_out = tidy(&mut sample, max_models);
                self.remember(&sample, now, !self.listed, max_models);
                self.see_only(&sample);
                self.listed |= sample.unanswered.is_empty();
                let state = self.state_of(&mut sample, now);
                self.kind = Some(sample.kind);
                self.last_success_at = Some(at);
                self.answered = Some(now);
                (Ok(sample), state)
            }
            Err(error) => {
                let silent = matches!(error, HttpError::Timeout(_));
                self.stuck_polls = if silent { self.stuck_polls + 1 } else { 0 };
                let hung = silent && self.stuck_polls >= STUCK_POLLS;
                if error == HttpError::Refused {
                    self.unload_all(now);
                }
                (Err(error), if hung { ServerState::Hung } else { ServerState::Down })
            }
        };
        if self.state.is_none_or(|(was, _)| was != state) {
            self.state = Some((state, at));
        }
        self.last = Some(Polled { at, when: now, took, result, left_out });
        left_out
    }

    /// How long the outcome of a poll is shown as current. A failure stands while the next poll
    /// waits for its answer, else a target that hangs would be now down, now unknown; and so does a
    /// success for as long as it took itself, since something in it may hang.
    fn current_for(&self, polled: &Polled) -> Duration {
        let beats = self.target.every * STALE_BEATS;
        if polled.result.is_ok() { beats + polled.took } else { beats + self.target.timeout * STALE_BEATS }
    }

    /// For how long it has not answered: `None` while it does.
    pub(super) fn silent_for(&self, now: Instant) -> Option<Duration> {
        match &self.last {
            Some(polled) if polled.result.is_ok() => None,
            _ => Some(now.saturating_duration_since(self.answered.unwrap_or(self.added))),
        }
    }

    fn remember(&mut self, sample: &ServerSample, now: Instant, first: bool, max_models: usize) {
        let mut present = HashSet::new();
        for model in &sample.models {
            present.insert(model.name.as_str());
            let memory = self.models.entry(model.name.clone()).or_insert_with(|| Memory::new(now));
            memory.take(model, now, first);
        }
        // A list that could not be had says nothing of what is loaded.
        if sample.unanswered.is_empty() {
            for (name, memory) in &mut self.models {
                if !present.contains(name.as_str()) {
                    memory.unload(now);
                }
            }
        }
        while self.models.len() > max_models * 2 {
            let oldest =
                self.models.iter().min_by_key(|(_, memory)| memory.seen).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.models.remove(&oldest);
        }
    }

    fn unload_all(&mut self, now: Instant) {
        for memory in self.models.values_mut() {
            memory.unload(now);
        }
    }

    fn state_of(&mut self, sample: &mut ServerSample, now: Instant) -> ServerState {
        if !sample.unanswered.is_empty() {
            self.stuck_polls += 1;
            if let Some(told) = sample.state {
                return told;
            }
            if self.stuck_polls >= STUCK_POLLS {
                return ServerState::Hung;
            }
            let was = self.state.map(|(state, _)| state).filter(|state| *state != ServerState::Down);
            return was.unwrap_or(ServerState::Loading);
        }
        self.stuck_polls = 0;
        let mut hung = false;
        for model in &mut sample.models {
            let still = self
                .models
                .get(&model.name)
                .filter(|_| model.slots_busy.unwrap_or(0) > 0 && model.progress.is_some());
            let still = still.map(|memory| now.saturating_duration_since(memory.moved));
            if let Some(still) = still.filter(|still| *still >= self.target.hung_after) {
                hung = true;
                model.state = Some(ServerState::Hung);
                sample.notes.push(Note::warning(
                    "no_progress",
                    format!(
                        "{}: requests are in flight, and no counter has moved for {} s",
                        model.name,
                        still.as_secs()
                    ),
                    Some("look at the server's log and its GPU; a restart of the server frees the requests"),
                ));
            }
        }
        let busy = sample.models.iter().any(|model| model.slots_busy.unwrap_or(0) > 0);
        match sample.state {
            _ if hung => ServerState::Hung,
            Some(told) => told,
            None if busy => ServerState::Busy,
            None => ServerState::Ready,
        }
    }
}

/// Makes a sample fit to be kept: names fit for labels, each once, loaded ones first, no more than
/// the limit. Says how many were left out.
fn tidy(sample: &mut ServerSample, max_models: usize) -> u64 {
    for model in &mut sample.models {
        model.name = label(&model.name);
    }
    sample.notes.truncate(MAX_NOTES);
    for note in &mut sample.notes {
        note.text = line(&note.text);
    }
    sample.models.sort_by(|a, b| (b.loaded, &a.name).cmp(&(a.loaded, &b.name)));
    let mut seen = HashSet::new();
    sample.models.retain(|model| seen.insert(model.name.clone()));
    let left_out = sample.models.len().saturating_sub(max_models);
    sample.models.truncate(max_models);
    sample.models.sort_by(|a, b| a.name.cmp(&b.name));
    left_out as u64
}
