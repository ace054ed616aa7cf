//! What is known now: the only shared state, behind the only lock. `record_*` in, `view()` out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::http::HttpError;
use crate::metrics::{Buckets, Counted};
use crate::sample::{GpuSample, HangEvent, HostSample, Note, NoteLevel, ServerSample, ServerState, XidEvent};
use crate::servers::Target;
use crate::view::{
    AgentView, DiscoveryView, HangCount, HostView, SCHEMA_VERSION, StoreView, TargetView, View, XidCount,
    fits,
};

mod canaries;
mod entry;
mod gpus;
mod grown;
mod host;
mod label;
mod totals;
mod traffic;
mod vram;

pub use canaries::CanaryRun;
use entry::Entry;
use gpus::Gpus;
pub use gpus::{ExpectedGpus, GpuPlan};
pub use grown::{Counter, Kept};
pub use label::label;
use traffic::Gone;
pub use traffic::{Asking, Connected, InFlight, Live, MAX_SLOS, Slo, TrafficPlan};

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
    gone: Gone,
    max_models: usize,
    traffic: TrafficPlan,
    discovery: DiscoveryView,
    agent: AgentView,
    gpus: Gpus,
    host: host::Host,
    store: Option<StoreView>,
    kept: Kept,
}

impl Fleet {
    /// Nothing known yet; histograms have the usual bounds.
    pub fn new(agent: AgentView, max_models: usize) -> Fleet {
        Fleet::counting(agent, max_models, &Buckets::default())
    }

    /// The same with these bounds.
    pub fn counting(agent: AgentView, max_models: usize, buckets: &Buckets) -> Fleet {
        Fleet(Arc::new(Inner {
            counted: Counted::with(buckets),
            known: Mutex::new(Known {
                targets: BTreeMap::new(),
                gone: Gone::default(),
                max_models,
                traffic: TrafficPlan::default(),
                discovery: DiscoveryView::default(),
                agent,
                gpus: Gpus::default(),
                host: host::Host::default(),
                store: None,
                kept: Kept::default(),
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
        let Known { targets, max_models, traffic, .. } = &mut *self.lock();
        match targets.get_mut(&target.name) {
            Some(entry) if entry.target.url == target.url => entry.target = target.clone(),
            // Whoever sees its requests goes on to write them down in the same place.
            Some(entry) => entry.replace(target, demo, &self.world(traffic, *max_models)),
            None => {
                targets.insert(target.name.clone(), Entry::new(target.clone(), demo));
            }
        }
        self.counted().touch_target(&target.name);
    }

    /// A target that is watched no more: all of it goes, its counts too. Of its requests that are still under way
    /// only the number is told, once they ended.
    pub fn remove(&self, target: &str) {
        let Known { targets, gone, gpus, max_models, traffic, .. } = &mut *self.lock();
        if let Some(mut entry) = targets.remove(target) {
            // What ended while it was there is its own; some of that is counted for the agent as a whole.
            entry.settle(&self.world(traffic, *max_models));
            gone.keep(entry.traffic);
        }
        gpus.forget_target(target);
        // Still under the lock: a poll that ends just now must not count for a target that is gone.
        self.counted().forget_target(target);
    }

    /// What came of one poll; says what is new by it.
    pub fn record_poll(&self, target: &str, result: Result<ServerSample, HttpError>, took: Duration) -> News {
        let reason = result.as_ref().err().map(HttpError::reason);
        let mut known = self.lock();
        let Known { targets, gpus, max_models, traffic, .. } = &mut *known;
        let world = self.world(traffic, *max_models);
        let Some(entry) = targets.get_mut(target) else { return News::default() };
        let (before, warned) = (entry.state(), std::mem::take(&mut entry.warned));
        // What ended before is told what was known before.
        entry.settle(&world);
        let left_out = entry.record(result, took, world.now, world.at, world.max_models);
        entry.expect(&world);
        gpus.see(Instant::now(), |seen| entry.check_vram(seen));
        let state = entry.state().filter(|now| before != Some(*now)).map(|now| (before, now));
        entry.warned = entry.warnings();
        let new = entry.warned.iter().filter(|(key, _)| !warned.contains_key(*key));
        self.counted().count_poll(target, reason, left_out);
        News { state, warnings: new.map(|(_, note)| note.clone()).collect() }
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
        let Known { targets, gpus, .. } = &mut *self.lock();
        gpus.record(backend, result, took, every, Instant::now(), &|target| targets.contains_key(target));
    }

    /// What the config says of the GPUs: which should be there, which model is to come.
    pub fn plan_gpus(&self, plan: GpuPlan) {
        self.lock().gpus.plan(plan);
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

    /// Somebody else listens to this backend's driver from now on; gives its number.
    pub fn new_listener(&self, backend: &'static str) -> u64 {
        self.lock().gpus.xids.new_listener(backend)
    }

    /// Whether this backend's driver tells that listener of XIDs by itself, now. `false`: it is not the latest,
    /// and what it hears is told by another.
    pub fn record_listening(&self, backend: &'static str, number: u64, hears: bool) -> bool {
        self.lock().gpus.xids.record_listening(backend, number, hears)
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

    /// Whether the machine has anything that could be a GPU, known to a backend or not; and the backends of whose
    /// maker it has a card that no driver has taken.
    pub fn record_devices(&self, any: bool, without_driver: Vec<&'static str>) {
        let gpus = &mut self.lock().gpus;
        (gpus.devices, gpus.without_driver) = (Some(any), without_driver);
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

    /// A target's kind, by its answers, or else by its config.
    pub fn kind(&self, target: &str) -> Option<&'static str> {
        self.lock().targets.get(target).and_then(Entry::kind)
    }

    /// The models that the last poll of a target saw loaded, and when it was recorded. `None`: it failed, or did not
    /// tell.
    pub fn loaded(&self, target: &str) -> Option<(Instant, Vec<String>)> {
        self.lock().targets.get(target).and_then(Entry::loaded)
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
        let mut known = self.lock();
        self.settle_all(&mut known);
        let (now, at) = (Instant::now(), Timestamp::now());
        let hosts: Vec<HostView> = known.host.view(now).into_iter().collect();
        let available = hosts.first().and_then(|host| host.memory.available_bytes);
        let mut gpus = known.gpus.view(now, at, available);
        for card in &mut gpus.cards {
            card.kept_energy_joules = known.kept.cards.get(&card.told.uuid).copied();
        }
        let target = |entry: &Entry| {
            let target = entry.view(&known.traffic, now);
            let kept = known.kept.targets.get(&target.name).cloned();
            TargetView { gpus: known.gpus.of_target(&target.name, &gpus.cards), kept, ..target }
        };
        let mut view = View {
            schema_version: SCHEMA_VERSION,
            at,
            agent: known.agent.clone(),
            discovery: known.discovery.clone(),
            targets: known.targets.values().map(target).collect(),
            gpus,
            hosts,
            store: known.store.clone(),
        };
        let next = known.gpus.plan.next_model_bytes;
        // What is left reads the view alone; a poll need not wait for it.
        drop(known);
        view.gpus.next_model = next.map(|bytes| fits(&view, bytes));
        view
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic while it was held cannot leave it half-changed in a way that hurts: go on.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The warnings among the notes, each under what stays the same of it from look to look: its text
/// without numbers (seconds that pass, process ids).
fn warning_keys<'a>(notes: impl IntoIterator<Item = &'a Note>) -> BTreeMap<String, Note> {
    let key = |note: &Note| format!("{} {}", note.code, note.text.replace(|c: char| c.is_ascii_digit(), ""));
    let warnings = notes.into_iter().filter(|note| note.level == NoteLevel::Warning);
    warnings.map(|note| (key(note), note.clone())).collect()
}
