//! XIDs, counted by card and number.
//!
//! Driver and kernel log both tell of most of them, and neither of all: the driver gives only the latest of a burst and
//! never some numbers, the log may be overwritten or not permitted. So each counts for itself, and the larger count
//! holds: one event that both tell is one. What the log held from before the agent is added to either.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::fleet::label::label;
use crate::gpus::{pci, xid};
use crate::sample::{CardRef, GpuSample, HangEvent, XidEvent, XidSource};
use crate::view::{HangCount, LogView, StrayXids, XidCount};

mod hangs;

use hangs::Hangs;

/// Numbers kept of a card; what is beyond counts as one. Drivers know some 170, a card in trouble shows a handful.
const MOST_NUMBERS: usize = 64;

/// What stands for the numbers beyond.
const OTHER: &str = "other";

/// Cards kept. More than a machine has.
const MOST_CARDS: usize = 128;

/// So long the card of an event may take to be read for the first time, before it is told as a stranger's.
const STRANGER_AFTER: Duration = Duration::from_secs(60);

/// All that was heard.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Xids {
    cards: BTreeMap<CardRef, Card>,
    /// The UUID of each card that was ever read, by its PCI address.
    places: BTreeMap<String, String>,
    /// The kernel's log, once it was asked.
    log: Option<LogView>,
    /// Who listens to each backend's driver.
    listeners: BTreeMap<&'static str, Listener>,
    hangs: Hangs,
}

/// The latest that listens to a driver. Those before it may hang and come back; of them nothing is taken, or an event
/// would count twice.
#[derive(Debug, Default)]
struct Listener {
    number: u64,
    /// The driver tells it of XIDs.
    hears: bool,
}

#[derive(Debug)]
struct Card {
    heard_at: Instant,
    /// By number; `None` are those beyond the most that are kept.
    counts: BTreeMap<Option<u32>, Count>,
}

#[derive(Debug, Clone, Default)]
struct Count {
    history: u64,
    driver: u64,
    log: u64,
    last_at: Option<Timestamp>,
    told: Option<String>,
}

impl Count {
    fn total(&self) -> u64 {
        self.history.saturating_add(self.driver.max(self.log))
    }

    fn add(&mut self, other: Count) {
        self.history = self.history.saturating_add(other.history);
        self.driver = self.driver.saturating_add(other.driver);
        self.log = self.log.saturating_add(other.log);
        self.last_at = self.last_at.max(other.last_at);
        self.told = other.told.or(self.told.take());
    }

    fn of(event: &XidEvent) -> Count {
        let counts = |source| u64::from(!event.before_start && event.source == source);
        Count {
            history: u64::from(event.before_start),
            driver: counts(XidSource::Driver),
            log: counts(XidSource::KernelLog),
            last_at: Some(event.at),
            told: event.text.as_deref().map(label),
        }
    }

    fn view(&self, number: Option<u32>) -> XidCount {
        let known = number.and_then(xid::xid);
        XidCount {
            xid: number.map_or_else(|| OTHER.into(), |number| number.to_string()),
            count: self.total(),
            before_start: self.history,
            last_at: self.last_at,
            severity: known.map(|xid| xid.severity.name().into()),
            meaning: known.map(|xid| xid.name.into()),
            told: self.told.clone(),
        }
    }
}

impl Xids {
    /// Counts an event; gives the card's name and the count if it rose: it does not when both sources tell of one
    /// event.
    pub(in crate::fleet) fn record(&mut self, event: &XidEvent, now: Instant) -> Option<(String, XidCount)> {
        let card = self.named(&event.card);
        if self.cards.len() >= MOST_CARDS && !self.cards.contains_key(&card) {
            return None;
        }
        let name = name(&card);
        let entry = self.cards.entry(card).or_insert(Card { heard_at: now, counts: BTreeMap::new() });
        let full = entry.counts.len() >= MOST_NUMBERS && !entry.counts.contains_key(&Some(event.xid));
        let number = Some(event.xid).filter(|_| !full);
        let count = entry.counts.entry(number).or_default();
        let before = count.total();
        count.add(Count::of(event));
        (count.total() > before).then(|| (name, count.view(number)))
    }

    /// Learns where cards are, and joins to them what was heard of their places.
    pub(in crate::fleet) fn meet(&mut self, cards: &[GpuSample]) {
        self.hangs.meet(cards);
        for card in cards {
            let Some(place) = card.pci.as_deref().and_then(pci::address) else { continue };
            if self.places.get(&place) == Some(&card.uuid) {
                continue;
            }
            if self.places.len() >= MOST_CARDS && !self.places.contains_key(&place) {
                continue;
            }
            self.places.insert(place.clone(), card.uuid.clone());
            let Some(strange) = self.cards.remove(&CardRef::Pci(place)) else { continue };
            let known = CardRef::Uuid(card.uuid.clone());
            let heard_at = strange.heard_at;
            let entry = self.cards.entry(known).or_insert(Card { heard_at, counts: BTreeMap::new() });
            for (number, count) in strange.counts {
                let full = entry.counts.len() >= MOST_NUMBERS && !entry.counts.contains_key(&number);
                entry.counts.entry(number.filter(|_| !full)).or_default().add(count);
            }
        }
    }

    /// How the kernel's log is read now, and how many of its records were lost since the last call.
    pub(in crate::fleet) fn record_log(&mut self, source: String, error: Option<String>, lost: u64) {
        let lost = self.log.as_ref().map_or(0, |log| log.lost).saturating_add(lost);
        self.log = Some(LogView { source, up: error.is_none(), error, lost, hangs: Vec::new() });
    }

    /// Nobody reads the kernel's log any more.
    pub(in crate::fleet) fn forget_log(&mut self) {
        self.log = None;
    }

    /// Somebody else listens to this backend's driver from now on; gives its number.
    pub(in crate::fleet) fn new_listener(&mut self, backend: &'static str) -> u64 {
        let number = self.listeners.get(backend).map_or(1, |before| before.number + 1);
        self.listeners.insert(backend, Listener { number, hears: false });
        number
    }

    /// Whether this backend's driver tells that listener of XIDs now. `false`: it is not the latest.
    pub(in crate::fleet) fn record_listening(
        &mut self,
        backend: &'static str,
        number: u64,
        hears: bool,
    ) -> bool {
        let latest = self.listeners.get_mut(backend).filter(|latest| latest.number == number);
        latest.map(|latest| latest.hears = hears).is_some()
    }

    /// Counts work that hung on a card without XIDs; gives the card and the count.
    pub(in crate::fleet) fn record_hang(&mut self, event: &HangEvent) -> Option<HangCount> {
        self.hangs.record(event)
    }

    /// How the kernel's log is read, and what it told of cards without XIDs.
    pub(in crate::fleet) fn log(&self) -> Option<LogView> {
        let hangs = |log: &LogView| if log.up { self.hangs.all() } else { Vec::new() };
        self.log.as_ref().map(|log| LogView { hangs: hangs(log), ..log.clone() })
    }

    /// The counts of a card. While somebody listens, the critical numbers are there at zero before their first
    /// event: else a rule on an increase would miss it.
    pub(in crate::fleet) fn of(&self, card: &GpuSample) -> Vec<XidCount> {
        let mut counts = self.zeros(&card.vendor);
        if let Some(heard) = self.cards.get(&self.named(&CardRef::Uuid(card.uuid.clone()))) {
            counts.extend(heard.counts.iter().map(|(number, count)| (*number, count.clone())));
        }
        views(&counts)
    }

    /// What was heard of cards that are not among these.
    pub(in crate::fleet) fn strays(&self, shown: &[&str], now: Instant) -> Vec<StrayXids> {
        let is_due = |card: &CardRef, heard: &Card| {
            let was_known =
                matches!(card, CardRef::Uuid(uuid) if self.places.values().any(|known| known == uuid));
            was_known || now.saturating_duration_since(heard.heard_at) >= STRANGER_AFTER
        };
        let stray = self.cards.iter().filter(|(card, heard)| {
            !matches!(card, CardRef::Uuid(uuid) if shown.contains(&uuid.as_str())) && is_due(card, heard)
        });
        stray.map(|(card, heard)| StrayXids { card: name(card), xids: views(&heard.counts) }).collect()
    }

    fn zeros(&self, vendor: &str) -> BTreeMap<Option<u32>, Count> {
        let heard = self.log.as_ref().is_some_and(|log| log.up)
            || self.listeners.values().any(|listener| listener.hears);
        let critical = if heard && vendor == "nvidia" { xid::critical() } else { Vec::new() };
        critical.into_iter().map(|xid| (Some(xid.number), Count::default())).collect()
    }

    /// The card by its UUID, as far as its place is known.
    fn named(&self, card: &CardRef) -> CardRef {
        match card {
            CardRef::Pci(place) => {
                self.places.get(place).cloned().map_or_else(|| card.clone(), CardRef::Uuid)
            }
            CardRef::Uuid(uuid) => CardRef::Uuid(label(uuid)),
        }
    }
}

/// By number; what is beyond them last.
fn views(counts: &BTreeMap<Option<u32>, Count>) -> Vec<XidCount> {
    let numbered = counts.iter().filter(|(number, _)| number.is_some());
    numbered.chain(counts.get_key_value(&None)).map(|(number, count)| count.view(*number)).collect()
}

/// What the card is called in labels: as one that tells no UUID.
fn name(card: &CardRef) -> String {
    match card {
        CardRef::Uuid(uuid) => uuid.clone(),
        CardRef::Pci(place) => format!("pci-{place}"),
    }
}

#[cfg(test)]
mod tests;
