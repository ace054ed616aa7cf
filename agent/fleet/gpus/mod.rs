//! What is known of the GPUs: every card from the first time that it was seen, and what several reads tell
//! together. A card that falls silent stays, so that somebody learns which one it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::label;
use super::vram::Seen;
use crate::sample::{CardFault, GpuSample};
use crate::view::{BackendView, CardView, GpusView, TargetGpus};

mod card;
mod energy;
mod expected;
mod moments;
mod notes;
mod shares;
#[cfg(test)]
mod tests;
mod throttle;
mod users;
mod xids;

use card::Card;
pub use expected::ExpectedGpus;
use shares::Shares;
use xids::Xids;

/// Cards remembered: more than a machine has, and its replaced ones. Each is two dozen series.
const MOST_CARDS: usize = 256;

/// What the config says of the GPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GpuPlan {
    /// The backends that read them. No card is called missing before each was read once.
    pub backends: Vec<&'static str>,
    /// The cards that should be there.
    pub expected: ExpectedGpus,
    /// Memory that the next model needs, in bytes.
    pub next_model_bytes: Option<u64>,
}

/// What came of one read of the cards by one backend: a sample each, or the reason and the words of a failure.
pub(super) type Read = Result<Vec<GpuSample>, (&'static str, String)>;

/// What is known of the GPUs.
#[derive(Debug, Default)]
pub(super) struct Gpus {
    pub(super) plan: GpuPlan,
    pub(super) xids: Xids,
    /// Whether the machine has anything that could be a GPU, known to a backend or not.
    pub(super) devices: Option<bool>,
    /// Backends of whose maker PCI lists a card that no driver has taken.
    pub(super) without_driver: Vec<&'static str>,
    backends: BTreeMap<&'static str, BackendView>,
    /// By UUID.
    cards: BTreeMap<String, Card>,
    shares: Shares,
}

impl Gpus {
    /// Takes a new config. What is known of cards stays, whoever read them; but those that no driver lists any more
    /// are forgotten: so a card that was taken out is no fault for ever. One that the config expects is then missing.
    pub(super) fn plan(&mut self, plan: GpuPlan) {
        let is_taken_out = |fault: &CardFault| ["gone", "no_driver"].contains(&&*fault.reason);
        self.cards.retain(|_, card| !card.told().fault.as_ref().is_some_and(is_taken_out));
        self.backends.retain(|backend, _| plan.backends.contains(backend));
        self.plan = plan;
    }

    /// Takes what came of one read by one backend. `every`: from one read to the next.
    pub(super) fn record(
        &mut self,
        backend: &'static str,
        read: Read,
        took: Duration,
        every: Duration,
        now: Instant,
        is_target: &dyn Fn(&str) -> bool,
    ) {
        // A target of this name has no number of its own: it would be taken for the rest.
        let is_target: &dyn Fn(&str) -> bool = &|target| target != users::OTHER && is_target(target);
        let (reason, error) = read.as_ref().err().cloned().unzip();
        let told = BackendView {
            name: backend.into(),
            up: read.is_ok(),
            reason: reason.map(Into::into),
            error,
            read_duration_seconds: Some(took.as_secs_f64()),
            card_without_driver: self.without_driver.contains(&backend),
        };
        self.backends.insert(backend, told);
        let (cards, fault) = match read {
            Ok(cards) => (cards, CardFault::new("gone", "the driver does not list it any more")),
            // What the driver says of all is so of each.
            Err(("gpu_lost", error)) => (Vec::new(), CardFault::new("lost", error)),
            Err((reason, error)) => (Vec::new(), CardFault::new(reason, error)),
        };
        let cards: Vec<GpuSample> = cards.into_iter().map(labelled).collect();
        self.xids.meet(&cards);
        let mut listed = BTreeSet::new();
        for card in cards {
            if listed.insert(card.uuid.clone()) {
                self.take(backend, card, now, every, is_target);
            }
        }
        // A place of which nothing was ever told but that it does not answer: whose it was is not known.
        let nameless = |uuid: &str, card: &Card| card.read().is_none() && uuid.starts_with("index-");
        self.cards
            .retain(|uuid, card| card.backend != backend || listed.contains(uuid) || !nameless(uuid, card));
        for (uuid, card) in &mut self.cards {
            if card.backend == backend && !listed.contains(uuid) {
                card.silence(fault.clone(), now, every);
            }
        }
    }

    fn take(
        &mut self,
        backend: &'static str,
        told: GpuSample,
        now: Instant,
        every: Duration,
        is_target: &dyn Fn(&str) -> bool,
    ) {
        if !self.cards.contains_key(&told.uuid) && self.cards.len() >= MOST_CARDS && !self.make_room() {
            return;
        }
        let card = self.cards.entry(told.uuid.clone()).or_insert_with(|| Card::new(backend, &told, now));
        let taken = card.take(backend, told, now, every, is_target);
        let processes = card.told().processes.as_deref().filter(|_| taken.seen);
        self.shares.give(taken.joules, processes, is_target);
        card.trim();
    }

    /// Forgets the card that has been silent for longest, if one is.
    fn make_room(&mut self) -> bool {
        let silent = self.cards.iter().filter(|(_, card)| card.told().fault.is_some());
        let oldest = silent.min_by_key(|(_, card)| card.read()).map(|(uuid, _)| uuid.clone());
        oldest.is_some_and(|uuid| self.cards.remove(&uuid).is_some())
    }

    /// A target is watched no more.
    pub(super) fn forget_target(&mut self, target: &str) {
        self.shares.forget(target);
    }

    /// What is shown of them. `host_available`: memory that programs of the machine could still get.
    pub(super) fn view(&self, now: Instant, at: Timestamp, host_available: Option<u64>) -> GpusView {
        let mut known: Vec<&Card> = self.cards.values().collect();
        known.sort_by_key(|card| {
            let told = card.told();
            (card.backend, told.index.is_none(), told.index, told.uuid.clone())
        });
        let shown = |card: &Card| card.view(now, at, self.xids.of(card.told()), host_available);
        let mut cards: Vec<CardView> = known.into_iter().map(shown).collect();
        let told: Vec<&GpuSample> = cards.iter().map(|card| &card.told).collect();
        let (missing, unseen) = if self.all_read() {
            (self.plan.expected.missing(&told), self.plan.expected.unseen(&told))
        } else {
            (None, Vec::new())
        };
        cards.extend(unseen.into_iter().map(|told| {
            let xids = self.xids.of(&told);
            CardView { told, xids, ..CardView::default() }
        }));
        let shown: Vec<&str> = cards.iter().map(|card| card.told.uuid.as_str()).collect();
        let strays = self.xids.strays(&shown, now);
        let counted = cards.iter().any(|card| card.energy_total_joules.is_some());
        GpusView {
            backends: self.backends.values().cloned().collect(),
            cards,
            expected: self.plan.expected.count(),
            missing,
            strays,
            other_energy_joules: counted.then(|| self.shares.other()),
            next_model: None,
            kernel_log: self.xids.log(),
        }
    }

    /// Lends what the cards tell now.
    pub(super) fn see(&self, now: Instant, with: impl FnOnce(Seen<'_>)) {
        let current = || self.cards.values().filter(|card| card.is_current(now));
        let cards: Vec<&GpuSample> = current().map(Card::told).collect();
        let no_driver = |backend: &BackendView| backend.reason.as_deref() == Some("no_driver");
        let no_backend = self.all_read() && self.backends.values().all(no_driver);
        // That of a card which is silent stands still.
        let read_at = current().filter(|card| card.told().fault.is_none()).filter_map(Card::read).min();
        with(Seen { cards: &cards, none: no_backend && self.devices == Some(false), read_at });
    }

    /// Every backend was read once: what is not there now is not there.
    fn all_read(&self) -> bool {
        !self.backends.is_empty() && self.plan.backends.iter().all(|name| self.backends.contains_key(name))
    }

    /// The energy that a target took since the agent started, in joules. `None`: not seen to take any.
    pub(super) fn energy_of(&self, target: &str) -> Option<f64> {
        self.shares.of(target)
    }

    /// What each card took since it was first read, in joules, by UUID.
    pub(super) fn grown(&self) -> impl Iterator<Item = (&str, f64)> {
        self.cards.iter().filter_map(|(uuid, card)| Some((uuid.as_str(), card.grown()?)))
    }

    /// What a target takes of these cards. `None`: nothing, as far as it is known.
    pub(super) fn of_target(&self, target: &str, cards: &[CardView]) -> Option<TargetGpus> {
        let users = cards.iter().flat_map(|card| card.users.iter().map(move |user| (&card.told.uuid, user)));
        let mut users = users.filter(|(_, user)| user.target == target).peekable();
        let energy_joules = self.shares.of(target);
        if energy_joules.is_none() && users.peek().is_none() {
            return None;
        }
        let memory_bytes = users.filter_map(|(uuid, user)| Some((uuid.clone(), user.memory_bytes?)));
        Some(TargetGpus { memory_bytes: memory_bytes.collect(), energy_joules })
    }
}

/// The card with what other programs wrote made fit for a label.
fn labelled(card: GpuSample) -> GpuSample {
    GpuSample { uuid: label(&card.uuid), name: card.name.as_deref().map(label), ..card }
}
