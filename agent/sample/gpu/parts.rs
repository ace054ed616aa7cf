//! The parts of a card's story: why it is silent, its clocks, links, fans, instances and processes.

use serde::{Deserialize, Serialize};

use super::Readings;

/// Why a card gives no readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardFault {
    /// A closed word, one of [`CardFault::REASONS`].
    pub reason: String,
    /// The same in a sentence.
    pub error: String,
}

/// One clock.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// Now, in hertz.
    pub hertz: Option<f64>,
    /// The most it can be, in hertz.
    pub max_hertz: Option<f64>,
}

/// Memory errors of one kind in one memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EccErrors {
    /// `corrected` or `uncorrected`.
    pub kind: String,
    /// `dram`, `sram`, or `all` where the driver tells only the sum; of AMD the block's name, such as `umc`.
    pub memory: String,
    /// How many since the driver was loaded.
    pub count: u64,
}

/// The PCI Express link.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PcieLink {
    /// Generation now; it falls when the card idles.
    pub generation: Option<u32>,
    /// The best generation that card, slot and system agree on.
    pub generation_max: Option<u32>,
    /// Lanes now.
    pub width: Option<u32>,
    /// The most lanes that card and slot agree on.
    pub width_max: Option<u32>,
    /// Packets sent again, a counter.
    pub replays: Option<u64>,
    /// Bytes to the card, a counter, where the driver keeps one.
    pub received_bytes: Option<u64>,
    /// Bytes from the card, a counter, where the driver keeps one.
    pub sent_bytes: Option<u64>,
}

/// All NVLinks of a card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NvLinks {
    /// Links that are up.
    pub active: u32,
    /// Links that are down.
    pub inactive: u32,
    /// Errors over all links, counters, by kind: `replay`, `recovery`, `crc`; of NVLink 5 `recovery`, `receive`.
    pub errors: Readings,
    /// Bytes received over all links, a counter.
    pub received_bytes: Option<u64>,
    /// Bytes sent over all links, a counter.
    pub sent_bytes: Option<u64>,
}

/// One fan.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fan {
    /// Its number, from 0.
    pub fan: u32,
    /// Its speed as a part of the most; may be above 1.
    pub ratio: Option<f64>,
    /// Its speed in turns a minute.
    pub rpm: Option<u32>,
}

/// How a card is divided.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mig {
    /// It is divided now.
    pub enabled: bool,
    /// It will be after the next reset.
    pub pending: Option<bool>,
    /// The instances.
    pub instances: Vec<MigInstance>,
}

/// A part of a card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MigInstance {
    /// Its UUID: `MIG-…`.
    pub uuid: String,
    /// GPU instance and compute instance, as nvidia-smi numbers them.
    pub gpu_instance: Option<u32>,
    /// See [`MigInstance::gpu_instance`].
    pub compute_instance: Option<u32>,
    /// Its profile, such as `1g.10gb`.
    pub profile: Option<String>,
    /// Memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory free, in bytes.
    pub memory_free_bytes: Option<u64>,
}

/// A process that uses a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuProcess {
    /// Its id on the host.
    pub pid: u32,
    /// What it does there.
    pub kind: ProcessKind,
    /// Memory of the card that it holds, in bytes. `None`: the driver does not tell.
    pub memory_bytes: Option<u64>,
    /// Part of the card's time that it computed since the last read, 0..1.
    pub utilization_ratio: Option<f64>,
    /// The MIG instance that it is in, by GPU instance.
    pub gpu_instance: Option<u32>,
    /// Its program's name, never its arguments.
    pub name: Option<String>,
    /// The target whose process it is. `None`: of no target, or not known.
    pub target: Option<String>,
}

/// What a process does on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// It computes.
    Compute,
    /// It draws.
    Graphics,
}

impl CardFault {
    /// Every reason: it fell off the bus; it must be reset before it works again; the driver does not answer for
    /// it; the driver no longer lists it; the config expects it and it was never seen; it was not read lately; the
    /// driver as a whole cannot be used, for one of four reasons, or this user may not; anything else.
    pub const REASONS: [&'static str; 12] = [
        "lost",
        "reset_required",
        "timeout",
        "gone",
        "missing",
        "stale",
        "no_driver",
        "library_missing",
        "driver_not_loaded",
        "driver_mismatch",
        "no_permission",
        "other",
    ];

    /// A fault by its closed word, and in a sentence.
    pub fn new(reason: &str, error: impl Into<String>) -> CardFault {
        CardFault { reason: reason.into(), error: error.into() }
    }
}
