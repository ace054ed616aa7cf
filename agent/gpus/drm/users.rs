//! Who uses a card, and how much of it: memory that each process holds, and the part of the time in which the
//! engines worked, out of what the engines did between two reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Found;
use super::client::{self, Client, Engine};
use super::files::{self, Reading, Untold};
use super::holders::Census;
use crate::sample::{GpuProcess, ProcessKind};

/// Engines that compute or draw, as amdgpu, i915 and xe name them; the others copy and play films.
const ENGINES: [&str; 5] = ["gfx", "render", "rcs", "compute", "ccs"];

/// Of those, the ones that only compute.
const COMPUTING: [&str; 2] = ["compute", "ccs"];

/// Less time than this between two reads says nothing.
const SHORTEST: Duration = Duration::from_millis(100);

/// The users of all cards of a backend.
#[derive(Debug)]
pub(in crate::gpus) struct Users {
    census: Census,
    procfs: PathBuf,
    /// By card, what its clients had made the engines do at the last read. Held only to copy in and out.
    before: Mutex<BTreeMap<String, Before>>,
}

#[derive(Debug)]
struct Before {
    at: Instant,
    engines: BTreeMap<u64, BTreeMap<String, Engine>>,
}

/// Who uses one card.
#[derive(Debug, Default)]
pub(in crate::gpus) struct Use {
    /// The processes that hold its files, by their ids.
    pub(in crate::gpus) processes: BTreeMap<u32, GpuProcess>,
    /// All of its users are seen: no process is hidden from this user.
    pub(in crate::gpus) whole: bool,
    /// Part of the time in which the busiest of its engines worked since the last read.
    busiest: Option<f64>,
    /// Of some file of the card that is held, the driver tells nothing.
    untold: bool,
    /// Some client's driver tells of memory.
    tells_memory: bool,
    /// Some client's driver tells of engines: xe does since Linux 6.11.
    tells_engines: bool,
}

impl Use {
    /// Memory that all of them hold. Not told where some may be hidden: part of a sum is no sum.
    pub(in crate::gpus) fn memory(&self) -> Reading<u64> {
        self.complete()?;
        if !self.tells_memory && !self.processes.is_empty() {
            return Err(Untold::NotSupported);
        }
        let all = self.processes.values().filter_map(|process| process.memory_bytes);
        Ok(all.fold(0, u64::saturating_add))
    }

    /// Part of the time in which the card worked since the last read, likewise.
    pub(in crate::gpus) fn utilization(&self) -> Reading<f64> {
        self.complete()?;
        if !self.tells_engines && !self.processes.is_empty() {
            return Err(Untold::NotSupported);
        }
        self.busiest.ok_or(Untold::NotYet)
    }

    fn complete(&self) -> Reading<()> {
        match (self.whole, self.untold) {
            (false, _) => Err(Untold::NoPermission),
            (true, true) => Err(Untold::NotSupported),
            (true, false) => Ok(()),
        }
    }

    /// The list of them. Where some are hidden it is told as far as it goes, and not at all where that is
    /// nowhere.
    pub(in crate::gpus) fn list(self) -> Reading<Vec<GpuProcess>> {
        if self.whole || !self.processes.is_empty() {
            Ok(self.processes.into_values().collect())
        } else {
            Err(Untold::NoPermission)
        }
    }
}

impl Users {
    /// Users among the processes at this root.
    pub(in crate::gpus) fn among(procfs: &Path) -> Users {
        Users { census: Census::of(procfs), procfs: procfs.to_path_buf(), before: Mutex::default() }
    }

    /// A process that uses a card, and nothing more known of it than its name.
    pub(in crate::gpus) fn process(&self, pid: u32) -> GpuProcess {
        GpuProcess {
            pid,
            kind: ProcessKind::Graphics,
            memory_bytes: None,
            utilization_ratio: None,
            gpu_instance: None,
            name: files::line(&self.procfs.join(pid.to_string()).join("comm")).ok(),
            target: None,
        }
    }

    /// Whether any process holds a file of the card. Reads nothing of the card.
    pub(in crate::gpus) fn is_held(&self, found: &Found) -> bool {
        let nodes = found.nodes();
        self.census.holders().held().any(|held| nodes.contains(&held.node))
    }

    /// Who uses the card; memory counts in the regions whose names begin so. At xe this wakes it.
    pub(in crate::gpus) fn of(&self, found: &Found, regions: &[&str]) -> Use {
        let (holders, nodes, pci) = (self.census.holders(), found.nodes(), found.pci.as_str());
        let mut all = Use { whole: !holders.some_hidden, ..Use::default() };
        let mut clients: Vec<(u32, Client)> = Vec::new();
        for held in holders.held().filter(|held| nodes.contains(&held.node)) {
            // One that cannot be read was closed meanwhile.
            let Ok(text) = files::text(&held.fdinfo) else { continue };
            match client::parse(&text) {
                // Several files, and several processes, may be the same client: it is the first one's.
                Some(client) if client.pci == pci => {
                    if clients.iter().all(|(_, known)| known.id != client.id) {
                        clients.push((held.pid, client));
                    }
                }
                Some(_) => {}
                // Older looks may be wrong by now: another file has that number.
                None => all.untold |= held.is_open(),
            }
        }
        let (shares, known) = self.shares(pci, &clients);
        let mut together: BTreeMap<&str, f64> = BTreeMap::new();
        for (pid, client) in &clients {
            let process = all.processes.entry(*pid).or_insert_with(|| self.process(*pid));
            let counts = |region: &str| regions.iter().any(|begin| region.starts_with(begin));
            for (_, bytes) in client.memory.iter().filter(|(region, _)| counts(region)) {
                process.memory_bytes = Some(process.memory_bytes.unwrap_or(0).saturating_add(*bytes));
                all.tells_memory = true;
            }
            if computes(client) {
                process.kind = ProcessKind::Compute;
            }
            all.tells_engines |= ENGINES.iter().any(|name| client.engines.contains_key(*name));
            // Of whom no engine is told, it is not known to be idle.
            if let Some(shares) = shares.get(&client.id).filter(|shares| !shares.is_empty()) {
                let most = shares.values().fold(0.0, |most: f64, share| most.max(*share));
                process.utilization_ratio = Some((process.utilization_ratio.unwrap_or(0.0) + most).min(1.0));
                for (engine, share) in shares {
                    *together.entry(engine).or_default() += share;
                }
            }
        }
        // Nobody there is as idle as a card can be, once it was looked at before.
        all.busiest =
            known.then(|| together.values().fold(0.0, |most: f64, share| most.max(*share)).min(1.0));
        all
    }

    /// The part of the time, by client and engine, that each worked since the last read of that card; and
    /// whether there was one.
    fn shares(&self, pci: &str, clients: &[(u32, Client)]) -> (BTreeMap<u64, BTreeMap<String, f64>>, bool) {
        let at = Instant::now();
        let engines = clients.iter().map(|(_, client)| (client.id, client.engines.clone())).collect();
        let mut all = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = all.insert(pci.to_owned(), Before { at, engines }) else {
            return (BTreeMap::new(), false);
        };
        drop(all);
        let elapsed = at.saturating_duration_since(before.at);
        let mut shares = BTreeMap::new();
        for (_, client) in clients {
            let Some(earlier) = before.engines.get(&client.id) else { continue };
            let named = ENGINES.iter().filter_map(|name| {
                let share = share(earlier.get(*name)?, client.engines.get(*name)?, elapsed)?;
                Some(((*name).to_owned(), share))
            });
            shares.insert(client.id, named.collect());
        }
        (shares, elapsed >= SHORTEST)
    }
}

/// The part of that time in which the client kept the engines busy. A count may fall behind for a moment.
fn share(before: &Engine, now: &Engine, elapsed: Duration) -> Option<f64> {
    let busy = now.busy.saturating_sub(before.busy) as f64;
    let all = match (before.clock, now.clock) {
        (Some(before), Some(now)) => now.checked_sub(before)? as f64,
        (None, None) => elapsed.as_nanos() as f64,
        _ => return None,
    };
    let whole = all * now.capacity as f64;
    (whole > 0.0 && elapsed >= SHORTEST).then(|| (busy / whole).min(1.0))
}

/// Whether it computes more than it draws.
fn computes(client: &Client) -> bool {
    let busy = |names: &[&str]| -> u64 {
        names
            .iter()
            .filter_map(|name| client.engines.get(*name))
            .map(|engine| engine.busy)
            .fold(0, u64::saturating_add)
    };
    let computing = busy(&COMPUTING);
    computing > 0 && computing >= busy(&ENGINES).saturating_sub(computing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn engine(busy: u64, clock: Option<u64>, capacity: u64) -> Engine {
        Engine { busy, clock, capacity }
    }

    #[test]
    fn the_share_of_an_engine_is_its_work_over_the_time_it_had() {
        let half = share(&engine(1_000, None, 1), &engine(500_001_000, None, 1), SECOND);
        assert_eq!(half, Some(0.5));
        let cycles = share(&engine(100, Some(1000), 4), &engine(900, Some(2000), 4), SECOND);
        assert_eq!(cycles, Some(0.2), "four engines had that time each");
        assert_eq!(share(&engine(9, None, 1), &engine(8, None, 1), SECOND), Some(0.0), "it fell behind");
        assert_eq!(share(&engine(0, None, 1), &engine(9, None, 1), Duration::ZERO), None);
        assert_eq!(share(&engine(0, Some(5), 1), &engine(9, Some(5), 1), SECOND), None, "the clock stood");
        assert_eq!(share(&engine(0, None, 1), &engine(u64::MAX, None, 1), SECOND), Some(1.0));
    }

    #[test]
    fn part_of_a_sum_is_no_sum() {
        let process = GpuProcess {
            pid: 7,
            kind: ProcessKind::Compute,
            memory_bytes: Some(5),
            utilization_ratio: None,
            gpu_instance: None,
            name: None,
            target: None,
        };
        let seen = |whole, tells_memory| Use {
            processes: [(7, process.clone())].into(),
            whole,
            busiest: Some(0.5),
            untold: false,
            tells_memory,
            tells_engines: tells_memory,
        };
        assert_eq!(seen(true, true).memory(), Ok(5));
        assert_eq!(seen(true, true).utilization(), Ok(0.5));
        assert_eq!(seen(true, false).memory(), Err(Untold::NotSupported), "an older kernel");
        assert_eq!(seen(true, false).utilization(), Err(Untold::NotSupported), "it is not idle");
        assert_eq!(seen(false, true).memory(), Err(Untold::NoPermission));
        assert_eq!(seen(false, true).utilization(), Err(Untold::NoPermission));
        assert_eq!(seen(false, true).list().unwrap().len(), 1, "what is seen is told");
        assert_eq!(Use::default().list(), Err(Untold::NoPermission));
        let first = Use { whole: true, ..Use::default() };
        assert_eq!((first.memory(), first.utilization()), (Ok(0), Err(Untold::NotYet)), "nobody uses it");
        let older = Use { whole: true, untold: true, busiest: Some(0.0), ..Use::default() };
        let not_told = (Err(Untold::NotSupported), Err(Untold::NotSupported));
        assert_eq!(
            (older.memory(), older.utilization()),
            not_told,
            "somebody does, and nothing is told of it"
        );
    }
}
