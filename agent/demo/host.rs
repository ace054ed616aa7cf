//! The machine that the demo's servers run on. Pure but for the time since its start.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::time::Instant;

use super::DAY;
use crate::host::{Folder, Places, Source};
use crate::sample::{CpuSeconds, Disk, EnergySample, HostMemory, HostSample, PressureSample, Resource};

const GIB: u64 = 1 << 30;

const CPUS: u32 = 16;

/// It ran for so long before the demo, in seconds.
const UP_BEFORE: f64 = 9.0 * 86_400.0;

/// How busy the processors are over a day of the demo: this much, and up and down by `SWING`.
const BUSY: f64 = 0.22;
const SWING: f64 = 0.14;

/// What the package draws idle, and more when all of it is busy, in watts.
const IDLE_WATTS: f64 = 38.0;
const BUSY_WATTS: f64 = 130.0;

/// A host that is not there.
#[derive(Debug)]
pub struct DemoHost {
    start: (Instant, Timestamp),
}

impl Default for DemoHost {
    fn default() -> Self {
        DemoHost { start: (Instant::now(), Timestamp::now()) }
    }
}

impl DemoHost {
    /// What it shows that many seconds after its start.
    fn at(&self, seconds: f64) -> HostSample {
        let phase = TAU * seconds / DAY;
        // The integral of BUSY + SWING·sin: what was busy since the start.
        let busy = BUSY * (UP_BEFORE + seconds) + SWING * DAY / TAU * (1.0 - phase.cos());
        let all = UP_BEFORE + seconds;
        let cpus = f64::from(CPUS);
        let part = |of_busy: f64| Some(cpus * busy * of_busy);
        let used = 21.0 + 4.0 * phase.sin();
        let gib = |gib: f64| (gib * GIB as f64) as u64;
        let waiting = |resource, seconds: f64, ratio| PressureSample {
            resource,
            waiting_seconds: Some(seconds),
            stalled_seconds: (resource != Resource::Cpu).then_some(seconds / 3.0),
            waiting_ratio: Some(ratio),
            stalled_ratio: (resource != Resource::Cpu).then_some(ratio / 3.0),
        };
        HostSample {
            name: Some("demo-host".into()),
            booted_at: Timestamp::from_second(self.start.1.as_second() - UP_BEFORE as i64).ok(),
            cpus: Some(CPUS),
            cpu_seconds: CpuSeconds {
                user: part(0.82),
                nice: Some(0.0),
                system: part(0.15),
                iowait: Some(all * 0.05),
                irq: part(0.01),
                softirq: part(0.02),
                steal: Some(0.0),
                idle: Some(cpus * (all - busy) - all * 0.05),
            },
            memory: HostMemory {
                total_bytes: Some(64 * GIB),
                available_bytes: Some(64 * GIB - gib(used)),
                free_bytes: Some(gib(6.5)),
                page_cache_bytes: Some(gib(57.0 - used)),
                zfs_cache_bytes: None,
                swap_total_bytes: Some(8 * GIB),
                swap_free_bytes: Some(8 * GIB),
                swapped_in_bytes: Some(0),
                swapped_out_bytes: Some(0),
                oom_kills: Some(0),
            },
            pressure: vec![
                waiting(Resource::Cpu, busy * 0.03, 0.03),
                waiting(Resource::Memory, 0.0, 0.0),
                waiting(Resource::Io, all * 0.004, 0.004),
            ],
            cgroups: Vec::new(),
            folders: Vec::new(),
            energy: vec![EnergySample {
                domain: "package-0".into(),
                joules: IDLE_WATTS * all + BUSY_WATTS * busy,
                wraps_at_joules: None,
            }],
            notes: Vec::new(),
        }
    }
}

impl Source for DemoHost {
    fn places(&self) -> Places {
        let path = PathBuf::from("/demo/ollama/models");
        let folder = Folder { name: path.display().to_string(), path, why: "demo-ollama".into() };
        Places { folders: vec![folder], cgroups: Vec::new() }
    }

    fn look(&self, _places: &Places) -> HostSample {
        self.at(self.start.0.elapsed().as_secs_f64())
    }

    fn disk(&self, _folder: &Path) -> Result<Disk, String> {
        Ok(Disk { size_bytes: 931 * GIB, used_bytes: 402 * GIB, available_bytes: 482 * GIB })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_counts_only_grow_and_its_processors_are_never_more_than_busy() {
        let host = DemoHost::default();
        let mut before = host.at(0.0);
        for second in 1..600 {
            let now = host.at(f64::from(second));
            let modes = now.cpu_seconds.by_mode().into_iter().zip(before.cpu_seconds.by_mode());
            let grown: Vec<f64> = modes.map(|(now, before)| now.unwrap() - before.unwrap()).collect();
            assert!(grown.iter().all(|grown| *grown >= 0.0), "at {second}: {grown:?}");
            assert!((grown.iter().sum::<f64>() - f64::from(CPUS)).abs() < 0.01, "at {second}: {grown:?}");
            assert!(now.energy[0].joules > before.energy[0].joules);
            before = now;
        }
    }
}
