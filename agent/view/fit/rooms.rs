//! What room the cards have, as they are and after models were unloaded. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Unload, host_available};
use crate::view::room::{PROCESS_BYTES, free};
use crate::view::{CardView, Health, TargetView, View};

/// What could be loaded where.
pub(super) struct Rooms<'a> {
    /// The cards that tell: those that are well, then the others, the one with the most room first.
    pub(super) cards: Vec<Room<'a>>,
    /// What could be unloaded, the first to expire first.
    loaded: Vec<Loaded<'a>>,
}

/// A card, and what is free of it.
pub(super) struct Room<'a> {
    card: &'a CardView,
    free: u64,
}

/// A model that Ollama may unload, with what it holds by card.
struct Loaded<'a> {
    target: &'a str,
    model: &'a str,
    on: BTreeMap<&'a str, u64>,
}

impl<'a> Rooms<'a> {
    pub(super) fn of(view: &'a View) -> Rooms<'a> {
        let host = host_available(view);
        let cards = view.gpus.cards.iter();
        let mut cards: Vec<Room<'a>> =
            cards.filter_map(|card| Some(Room { card, free: free(&card.told, host)? })).collect();
        // One that needs a look may be reset soon: it comes last.
        // Beside a card, the graphics inside the processor is no place for a model, however much the machine has.
        if cards.iter().any(|room| room.card.told.shared_memory != Some(true)) {
            cards.retain(|room| room.card.told.shared_memory != Some(true));
        }
        cards.sort_by_key(|room| (room.card.health(), Reverse(room.free)));
        let mut loaded: Vec<_> = view
            .targets
            .iter()
            .filter(|target| target.kind == "ollama")
            .flat_map(|target| target.models.iter().map(move |model| (target, model)))
            .filter(|(_, model)| model.loaded == Some(true) && model.stays != Some(true))
            .collect();
        // One without a time may stay for longest.
        loaded.sort_by_key(|(_, model)| (model.expires_at.is_none(), model.expires_at));
        let loaded = loaded.into_iter().filter_map(|(target, model)| {
            let on = match model.child.as_ref().and_then(|child| child.pid) {
                Some(pid) => held_by(pid, &cards),
                None => held_alone(target, model.vram_bytes?),
            };
            (!on.is_empty()).then_some(Loaded { target: &target.name, model: &model.name, on })
        });
        let loaded = loaded.collect();
        Rooms { cards, loaded }
    }

    /// The fewest cards that hold it together. Only whole cards of one vendor that have memory of their own.
    pub(super) fn split(&self, bytes: u64) -> Option<Vec<&Room<'a>>> {
        self.vendors().into_iter().find_map(|cards| {
            let mut left = bytes;
            let mut taken = Vec::new();
            for card in cards.into_iter().filter(|card| card.room() > 0) {
                taken.push(card);
                left = left.saturating_sub(card.room());
                if left == 0 {
                    return Some(taken);
                }
            }
            None
        })
    }

    /// The cards that a model may be split over, by vendor.
    fn vendors(&self) -> Vec<Vec<&Room<'a>>> {
        let mut vendors: BTreeMap<&str, Vec<&Room<'a>>> = BTreeMap::new();
        for room in self.cards.iter().filter(|room| room.may_share()) {
            vendors.entry(&room.card.told.vendor).or_default().push(room);
        }
        vendors.into_values().collect()
    }

    /// The card that holds it after the least was unloaded, and what that is.
    pub(super) fn after_unload(&self, bytes: u64) -> Option<(Vec<&Room<'a>>, Vec<Unload>)> {
        let ways = self.cards.iter().filter_map(|card| {
            let (mut free, mut unload) = (card.free, Vec::new());
            for (model, held) in self.on(card) {
                free = free.saturating_add(held);
                unload.push(model.unload(held));
                if free.saturating_sub(PROCESS_BYTES) >= bytes {
                    return Some((vec![card], unload));
                }
            }
            None
        });
        ways.min_by_key(|(_, unload)| unload.iter().map(|model| model.bytes).fold(0, u64::saturating_add))
    }

    /// The cards of one vendor that hold it together after all was unloaded that may be.
    pub(super) fn split_after_unload(&self, bytes: u64) -> Option<(Vec<&Room<'a>>, Vec<Unload>)> {
        let cards = self.vendors().into_iter().find(|cards| self.together(cards) >= bytes)?;
        let held = |model: &Loaded<'a>| {
            let on = cards.iter().filter_map(|card| model.on.get(card.card.told.uuid.as_str()));
            on.fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
        };
        let unload = self.loaded.iter().map(|model| model.unload(held(model)));
        let unload = unload.filter(|model| model.bytes > 0).collect();
        Some((cards, unload))
    }

    /// The most that one card, or several together, could ever take.
    pub(super) fn most(&self) -> u64 {
        let alone = self.cards.iter().map(|card| self.emptied(card)).max().unwrap_or(0);
        let together = self.vendors().iter().map(|cards| self.together(cards)).max().unwrap_or(0);
        alone.max(together)
    }

    fn together(&self, cards: &[&Room<'a>]) -> u64 {
        cards.iter().map(|card| self.emptied(card)).fold(0, u64::saturating_add)
    }

    /// The room of a card after all was unloaded that may be.
    fn emptied(&self, room: &Room<'a>) -> u64 {
        let held = self.on(room).map(|(_, held)| held).fold(0, u64::saturating_add);
        room.free.saturating_add(held).saturating_sub(PROCESS_BYTES)
    }

    fn on(&self, room: &Room<'a>) -> impl Iterator<Item = (&Loaded<'a>, u64)> {
        let uuid = room.card.told.uuid.as_str();
        self.loaded.iter().filter_map(move |model| Some((model, *model.on.get(uuid)?)))
    }
}

impl Loaded<'_> {
    fn unload(&self, bytes: u64) -> Unload {
        Unload { target: self.target.into(), model: self.model.into(), bytes }
    }
}

impl Room<'_> {
    /// What is free, without what the driver takes for a process.
    pub(super) fn room(&self) -> u64 {
        self.free.saturating_sub(PROCESS_BYTES)
    }

    fn may_share(&self) -> bool {
        let divided = self.card.told.mig.as_ref().is_some_and(|mig| mig.enabled);
        self.card.told.shared_memory != Some(true) && !divided
    }

    pub(super) fn uuid(&self) -> String {
        self.card.told.uuid.clone()
    }

    pub(super) fn name(&self) -> String {
        let look = if self.card.health() == Health::Ok { "" } else { ", which needs a look" };
        format!("{}{look}", self.bare_name())
    }

    fn bare_name(&self) -> String {
        let told = &self.card.told;
        match (told.index, &told.name) {
            (Some(index), Some(name)) => format!("GPU {index} ({name})"),
            (Some(index), None) => format!("GPU {index}"),
            (None, Some(name)) => name.clone(),
            (None, None) => told.uuid.clone(),
        }
    }
}

/// What the process that runs a model holds, by card.
fn held_by<'a>(pid: u32, cards: &[Room<'a>]) -> BTreeMap<&'a str, u64> {
    let mut on = BTreeMap::new();
    for told in cards.iter().map(|room| &room.card.told) {
        let processes = told.processes.iter().flatten().filter(|process| process.pid == pid);
        if let Some(bytes) = processes.filter_map(|process| process.memory_bytes).max() {
            on.insert(told.uuid.as_str(), bytes);
        }
    }
    on
}

/// Where a model lies whose process is not known: told only if its server holds memory of one card alone.
fn held_alone(target: &TargetView, vram: u64) -> BTreeMap<&str, u64> {
    match target.gpus.as_ref().map(|gpus| gpus.memory_bytes.iter().collect::<Vec<_>>()).as_deref() {
        Some([(uuid, held)]) => [(uuid.as_str(), vram.min(**held))].into(),
        _ => BTreeMap::new(),
    }
}
