//! Whether a model of so many bytes fits beside what is loaded. Pure.

use serde::{Deserialize, Serialize};

use super::View;
use crate::sample::GpuSample;

mod rooms;
#[cfg(test)]
mod tests;

use rooms::Rooms;

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
/// memory. What the driver takes for a new process ([`PROCESS_BYTES`](super::PROCESS_BYTES) a card) is taken into account; what a context
/// takes is not: it belongs to the bytes asked for.
pub fn fits(view: &View, bytes: u64) -> Fit {
    let fit = Fit { bytes, ..Fit::default() };
    if view.gpus.cards.iter().all(|card| draws_only(&card.told)) {
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

/// Whether it is the graphics inside a processor of Intel: servers leave it to the desktop unless told otherwise.
fn draws_only(card: &GpuSample) -> bool {
    card.vendor == "intel" && card.shared_memory == Some(true)
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

/// Bytes for people.
fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib >= 1.0 { format!("{gib:.1} GiB") } else { format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)) }
}
