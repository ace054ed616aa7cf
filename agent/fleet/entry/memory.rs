//! What is remembered of a model from one sample to the next: totals, loads, and when it last moved.

use tokio::time::Instant;

use crate::fleet::totals::Running;
use crate::fleet::traffic::Awake;
use crate::sample::ModelSample;

/// What is remembered of a model from one sample to the next.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) running: Running,
    pub(super) loads: u64,
    pub(super) loaded: bool,
    pub(super) process: Option<String>,
    pub(super) progress: Option<f64>,
    pub(super) moved: Instant,
    pub(super) seen: Instant,
    pub(super) awake: Awake,
    /// The context that it is loaded with, as the last look saw it, and when that was.
    pub(super) context: Option<(u64, Instant)>,
    /// When a request last had to wait for a load: what looks before it saw of the context may not hold.
    pub(super) reloaded: Option<Instant>,
}

impl Memory {
    pub(super) fn new(now: Instant) -> Memory {
        Memory {
            running: Running::default(),
            loads: 0,
            loaded: false,
            process: None,
            progress: None,
            moved: now,
            seen: now,
            awake: Awake::default(),
            context: None,
            reloaded: None,
        }
    }

    /// It is not in memory.
    pub(super) fn unload(&mut self, now: Instant) {
        self.loaded = false;
        self.awake.see(false, now);
    }

    /// `first`: whatever is loaded now may have been for long; no load was seen.
    pub(super) fn take(&mut self, model: &ModelSample, now: Instant, first: bool) {
        let loaded = model.loaded.unwrap_or(false);
        let other_process = model.incarnation.is_some() && self.process != model.incarnation;
        let load = loaded && (!self.loaded || (other_process && self.process.is_some()));
        if load && !first {
            self.loads += 1;
            self.running.began();
        }
        self.running.observe(&model.counters, model.incarnation.as_deref());
        if model.loaded.is_some() {
            self.loaded = loaded;
            self.awake.see(loaded, now);
        }
        self.context = model.context_tokens.map(|context| (context, now));
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
