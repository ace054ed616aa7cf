//! Whether a model of so many bytes fits beside what is loaded. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::room::{PROCESS_BYTES, free};
use super::{CardView, Health, TargetView, View};

#[cfg(test)]
mod tests;

/// Whether a model fits, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fit {
    /// Memory that the model needs, bytes.
    pub bytes: u64,
    /// Whether it fits.
    pub verdict: Verdict,
    /// The cards it would lie on, by UUID: those that are well first, the one with the most room before others.
    pub cards: Vec<String>,
    /// Models that must be unloaded first; Ollama does it by itself.
    pub unload: Vec<Unload>,
    /// How many bytes are too little where it does not fit.
    pub missing_bytes: Option<u64>,
    /// All of it in a sentence.
    pub text: String,
}

/// Whether a model fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// On one card, as all is now.
    OneCard,
    /// In the host's memory, of a machine without GPUs.
    Host,
    /// On several cards of one vendor, as all is now: llama.cpp and Ollama put some layers on each.
    Split,
    /// Only when Ollama unloads models, which it may.
    AfterUnload,
    /// Not even then.
    No,
    /// Not enough is known.
    #[default]
    Unknown,
}

impl Verdict {
    /// Every verdict, the best first.
    pub const ALL: [Verdict; 6] =
        [Self::OneCard, Self::Host, Self::Split, Self::AfterUnload, Self::No, Self::Unknown];

    /// Its name in labels and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneCard => "one_card",
            Self::Host => "host",
            Self::Split => "split",
            Self::AfterUnload => "after_unload",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// A model that is loaded and may be unloaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unload {
    /// The Ollama it is on.
    pub target: String,
    /// Its name there.
    pub model: String,
    /// Memory of cards that it gives back, bytes.
    pub bytes: u64,
}

/// Whether a model that needs so much memory fits on this machine's cards; of a machine without any, in its
/// memory. What the driver takes for a new process ([`PROCESS_BYTES`] a card) is taken into account; what a context
/// takes is not: it belongs to the bytes asked for.
pub fn fits(view: &View, bytes: u64) -> Fit {
    let fit = Fit { bytes, ..Fit::default() };
    if view.gpus.cards.is_empty() {
        return in_host(view, fit);
    }
    let rooms = Rooms::of(view);
    if rooms.cards.is_empty() {
        return Fit { text: "not known: no GPU tells how much of its memory is free".into(), ..fit };
    }
    if let Some(best) = rooms.cards.iter().find(|card| card.room() >= bytes) {
        let text = format!("fits on {}: room for {}", best.name(), size(best.room()));
        return Fit { verdict: Verdict::OneCard, cards: vec![best.uuid()], text, ..fit };
    }
    if let Some(split) = rooms.split(bytes) {
        let names: Vec<String> = split.iter().map(|card| card.name()).collect();
        let text = format!("fits only if its layers are split over {}", names.join(" and "));
        return Fit {
            verdict: Verdict::Split,
            cards: split.iter().map(|card| card.uuid()).collect(),
            text,
            ..fit
        };
    }
    if let Some((cards, unload)) = rooms.after_unload(bytes).or_else(|| rooms.split_after_unload(bytes)) {
        let over = if cards.len() > 1 { "split over" } else { "on" };
        let on: Vec<String> = cards.iter().map(|card| card.name()).collect();
        let names: Vec<&str> = unload.iter().map(|model| model.model.as_str()).collect();
        let text = format!("fits {over} {} once Ollama unloads {}", on.join(" and "), names.join(" and "));
        let cards = cards.iter().map(|card| card.uuid()).collect();
        return Fit { verdict: Verdict::AfterUnload, cards, unload, text, ..fit };
    }
    let missing = bytes.saturating_sub(rooms.most());
    let text =
        format!("does not fit: {} too little, even with every model unloaded that may be", size(missing));
    Fit { verdict: Verdict::No, missing_bytes: Some(missing), text, ..fit }
}

/// On a machine without GPUs. One whose driver is out of order may have some.
fn in_host(view: &View, fit: Fit) -> Fit {
    let broken =
        view.gpus.backends.iter().find(|backend| {
            !backend.up && backend.reason.as_deref().is_some_and(|reason| reason != "no_driver")
        });
    if let Some(backend) = broken {
        let text = format!("not known: the GPUs cannot be read ({})", backend.name);
        return Fit { text, ..fit };
    }
    match host_available(view) {
        None => Fit { text: "not known: there is no GPU, and nothing tells of the memory".into(), ..fit },
        Some(available) if available >= fit.bytes => {
            let text =
                format!("fits in the memory for the CPU: {} are available; there is no GPU", size(available));
            Fit { verdict: Verdict::Host, text, ..fit }
        }
        Some(available) => {
            let missing = fit.bytes - available;
            let text = format!("does not fit: {} too little memory; there is no GPU", size(missing));
            Fit { verdict: Verdict::No, missing_bytes: Some(missing), text, ..fit }
        }
    }
}

/// What programs of the machine could still get, in bytes. `None`: not told, or of several machines.
fn host_available(view: &View) -> Option<u64> {
    match &view.hosts[..] {
        [host] => host.memory.available_bytes,
        _ => None,
    }
}

/// What could be loaded where.
struct Rooms<'a> {
    /// The cards that tell: those that are well, then the others, the one with the most room first.
    cards: Vec<Room<'a>>,
    /// What could be unloaded, the first to expire first.
    loaded: Vec<Loaded<'a>>,
}

struct Room<'a> {
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
    fn of(view: &'a View) -> Rooms<'a> {
        let host = host_available(view);
        let cards = view.gpus.cards.iter();
        let mut cards: Vec<Room<'a>> =
            cards.filter_map(|card| Some(Room { card, free: free(&card.told, host)? })).collect();
        // One that needs a look may be reset soon: it comes last.
        cards.sort_by_key(|room| (room.card.health(), std::cmp::Reverse(room.free)));
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
    fn split(&self, bytes: u64) -> Option<Vec<&Room<'a>>> {
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
    fn after_unload(&self, bytes: u64) -> Option<(Vec<&Room<'a>>, Vec<Unload>)> {
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
    fn split_after_unload(&self, bytes: u64) -> Option<(Vec<&Room<'a>>, Vec<Unload>)> {
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
    fn most(&self) -> u64 {
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
    fn room(&self) -> u64 {
        self.free.saturating_sub(PROCESS_BYTES)
    }

    fn may_share(&self) -> bool {
        let divided = self.card.told.mig.as_ref().is_some_and(|mig| mig.enabled);
        self.card.told.shared_memory != Some(true) && !divided
    }

    fn uuid(&self) -> String {
        self.card.told.uuid.clone()
    }

    fn name(&self) -> String {
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

/// Bytes for people.
fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib >= 1.0 { format!("{gib:.1} GiB") } else { format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)) }
}
