//! What one read of a GPU saw. Every reading may be missing: cards, drivers and permissions differ in what
//! they tell. Why it is missing stands in [`GpuSample::untold`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod events;
mod parts;

pub use events::{CardRef, HangEvent, XidEvent, XidSource};
pub use parts::{
    CardFault, Clock, EccErrors, Fan, GpuProcess, Mig, MigInstance, NvLinks, PcieLink, ProcessKind,
};

/// Readings by a closed word, such as the sensor or the reason.
pub type Readings = BTreeMap<String, f64>;

/// Why a card's clocks may be held down, as labels and JSON spell it (NVML: clocks event reasons).
pub const THROTTLE_REASONS: [&str; 9] = [
    "idle",
    "applications_clocks",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal",
    "hw_thermal",
    "hw_power_brake",
    "display_clocks",
];

/// What a driver asks for when a card needs help (NVML: GPU recovery action).
pub const RECOVERY_ACTIONS: [&str; 8] = [
    "none",
    "reset",
    "reboot",
    "drain_p2p",
    "drain_and_reset",
    "recover_imex_domain",
    "bus_reset",
    "system_reboot",
];

/// How far a card is in joining its NVLink fabric (NVML: GPU fabric state).
pub const FABRIC_STATES: [&str; 3] = ["not_started", "in_progress", "completed"];

/// One card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuSample {
    /// The card's UUID, which stays when indices change. Where the driver tells none: its PCI address as
    /// `pci-0000:03:00.0`, or `index-N`.
    pub uuid: String,
    /// Its index in the driver's order, which may change with a reset.
    pub index: Option<u32>,
    /// Product name.
    pub name: Option<String>,
    /// `nvidia`, `amd`, `intel`.
    pub vendor: String,
    /// Driver version.
    pub driver: Option<String>,
    /// Newest CUDA version that the driver runs, such as `12.8`.
    pub cuda: Option<String>,
    /// PCI address as the kernel writes it: `0000:3b:00.0`.
    pub pci: Option<String>,
    /// VBIOS version.
    pub vbios: Option<String>,
    /// It has no memory of its own and takes the machine's (GB10, Jetson, APUs). `None`: not known.
    pub shared_memory: Option<bool>,
    /// Why it gives no readings now. `None`: it gives some.
    pub fault: Option<CardFault>,

    /// Part of the time in which something computed, 0..1.
    pub utilization_ratio: Option<f64>,
    /// Part of the time in which memory was read or written, 0..1.
    pub memory_utilization_ratio: Option<f64>,
    /// Part of the time in which the video encoder worked, 0..1.
    pub encoder_utilization_ratio: Option<f64>,
    /// Part of the time in which the video decoder worked, 0..1.
    pub decoder_utilization_ratio: Option<f64>,
    /// Memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that programs use, in bytes, without what the driver reserves; with it where
    /// `memory_reserved_bytes` is not told (NVIDIA's drivers before 510).
    pub memory_used_bytes: Option<u64>,
    /// Memory free, in bytes.
    pub memory_free_bytes: Option<u64>,
    /// Memory that the driver keeps for itself, in bytes.
    pub memory_reserved_bytes: Option<u64>,
    /// BAR1 memory, mapped for other devices and the CPU, in use and in all, in bytes.
    pub bar1_used_bytes: Option<u64>,
    /// See [`GpuSample::bar1_used_bytes`].
    pub bar1_total_bytes: Option<u64>,

    /// Degrees Celsius by sensor: `die`, `memory`; of AMD also `hotspot`.
    pub temperatures_celsius: Readings,
    /// Degrees Celsius at which the card acts: `slowdown`, `shutdown`, `memory_slowdown`, `operation`; of
    /// AMD also `hotspot_slowdown`.
    pub temperature_limits_celsius: Readings,
    /// How many degrees Celsius the die is below its slowdown; of AMD the hotspot, where that is nearer.
    pub temperature_margin_celsius: Option<f64>,
    /// Power drawn now, in watts. NVIDIA's Ampere and later cards: the average of the last second.
    /// Intel's: the average since the last read. APUs: with the processor's cores.
    pub power_watts: Option<f64>,
    /// Power limit in force, in watts.
    pub power_limit_watts: Option<f64>,
    /// Power limit as the card was shipped, in watts.
    pub power_limit_default_watts: Option<f64>,
    /// Energy by the card's own counter, in joules; it starts anew with the driver or wraps. `None`: the card
    /// counts none.
    pub energy_joules: Option<f64>,

    /// Clocks, by their names: `graphics`, `sm`, `memory`, `video`.
    pub clocks: BTreeMap<String, Clock>,
    /// Performance state: 0 is the fastest, 15 the slowest.
    pub performance_state: Option<u32>,
    /// Whether clocks are held down now, by [`THROTTLE_REASONS`]. Empty: not told.
    pub throttled: BTreeMap<String, bool>,
    /// Seconds in which clocks were held down, by reason, by the driver's own counters, which start anew with it.
    pub throttled_seconds: Readings,

    /// Whether memory errors are corrected.
    pub ecc_enabled: Option<bool>,
    /// Memory errors since the driver was loaded.
    pub ecc_errors: Vec<EccErrors>,
    /// Rows of memory that were remapped, by cause: `correctable`, `uncorrectable`.
    pub remapped_rows: Readings,
    /// A remapping waits for a reset of the card.
    pub row_remap_pending: Option<bool>,
    /// A remapping failed: the card should be replaced.
    pub row_remap_failed: Option<bool>,
    /// Pages of memory that were retired (cards before Ampere), by cause: `single_bit`, `double_bit`; of AMD
    /// `uncorrectable`.
    pub retired_pages: Readings,
    /// A retirement waits for a reset or reboot.
    pub retired_pages_pending: Option<bool>,
    /// What the driver asks for: one of [`RECOVERY_ACTIONS`].
    pub recovery_action: Option<String>,

    /// The PCI Express link.
    pub pcie: PcieLink,
    /// The NVLinks. `None`: it has none, or does not tell.
    pub nvlinks: Option<NvLinks>,
    /// State of the NVLink fabric: one of [`FABRIC_STATES`]. `None`: it is in none.
    pub fabric_state: Option<String>,
    /// Fans. Empty: passively cooled, or not told.
    pub fans: Vec<Fan>,
    /// Whether the driver stays loaded when nobody uses the card.
    pub persistence: Option<bool>,

    /// Multi-instance GPU. `None`: it cannot be divided, or does not tell.
    pub mig: Option<Mig>,
    /// The processes that hold memory of the card. `None`: the list cannot be read.
    pub processes: Option<Vec<GpuProcess>>,

    /// Readings that are missing, and why: the field's name, with dots where it has parts (`clocks.memory.hertz`),
    /// and `not_supported`, `no_permission`, `old_driver`, `implausible`, `suspended` (the card sleeps), `not_yet` (it
    /// is made of two reads) or the driver's own words. `process_targets`: why no process is joined to its target
    /// (`container`: ids here are others').
    pub untold: BTreeMap<String, String>,
    /// How long this card's read took, in seconds.
    pub read_seconds: Option<f64>,
}

impl GpuSample {
    /// The temperature by which a person knows the card: of its die, or of its hottest spot where that alone is
    /// told (AMD's Instinct), in degrees Celsius.
    pub fn celsius(&self) -> Option<f64> {
        let of = |sensor| self.temperatures_celsius.get(sensor).copied();
        of("die").or_else(|| of("hotspot"))
    }

    /// Whether the kernel put it to sleep because nobody uses it, so that it was not read.
    pub fn sleeps(&self) -> bool {
        self.untold.get("utilization_ratio").is_some_and(|why| why == "suspended")
    }

    /// A card that gives no readings: what it is, and why it is silent.
    #[must_use]
    pub fn silent(&self, fault: CardFault) -> GpuSample {
        GpuSample {
            uuid: self.uuid.clone(),
            index: self.index,
            name: self.name.clone(),
            vendor: self.vendor.clone(),
            driver: self.driver.clone(),
            cuda: self.cuda.clone(),
            pci: self.pci.clone(),
            vbios: self.vbios.clone(),
            shared_memory: self.shared_memory,
            fault: Some(fault),
            ..GpuSample::default()
        }
    }
}
