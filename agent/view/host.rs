//! The host, as the outside sees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Health;
pub use crate::sample::{CgroupSample, CpuSeconds, Disk, FolderSample, HostMemory, PressureSample, Resource};
use crate::sample::{Note, NoteLevel};

/// The machine that the agent runs on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostView {
    /// Its name; of several agents' hosts, with the agent's before it.
    pub name: Option<String>,
    /// When it was last looked at with success.
    pub read_at: Option<Timestamp>,
    /// How long the last look took, in seconds.
    pub read_duration_seconds: Option<f64>,
    /// Why nothing is known now.
    pub error: Option<String>,
    /// When its kernel started.
    pub booted_at: Option<Timestamp>,
    /// Processors it runs on.
    pub cpus: Option<u32>,
    /// Time of all processors together, by what they did; only grows.
    pub cpu_seconds: CpuSeconds,
    /// Part of their time in which they worked between the last two looks, 0..1.
    pub cpu_use_ratio: Option<f64>,
    /// Memory and swap.
    pub memory: HostMemory,
    /// When a process was last seen to have been killed for want of memory. `None`: not since the
    /// agent looks.
    pub oom_killed_at: Option<Timestamp>,
    /// How long work had to wait.
    pub pressure: Vec<PressureSample>,
    /// Memory limits below the machine's own.
    pub cgroups: Vec<CgroupSample>,
    /// The disks below the folders that models lie in.
    pub folders: Vec<FolderSample>,
    /// The processor's energy.
    pub energy: Vec<EnergyView>,
    /// What is missing or odd, why, and what to do.
    pub notes: Vec<Note>,
}

/// The energy that one part of the processor took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnergyView {
    /// Which part, such as `package-0`. Parts of a package are in the package's own energy, but for
    /// `dram` of servers; `psys` is the whole machine's.
    pub domain: String,
    /// What it took, in joules; only grows while the agent runs, whatever its meter does.
    pub joules: f64,
    /// What it drew between the last two looks, in watts.
    pub watts: Option<f64>,
}

impl HostView {
    /// How the host fares. One that cannot be read is no fault of it.
    pub fn health(&self) -> Health {
        let warns = self.notes.iter().any(|note| note.level == NoteLevel::Warning);
        if warns { Health::Warning } else { Health::Ok }
    }

    /// What all packages of the processor draw, in watts. `None` where one is not told.
    pub fn package_watts(&self) -> Option<f64> {
        let is_package = |domain: &str| {
            let nth = domain.strip_prefix("package-").unwrap_or_default();
            !nth.is_empty() && nth.bytes().all(|byte| byte.is_ascii_digit())
        };
        let packages = self.energy.iter().filter(|energy| is_package(&energy.domain));
        let watts: Vec<f64> = packages.map(|energy| energy.watts).collect::<Option<_>>()?;
        (!watts.is_empty()).then(|| watts.iter().sum())
    }

    /// Memory that is not available for programs, in bytes. What ZFS would give up is available.
    pub fn memory_used_bytes(&self) -> Option<u64> {
        let available = self.memory.available_bytes?.saturating_add(self.memory.zfs_cache_bytes.unwrap_or(0));
        Some(self.memory.total_bytes?.saturating_sub(available))
    }
}
