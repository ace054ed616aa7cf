//! The memory of AMD's cards and processors.
//!
//! The graphics inside a processor has a part of the machine's memory set aside at boot (its VRAM), often no more
//! than 512 MiB, and may map more of it when it needs to (GTT): models are loaded into either. So both together
//! are its memory. What is free of the latter is no more than what the machine has left.

use std::path::Path;

use crate::gpus::drm::files::{self, Reading, Told, Untold};
use crate::sample::GpuSample;

/// No card has more, 64 TiB.
const MOST_BYTES: u64 = 1 << 46;

/// Tells the card's memory. `shared`: it is part of the machine's.
pub(super) fn tell(device: &Path, procfs: &Path, shared: bool, card: &mut GpuSample, told: &mut Told) {
    let vram = Pool::read(device, "vram");
    let pool = match (shared, Pool::read(device, "gtt")) {
        (true, gtt) => vram.with(&gtt, machine_available(procfs)),
        (false, _) => vram,
    };
    card.memory_total_bytes = told.keep("memory_total_bytes", pool.total);
    card.memory_used_bytes = told.keep("memory_used_bytes", pool.used);
    card.memory_free_bytes = told.keep("memory_free_bytes", pool.free);
}

/// One sort of memory, in bytes.
struct Pool {
    total: Reading<u64>,
    used: Reading<u64>,
    free: Reading<u64>,
}

impl Pool {
    fn read(device: &Path, name: &str) -> Pool {
        let file = |what: &str| {
            let path = device.join(format!("mem_info_{name}_{what}"));
            files::number_in(&path, 0, MOST_BYTES)
        };
        let total =
            file("total").and_then(|total| if total > 0 { Ok(total) } else { Err(Untold::Implausible) });
        let used = file("used");
        match (total, used) {
            (Ok(total), Ok(used)) if used > total => {
                Pool { total: Ok(total), used: Err(Untold::Implausible), free: Err(Untold::Implausible) }
            }
            (Ok(total), Ok(used)) => Pool { total: Ok(total), used: Ok(used), free: Ok(total - used) },
            (total, used) => {
                let why = total.clone().and(used.clone()).err().unwrap_or(Untold::NotSupported);
                Pool { total, used, free: Err(why) }
            }
        }
    }

    /// Both together; of the other no more is free than the machine has.
    fn with(self, other: &Pool, available: Option<u64>) -> Pool {
        let both = |one: Reading<u64>, other: &Reading<u64>| Ok(one? + other.clone()?);
        let left = other.free.clone().map(|free| available.map_or(free, |available| available.min(free)));
        Pool {
            total: both(self.total, &other.total),
            used: both(self.used, &other.used),
            free: both(self.free, &left),
        }
    }
}

/// What programs may still take of the machine's memory, in bytes.
fn machine_available(procfs: &Path) -> Option<u64> {
    let text = files::text(&procfs.join("meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
