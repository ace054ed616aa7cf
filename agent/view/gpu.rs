//! The GPUs as the outside sees them: what the last read told, and what was made of it since the agent
//! started.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sample::{GpuSample, Note, NoteLevel, Readings};
use crate::view::{Fit, Health};

/// The GPUs of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpusView {
    /// How each backend that was tried fared.
    pub backends: Vec<BackendView>,
    /// The cards, also those that are lost or only expected.
    pub cards: Vec<CardView>,
    /// How many cards the config expects. `None`: it says nothing.
    pub expected: Option<u32>,
    /// Of those expected, how many give no readings.
    pub missing: Option<u32>,
    /// XIDs of cards that no backend lists: a card that fell off the bus before it was read.
    pub strays: Vec<StrayXids>,
    /// Energy since the agent started that went to no target, joules: of processes of none, or of a time in which
    /// it is not known who worked. With the targets' own it is the energy of all cards. `None`: none is told.
    pub other_energy_joules: Option<f64>,
    /// Whether the model that the config means to load next fits. `None`: it says nothing.
    pub next_model: Option<Fit>,
    /// Whether the kernel's log is read for XIDs, and why not.
    pub kernel_log: Option<LogView>,
}

/// One way to read GPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendView {
    /// Its name, such as `nvml`.
    pub name: String,
    /// Whether the last read worked.
    pub up: bool,
    /// Why not: a closed word.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub error: Option<String>,
    /// How long the last read took, seconds.
    pub read_duration_seconds: Option<f64>,
    /// PCI lists a card of that maker which no driver has taken.
    pub card_without_driver: bool,
}

/// A log that is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogView {
    /// Where it is read from.
    pub source: String,
    /// Whether it is read.
    pub up: bool,
    /// Why not, and what would do, in a sentence.
    pub error: Option<String>,
    /// Records that were overwritten before they could be read, since the agent started.
    pub lost: u64,
    /// Work that hung on cards whose drivers have no XIDs (amdgpu, i915, xe), by card.
    pub hangs: Vec<HangCount>,
}

/// How often work hung on one card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HangCount {
    /// The card as its sample names it, or by its PCI address as `pci-0000:03:00.0` where nobody lists it.
    pub card: String,
    /// How often since boot, as far as the log goes back; what a driver says within a minute is one.
    pub count: u64,
    /// How many of them happened before the agent started.
    pub before_start: u64,
    /// When last. `None`: never.
    pub last_at: Option<Timestamp>,
    /// What the log said of the last one, short and cleaned.
    pub told: Option<String>,
}

/// One card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardView {
    /// What the last read told; without readings where it has a fault.
    #[serde(flatten)]
    pub told: GpuSample,
    /// When a card that gives no readings last gave some. `None`: it gives some, or never did.
    pub last_seen_at: Option<Timestamp>,
    /// Energy in joules, a counter: the card's own, or power summed up here since the agent started.
    pub energy_total_joules: Option<f64>,
    /// Where that comes from.
    pub energy_source: Option<EnergySource>,
    /// Energy in joules that the store keeps of it over restarts of the agent. `None`: no store keeps it.
    pub kept_energy_joules: Option<f64>,
    /// Seconds in which clocks were held down, by reason: the driver's own counters, or summed up here.
    pub throttled_total_seconds: Readings,
    /// XIDs since boot, as far as they were seen.
    pub xids: Vec<XidCount>,
    /// Who holds memory of the card, the most first.
    pub users: Vec<CardUser>,
    /// Memory that a new process could take for a model, in bytes: what is free, without what the driver takes
    /// for a process.
    pub headroom_bytes: Option<u64>,
    /// What is odd, why, and what to do.
    pub notes: Vec<Note>,
}

/// Where a card's energy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergySource {
    /// The card counts.
    Counter,
    /// Power at each read, times the time between.
    Integrated,
}

/// How often one XID was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XidCount {
    /// Its number, or `other`: all numbers beyond the most that are kept of a card.
    pub xid: String,
    /// How often. One that driver and kernel log both told counts once.
    pub count: u64,
    /// How many of them happened before the agent started: the kernel's log held them.
    pub before_start: u64,
    /// When last. `None`: never; it is listed so that a first one is seen as a step.
    pub last_at: Option<Timestamp>,
    /// How much it matters: `critical`, `warning`, `information`, `application`.
    pub severity: Option<String>,
    /// What it means, in a few words.
    pub meaning: Option<String>,
    /// What the kernel's log said of the last one, short and cleaned.
    pub told: Option<String>,
}

/// XIDs of a card that is not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayXids {
    /// Its UUID where the log or an earlier read told it, else its PCI address as `pci-0000:03:00.0`.
    pub card: String,
    /// What was seen of it.
    pub xids: Vec<XidCount>,
}

/// Who holds memory of a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardUser {
    /// The target, or `other` for all processes that are of none.
    pub target: String,
    /// Memory of the card, bytes. `None`: the driver does not tell it of every process.
    pub memory_bytes: Option<u64>,
    /// What is told of some of the processes where others are silent, bytes: it holds at least so much. `None`: all
    /// are told of, or none is.
    pub memory_at_least_bytes: Option<u64>,
    /// How many processes.
    pub processes: u32,
    /// Of how many of them the memory is not told.
    pub processes_untold: u32,
    /// Names of the programs, without repetition.
    pub programs: Vec<String>,
}

/// What a target takes of the GPUs, by its processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGpus {
    /// Memory by card UUID, bytes.
    pub memory_bytes: BTreeMap<String, u64>,
    /// Energy since the agent started, joules: its share of each card's.
    pub energy_joules: Option<f64>,
}

impl BackendView {
    /// How it fares. That a driver is absent is no news: a machine has that of one maker, or of none. That it is
    /// there and cannot be asked is: models may run on the processor, and nobody sees the cards. A library alone,
    /// without a card, comes with tools and containers.
    pub fn health(&self) -> Health {
        match self.reason.as_deref() {
            _ if self.up => Health::Ok,
            None | Some("no_driver") => Health::Ok,
            Some("driver_not_loaded") if !self.card_without_driver => Health::Ok,
            Some(_) => Health::Warning,
        }
    }
}

impl CardView {
    /// How the card fares: one that gives no readings does not work.
    pub fn health(&self) -> Health {
        if self.told.fault.is_some() {
            return Health::Critical;
        }
        if self.notes.iter().any(|note| note.level == NoteLevel::Warning) {
            Health::Warning
        } else {
            Health::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_is_absent_is_no_news_and_one_that_is_broken_is() {
        let backend = |reason: &str| BackendView { reason: Some(reason.into()), ..BackendView::default() };
        for broken in ["driver_mismatch", "library_missing", "no_permission", "timeout", "gpu_lost", "other"]
        {
            assert_eq!(backend(broken).health(), Health::Warning, "{broken}");
        }
        assert_eq!(backend("no_driver").health(), Health::Ok);
        assert_eq!(backend("driver_not_loaded").health(), Health::Ok, "a tool brought the library");
        let card = BackendView { card_without_driver: true, ..backend("driver_not_loaded") };
        assert_eq!(card.health(), Health::Warning, "its module was not built for the new kernel");
        assert_eq!(BackendView { up: true, ..card }.health(), Health::Ok);
    }
}
