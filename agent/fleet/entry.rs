//! What is known of one target: its last sample, and what only several samples tell together
//! (totals, loads, states that need time).

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::label;
use super::totals::Running;
use crate::http::HttpError;
use crate::sample::{ModelSample, Note, ServerSample, ServerState};
use crate::servers::Target;
use crate::view::{ChildView, ModelView, TargetView};

/// A sample older than this many beats is not shown as current.
const STALE_BEATS: u32 = 3;

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
    models: BTreeMap<String, Memory>,
}

#[derive(Debug)]
struct Polled {
    at: Timestamp,
    when: Instant,
    took: Duration,
    result: Result<ServerSample, HttpError>,
    left_out: u64,
}

/// What is remembered of a model from one sample to the next.
#[derive(Debug)]
struct Memory {
    running: Running,
    loads: u64,
    loaded: bool,
    process: Option<String>,
    progress: Option<f64>,
    moved: Instant,
    seen: Instant,
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
            models: BTreeMap::new(),
        }
    }

    /// The state that the last poll left it in.
    pub(super) fn state(&self) -> Option<ServerState> {
        self.state.map(|(state, _)| state)
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
                let first = self.last_success_at.is_none();
                self.remember(&sample, now, first, max_models);
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
                    self.unload_all();
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
    /// waits for its answer, else a target that hangs would be now down, now unknown.
    fn current_for(&self, success: bool) -> Duration {
        let beats = self.target.every * STALE_BEATS;
        if success { beats } else { beats + self.target.timeout * STALE_BEATS }
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
                    memory.loaded = false;
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

    fn unload_all(&mut self) {
        for memory in self.models.values_mut() {
            memory.loaded = false;
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

    pub(super) fn view(&self, now: Instant) -> TargetView {
        let fresh = self.last.as_ref().filter(|polled| {
            now.saturating_duration_since(polled.when) <= self.current_for(polled.result.is_ok())
        });
        let sample = fresh.and_then(|polled| polled.result.as_ref().ok());
        let error = fresh.and_then(|polled| polled.result.as_ref().err());
        let state = fresh.and(self.state);
        let mut notes = sample.map(|sample| sample.notes.clone()).unwrap_or_default();
        if self.last.is_some() && fresh.is_none() {
            notes.push(Note::warning(
                "poll_stale",
                "the last poll is too old to be shown as current",
                Some("the agent is overloaded or a poll hangs: see opsagent_poll_last_success_timestamp_seconds and the log"),
            ));
        }
        TargetView {
            name: self.target.name.clone(),
            kind: self.kind.or(self.target.kind.map(|kind| kind.name)).unwrap_or("unknown").into(),
            url: self.target.shown_url(),
            discovered: self.target.discovered,
            demo: self.demo,
            up: fresh.map(|polled| polled.result.is_ok()),
            state: state.map(|(state, _)| state),
            state_since: state.map(|(_, since)| since),
            reason: error.map(|error| error.reason().into()),
            error: error.map(ToString::to_string),
            version: sample.and_then(|sample| sample.version.as_deref()).map(label),
            build: sample.and_then(|sample| sample.build.as_deref()).map(label),
            every_seconds: self.target.every.as_secs_f64(),
            last_poll_at: self.last.as_ref().map(|polled| polled.at),
            last_success_at: self.last_success_at,
            poll_duration_seconds: fresh.map(|polled| polled.took.as_secs_f64()),
            models_installed: sample.and_then(|sample| sample.models_installed),
            orphans: sample.and_then(|sample| sample.orphans),
            models: sample
                .map(|sample| sample.models.iter().map(|model| self.model(model)).collect())
                .unwrap_or_default(),
            models_left_out: fresh.map_or(0, |polled| polled.left_out),
            notes,
        }
    }

    fn model(&self, model: &ModelSample) -> ModelView {
        let memory = self.models.get(&model.name);
        let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(label);
        ModelView {
            name: model.name.clone(),
            loaded: model.loaded,
            state: model.state,
            digest: text(&model.digest),
            quantization: text(&model.quantization),
            parameters: text(&model.parameters),
            format: text(&model.format),
            family: text(&model.family),
            size_bytes: model.size_bytes,
            memory_bytes: model.memory_bytes,
            vram_bytes: model.vram_bytes,
            offload_ratio: offload_ratio(model),
            context_tokens: model.context_tokens,
            context_trained_tokens: model.context_trained_tokens,
            expires_at: model.expires_at,
            stays: model.stays,
            slots: model.slots,
            slots_busy: model.slots_busy,
            queue_depth: model.queue_depth,
            loads: memory.map_or(0, |memory| memory.loads),
            totals: memory.map(|memory| memory.running.totals()).unwrap_or_default(),
            child: model.child.as_ref().map(|child| ChildView {
                pid: child.pid,
                up: child.up,
                metrics: child.metrics,
            }),
        }
    }
}

impl Memory {
    fn new(now: Instant) -> Memory {
        Memory {
            running: Running::default(),
            loads: 0,
            loaded: false,
            process: None,
            progress: None,
            moved: now,
            seen: now,
        }
    }

    /// `first`: whatever is loaded now may have been for long; no load was seen.
    fn take(&mut self, model: &ModelSample, now: Instant, first: bool) {
        self.running.observe(&model.counters, model.incarnation.as_deref());
        let loaded = model.loaded.unwrap_or(false);
        let other_process = model.incarnation.is_some() && self.process != model.incarnation;
        let load = loaded && (!self.loaded || (other_process && self.process.is_some()));
        if load && !first {
            self.loads += 1;
        }
        if model.loaded.is_some() {
            self.loaded = loaded;
        }
        if model.incarnation.is_some() {
            self.process.clone_from(&model.incarnation);
        }
        if model.slots_busy.unwrap_or(0) == 0 || self.progress != model.progress || other_process {
            self.moved = now;
        }
        self.progress = model.progress;
        self.seen = now;
    }
}

/// The part of a model that is on GPUs, 0..1. Unknown where the server does not tell both.
fn offload_ratio(model: &ModelSample) -> Option<f64> {
    let (vram, memory) = (model.vram_bytes?, model.memory_bytes?);
    (memory > 0).then(|| (vram as f64 / memory as f64).min(1.0))
}

/// Makes a sample fit to be kept: names fit for labels, each once, loaded ones first, no more than
/// the limit. Says how many were left out.
fn tidy(sample: &mut ServerSample, max_models: usize) -> u64 {
    for model in &mut sample.models {
        model.name = label(&model.name);
    }
    sample.models.sort_by(|a, b| (b.loaded, &a.name).cmp(&(a.loaded, &b.name)));
    let mut seen = HashSet::new();
    sample.models.retain(|model| seen.insert(model.name.clone()));
    let left_out = sample.models.len().saturating_sub(max_models);
    sample.models.truncate(max_models);
    sample.models.sort_by(|a, b| a.name.cmp(&b.name));
    left_out as u64
}
