//! What is known now: the only shared state, behind the only lock. `record_*` in, `view()` out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::http::HttpError;
use crate::metrics::Counted;
use crate::sample::{GpuSample, HangEvent, HostSample, Note, NoteLevel, ServerSample, ServerState, XidEvent};
use crate::servers::Target;
use crate::view::{
    AgentView, BackendView, CardView, DiscoveryView, GpusView, HangCount, SCHEMA_VERSION, View, XidCount,
};

mod entry;
mod gpus;
mod host;
mod label;
mod totals;
mod vram;

use entry::Entry;
use gpus::Xids;
pub use label::label;
use vram::Seen;

/// A cheap handle on what is known.
#[derive(Debug, Clone)]
pub struct Fleet(Arc<Inner>);

/// What one poll changed.
#[derive(Debug, Default)]
pub struct News {
    /// The target's state before and now, if they differ.
    pub state: Option<(Option<ServerState>, ServerState)>,
    /// Warnings that the poll before did not give.
    pub warnings: Vec<Note>,
}

#[derive(Debug)]
struct Inner {
    counted: Counted,
    /// Held for short sections only, never across an await: a scrape and a poll may wait for each
    /// other for as long as a clone of the view takes.
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    targets: BTreeMap<String, Entry>,
    max_models: usize,
    discovery: DiscoveryView,
    agent: AgentView,
    gpus: Gpus,
    host: host::Host,
}

#[derive(Debug, Default)]
struct Gpus {
    backends: BTreeMap<&'static str, Backend>,
    xids: Xids,
    /// Whether the machine has anything that could be a GPU, known to a backend or not.
    devices: Option<bool>,
}

#[derive(Debug)]
struct Backend {
    told: BackendView,
    cards: Vec<GpuSample>,
    read_at: Instant,
    every: Duration,
}

impl Fleet {
    /// Nothing known yet.
    pub fn new(agent: AgentView, max_models: usize) -> Fleet {
        Fleet(Arc::new(Inner {
            counted: Counted::new(),
            known: Mutex::new(Known {
                targets: BTreeMap::new(),
                max_models,
                discovery: DiscoveryView::default(),
                agent,
                gpus: Gpus::default(),
                host: host::Host::default(),
            }),
        }))
    }

    /// What this process counted itself.
    pub fn counted(&self) -> &Counted {
        &self.0.counted
    }

    /// When the agent started.
    pub fn started_at(&self) -> Timestamp {
        self.lock().agent.started_at
    }

    /// A target that is watched from now on. One of the same name is replaced; what is known of it
    /// stays if it is at the same address.
    pub fn add(&self, target: &Target, demo: bool) {
        let mut known = self.lock();
        match known.targets.get_mut(&target.name) {
            Some(entry) if entry.target.url == target.url => entry.target = target.clone(),
            _ => {
                known.targets.insert(target.name.clone(), Entry::new(target.clone(), demo));
            }
        }
        self.counted().touch_target(&target.name);
    }

    /// A target that is watched no more: all of it goes, its counts too.
    pub fn remove(&self, target: &str) {
        let mut known = self.lock();
        known.targets.remove(target);
        // Still under the lock: a poll that ends just now must not count for a target that is gone.
        self.counted().forget_target(target);
    }

    /// What came of one poll; says what is new by it.
    pub fn record_poll(&self, target: &str, result: Result<ServerSample, HttpError>, took: Duration) -> News {
        let reason = result.as_ref().err().map(HttpError::reason);
        let mut known = self.lock();
        let max_models = known.max_models;
        let Known { targets, gpus, .. } = &mut *known;
        let Some(entry) = targets.get_mut(target) else { return News::default() };
        let (before, warned) = (entry.state(), entry.warnings());
        let left_out = entry.record(result, took, Instant::now(), Timestamp::now(), max_models);
        gpus.see(Instant::now(), |seen| entry.check_vram(seen));
        let state = entry.state().filter(|now| before != Some(*now)).map(|now| (before, now));
        let warnings = entry.warnings().into_iter().filter(|(key, _)| !warned.contains_key(key));
        self.counted().count_poll(target, reason, left_out);
        News { state, warnings: warnings.map(|(_, note)| note).collect() }
    }

    /// What came of one read of the GPUs by one backend.
    pub fn record_gpus(
        &self,
        backend: &'static str,
        result: Result<Vec<GpuSample>, (&'static str, String)>,
        took: Duration,
        every: Duration,
    ) {
        self.counted().count_gpu_read(backend, result.as_ref().err().map(|(reason, _)| *reason));
        let mut told = BackendView {
            name: backend.into(),
            up: result.is_ok(),
            reason: None,
            error: None,
            read_duration_seconds: Some(took.as_secs_f64()),
        };
        let cards: Vec<GpuSample> = match result {
            Ok(cards) => cards.into_iter().map(labelled).collect(),
            Err((reason, error)) => {
                (told.reason, told.error) = (Some(reason.into()), Some(error));
                Vec::new()
            }
        };
        let mut known = self.lock();
        known.gpus.xids.meet(&cards);
        known.gpus.backends.insert(backend, Backend { told, cards, read_at: Instant::now(), every });
    }

    /// An error that a card's driver reported; gives the card and the count if it rose. It does not where the
    /// driver and the kernel's log tell of the same one.
    pub fn record_xid(&self, event: &XidEvent) -> Option<(String, XidCount)> {
        self.lock().gpus.xids.record(event, Instant::now())
    }

    /// Work hung on a card whose driver has no XIDs; gives the card and the count.
    pub fn record_hang(&self, event: &HangEvent) -> Option<HangCount> {
        self.lock().gpus.xids.record_hang(event)
    }

    /// How the kernel's log was read: from where, why not, and how many of its records were lost since the
    /// last time.
    pub fn record_kernel_log(&self, source: String, error: Option<String>, lost: u64) {
        self.lock().gpus.xids.record_log(source, error, lost);
    }

    /// The kernel's log is read no more.
    pub fn forget_kernel_log(&self) {
        self.lock().gpus.xids.forget_log();
    }

    /// Whether this backend's driver tells of XIDs by itself, now.
    pub fn record_listening(&self, backend: &'static str, listens: bool) {
        self.lock().gpus.xids.record_listening(backend, listens);
    }

    /// What came of one look at the host; gives the warnings that are new by it.
    pub fn record_host(
        &self,
        result: Result<HostSample, String>,
        took: Duration,
        every: Duration,
    ) -> Vec<Note> {
        self.lock().host.record(result, took, every, Instant::now(), Timestamp::now())
    }

    /// Whether the machine has anything that could be a GPU, known to a backend or not.
    pub fn record_devices(&self, any: bool) {
        self.lock().gpus.devices = Some(any);
    }

    /// How the last look for servers went.
    pub fn record_discovery(&self, discovery: DiscoveryView) {
        self.lock().discovery = discovery;
    }

    /// How the last reload of the config went: no fault is a success.
    pub fn record_reload(&self, errors: Vec<String>, max_models: Option<usize>) {
        let mut known = self.lock();
        known.agent.config_ok = errors.is_empty();
        if errors.is_empty() {
            known.agent.config_at = Timestamp::now();
        }
        known.agent.config_errors = errors;
        if let Some(max_models) = max_models {
            known.max_models = max_models;
        }
    }

    /// The targets: name, address, and kind where it is known.
    pub fn places(&self) -> Vec<(String, Url, Option<&'static str>)> {
        let known = self.lock();
        let place = |(name, entry): (&String, &Entry)| (name.clone(), entry.target.url.clone(), entry.kind());
        known.targets.iter().map(place).collect()
    }

    /// Since when a target has not answered: `None` if it answers, or was not asked yet.
    pub fn silent_for(&self, target: &str) -> Option<Duration> {
        let known = self.lock();
        known.targets.get(target).and_then(|entry| entry.silent_for(Instant::now()))
    }

    /// All that the outside sees, as of now.
    pub fn view(&self) -> View {
        let now = Instant::now();
        let known = self.lock();
        View {
            schema_version: SCHEMA_VERSION,
            at: Timestamp::now(),
            agent: known.agent.clone(),
            discovery: known.discovery.clone(),
            targets: known.targets.values().map(|entry| entry.view(now)).collect(),
            gpus: known.gpus.view(now),
            hosts: known.host.view(now).into_iter().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it was held cannot leave it half-changed in a way that hurts: go on.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gpus {
    fn view(&self, now: Instant) -> GpusView {
        let cards = self.current(now);
        let shown: Vec<&str> = cards.iter().map(|card| card.uuid.as_str()).collect();
        GpusView {
            backends: self.backends.values().map(|backend| backend.told.clone()).collect(),
            strays: self.xids.strays(&shown, now),
            kernel_log: self.xids.log(),
            cards: cards.into_iter().map(|card| self.card(card.clone())).collect(),
            expected: None,
            missing: None,
        }
    }

    fn card(&self, told: GpuSample) -> CardView {
        let xids = self.xids.of(&told);
        CardView { energy_total_joules: told.energy_joules, told, xids, ..CardView::default() }
    }

    /// The cards, without those whose last read is too old to be shown as current.
    fn current(&self, now: Instant) -> Vec<&GpuSample> {
        let fresh = |backend: &&Backend| now.saturating_duration_since(backend.read_at) <= backend.every * 3;
        self.backends.values().filter(fresh).flat_map(|backend| &backend.cards).collect()
    }

    /// Lends what is known of the cards.
    fn see(&self, now: Instant, with: impl FnOnce(Seen<'_>)) {
        let cards = self.current(now);
        let no_driver = |backend: &Backend| backend.told.reason.as_deref() == Some("no_driver");
        let no_backend = !self.backends.is_empty() && self.backends.values().all(no_driver);
        let with_cards = self.backends.values().filter(|backend| !backend.cards.is_empty());
        let read_at = with_cards.map(|backend| backend.read_at).min();
        with(Seen { cards: &cards, none: no_backend && self.devices == Some(false), read_at });
    }
}

/// The card with what other programs wrote made fit for a label.
fn labelled(card: GpuSample) -> GpuSample {
    GpuSample { uuid: label(&card.uuid), name: card.name.as_deref().map(label), ..card }
}

/// The warnings among the notes, each under what stays the same of it from look to look: its text
/// without numbers (seconds that pass, process ids).
fn warning_keys<'a>(notes: impl IntoIterator<Item = &'a Note>) -> BTreeMap<String, Note> {
    let key = |note: &Note| format!("{} {}", note.code, note.text.replace(|c: char| c.is_ascii_digit(), ""));
    let warnings = notes.into_iter().filter(|note| note.level == NoteLevel::Warning);
    warnings.map(|note| (key(note), note.clone())).collect()
}
