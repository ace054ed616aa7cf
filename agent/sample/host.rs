//! What one look at the host saw: the machine that the agent and its model servers run on.
//!
//! `None` means "it did not say", never zero.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Note;

/// One look at the host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostSample {
    /// The machine's name (`/proc/sys/kernel/hostname`); inside a container the container's.
    pub name: Option<String>,
    /// When the kernel started (`btime` of `/proc/stat`).
    pub booted_at: Option<Timestamp>,
    /// Processors that the kernel runs on now (the lines `cpuN` of `/proc/stat`).
    pub cpus: Option<u32>,
    /// Time of all processors together, by what they did.
    pub cpu_seconds: CpuSeconds,
    /// Memory, swap and what came of a want of them.
    pub memory: HostMemory,
    /// How long work had to wait, by what for. Empty where the kernel does not tell.
    pub pressure: Vec<PressureSample>,
    /// Memory limits below the machine's own, of the agent's container and of model servers.
    pub cgroups: Vec<CgroupSample>,
    /// The disks below the folders that models lie in.
    pub folders: Vec<FolderSample>,
    /// The processor's energy meters.
    pub energy: Vec<EnergySample>,
    /// What is missing or odd, why, and what to do about it.
    pub notes: Vec<Note>,
}

/// Time of all processors together since the start of the kernel, in seconds (the line `cpu` of
/// `/proc/stat`). Time of guests is in `user` and `nice`, as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CpuSeconds {
    /// In programs.
    pub user: Option<f64>,
    /// In programs of low priority.
    pub nice: Option<f64>,
    /// In the kernel.
    pub system: Option<f64>,
    /// With nothing to do but to wait for a disk. An estimate: it may fall by little.
    pub iowait: Option<f64>,
    /// In interrupts.
    pub irq: Option<f64>,
    /// In the later part of interrupts.
    pub softirq: Option<f64>,
    /// Taken by the machine that this virtual one runs on.
    pub steal: Option<f64>,
    /// With nothing to do.
    pub idle: Option<f64>,
}

impl CpuSeconds {
    /// What a processor may do, in the order of [`CpuSeconds::by_mode`].
    pub const MODES: [&'static str; 8] =
        ["user", "nice", "system", "iowait", "irq", "softirq", "steal", "idle"];

    /// The seconds in the order of [`CpuSeconds::MODES`].
    pub fn by_mode(&self) -> [Option<f64>; 8] {
        [self.user, self.nice, self.system, self.iowait, self.irq, self.softirq, self.steal, self.idle]
    }

    /// The other way round.
    pub fn of_modes(seconds: [Option<f64>; 8]) -> CpuSeconds {
        let [user, nice, system, iowait, irq, softirq, steal, idle] = seconds;
        CpuSeconds { user, nice, system, iowait, irq, softirq, steal, idle }
    }
}

/// Memory of the machine (`/proc/meminfo`, `/proc/vmstat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostMemory {
    /// Memory in all, in bytes (`MemTotal`).
    pub total_bytes: Option<u64>,
    /// What programs could still get without swapping, in bytes, by the kernel's own estimate
    /// (`MemAvailable`).
    pub available_bytes: Option<u64>,
    /// What nobody uses for anything, in bytes (`MemFree`).
    pub free_bytes: Option<u64>,
    /// Files held in memory, in bytes (`Cached` + `Buffers` - `Shmem`): models that are mapped are
    /// here. The kernel gives it up for programs; a model then runs at the speed of its disk.
    pub page_cache_bytes: Option<u64>,
    /// The part of ZFS's own cache that it gives up for programs, in bytes (`size` - `c_min` of its
    /// `arcstats`). The kernel counts it neither as available nor as files.
    pub zfs_cache_bytes: Option<u64>,
    /// Swap in all, in bytes (`SwapTotal`). Zero: there is none.
    pub swap_total_bytes: Option<u64>,
    /// Swap that is free, in bytes (`SwapFree`).
    pub swap_free_bytes: Option<u64>,
    /// Read back from swap since the start of the kernel, in bytes (`pswpin`).
    pub swapped_in_bytes: Option<u64>,
    /// Written to swap since the start of the kernel, in bytes (`pswpout`).
    pub swapped_out_bytes: Option<u64>,
    /// Processes that the kernel killed for want of memory since its start (`oom_kill`), those of a
    /// container's limit included.
    pub oom_kills: Option<u64>,
}

/// What work may have to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A processor.
    Cpu,
    /// Memory: pages that must be read back or made free first.
    Memory,
    /// A disk.
    Io,
}

impl Resource {
    /// Every resource, in the order of the metric's documentation.
    pub const ALL: [Resource; 3] = [Self::Cpu, Self::Memory, Self::Io];

    /// Its name in labels and JSON, and the name of the kernel's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }
}

/// How long work had to wait for a resource (`/proc/pressure/*`, PSI).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PressureSample {
    /// What for.
    pub resource: Resource,
    /// Time in which some of the work waited, in seconds since the start of the kernel.
    pub waiting_seconds: Option<f64>,
    /// Time in which all of the work waited. Not defined of the processors of a whole machine.
    pub stalled_seconds: Option<f64>,
    /// Part of the last minute in which some waited, 0..1, as the kernel reckons it.
    pub waiting_ratio: Option<f64>,
    /// Part of the last minute in which all waited, 0..1.
    pub stalled_ratio: Option<f64>,
}

/// A memory limit below the machine's own: the one that kills what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupSample {
    /// The control group, such as `/system.slice/ollama.service`; `/` is the agent's own container.
    pub cgroup: String,
    /// The limit, in bytes (`memory.max`; v1: `memory.limit_in_bytes`).
    pub limit_bytes: Option<u64>,
    /// From here on its processes are slowed, in bytes (`memory.high`).
    pub high_bytes: Option<u64>,
    /// What it uses, files held in memory included, in bytes (`memory.current`).
    pub used_bytes: Option<u64>,
    /// The part of that which is files and can be given up, in bytes (`file` - `shmem` of `memory.stat`).
    pub page_cache_bytes: Option<u64>,
    /// Processes of it that were killed for want of memory (`oom_kill` of `memory.events`).
    pub oom_kills: Option<u64>,
}

/// The filesystem that holds a folder of models.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderSample {
    /// The folder, as its server sees it.
    pub folder: String,
    /// How it was come upon, such as `ollama, pid 812`.
    pub why: String,
    /// The disk below it. `None`: `error` says why.
    pub disk: Option<Disk>,
    /// Why the disk could not be asked.
    pub error: Option<String>,
    /// The disk gives no answer at all, for longer than a slow one takes: a network mount without its
    /// server.
    pub hangs: bool,
}

/// Room on a filesystem (`statvfs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Disk {
    /// In all, in bytes.
    pub size_bytes: u64,
    /// What is used, in bytes. With `available_bytes` less than the whole where some is kept for root.
    pub used_bytes: u64,
    /// What a user who is not root may still write, in bytes.
    pub available_bytes: u64,
}

/// One energy meter of the processor (RAPL, by the kernel's powercap).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnergySample {
    /// What it measures, such as `package-0` or `package-0-dram`.
    pub domain: String,
    /// Its count, in joules (`energy_uj`): begins anew at `wraps_at_joules`.
    pub joules: f64,
    /// Where it begins anew, in joules (`max_energy_range_uj`).
    pub wraps_at_joules: Option<f64>,
}
