//! The machine that all runs on: processors, memory, pressure, limits, disks of the models, energy;
//! read from `/proc` and `/sys` at roots that the config may move. Everything here may be missing;
//! what cannot be read is left out, and a note says why.
//!
//! Nothing here is asked on the async threads: the command line of a process that is being torn down
//! and a dead network mount may block. `poll::HostPoller` gives each question a thread and a deadline.

use std::path::{Path, PathBuf};

use crate::procs::Machine;
use crate::sample::{Disk, HostSample, Note, PressureSample, Resource};

mod cgroup;
mod cpu;
mod disk;
mod energy;
mod files;
mod folders;
mod memory;
mod mounts;
mod pressure;
mod servers;

/// Control groups of model servers that are looked at.
const MAX_CGROUPS: usize = 16;

/// What a host can be asked. Real: [`Host`]. Each question may block.
pub trait Source: Send + Sync {
    /// Where models lie and in which control groups their servers are. Dear: it walks all processes.
    fn places(&self) -> Places;

    /// One look, without the disks.
    fn look(&self, places: &Places) -> HostSample;

    /// The disk below a folder.
    ///
    /// # Errors
    /// Why it cannot be told, in a clause.
    fn disk(&self, folder: &Path) -> Result<Disk, String>;
}

/// What the model servers of this host use of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Folders that models lie in.
    pub folders: Vec<Folder>,
    /// Control groups of model servers, as `/proc/PID/cgroup` names them.
    pub cgroups: Vec<String>,
}

/// A folder of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path as its server sees it: the label.
    pub name: String,
    /// Its path as it is reached from here.
    pub path: PathBuf,
    /// How it was come upon.
    pub why: String,
}

/// The host, at roots that may be elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    procfs: PathBuf,
    sysfs: PathBuf,
    model_folders: Vec<PathBuf>,
}

impl Host {
    /// The host whose `/proc` and `/sys` are there; `model_folders`: those that the config names.
    pub fn at(procfs: impl Into<PathBuf>, sysfs: impl Into<PathBuf>, model_folders: &[PathBuf]) -> Host {
        Host { procfs: procfs.into(), sysfs: sysfs.into(), model_folders: model_folders.to_vec() }
    }

    fn text(&self, path: &str, notes: &mut Vec<Note>) -> String {
        let path = self.procfs.join(path);
        files::text(&path).unwrap_or_else(|error| {
            let text = format!("{} cannot be read: {error}", path.display());
            let remedy = "is procfs in the config the folder that /proc is mounted at?";
            notes.push(Note::info("host_unreadable", text, Some(remedy)));
            String::new()
        })
    }

    fn pressure(&self, notes: &mut Vec<Note>) -> Vec<PressureSample> {
        let file = |resource: Resource| files::text(&self.procfs.join("pressure").join(resource.name()));
        let read = |resource| file(resource).ok().and_then(|text| pressure::pressure(resource, &text));
        let told: Vec<PressureSample> = Resource::ALL.into_iter().filter_map(read).collect();
        if told.is_empty() {
            notes.push(Note::info(
                "pressure_absent",
                "the kernel does not tell how long work has to wait (pressure stall information)",
                Some("a kernel of 4.20 or later can; some want psi=1 on its command line"),
            ));
        }
        told
    }
}

impl Source for Host {
    fn places(&self) -> Places {
        let processes = Machine::at(&self.procfs).processes().unwrap_or_default();
        let servers = servers::servers(&processes);
        let mut cgroups: Vec<String> = Vec::new();
        if let Some(tree) = cgroup::Tree::of(&self.sysfs) {
            for process in servers.iter().take(MAX_CGROUPS) {
                let file = self.procfs.join(process.pid.to_string()).join("cgroup");
                let text = files::text(&file).unwrap_or_default();
                cgroups.extend(tree.path_of(&text).map(str::to_owned));
            }
        }
        cgroups.sort();
        cgroups.dedup();
        Places { folders: folders::folders(&self.procfs, &self.model_folders, &servers), cgroups }
    }

    fn look(&self, places: &Places) -> HostSample {
        let mut notes = Vec::new();
        let stat = cpu::stat(&self.text("stat", &mut notes), procfs::ticks_per_second());
        let meminfo = self.text("meminfo", &mut notes);
        // Its counts are few and not everywhere: without it nothing is said.
        let vmstat = files::text(&self.procfs.join("vmstat")).unwrap_or_default();
        let arcstats = files::text(&self.procfs.join("spl/kstat/zfs/arcstats")).unwrap_or_default();
        let memory = memory::memory(&meminfo, &vmstat, &arcstats, procfs::page_size());
        let tree = cgroup::Tree::of(&self.sysfs);
        let own = tree.as_ref().and_then(|tree| tree.own(memory.total_bytes));
        if own.is_some() {
            notes.push(Note::info(
                "container",
                "the agent is in a container with a limit of memory; processors, memory and pressure are the whole machine's",
                None,
            ));
        }
        let of_servers = tree
            .iter()
            .flat_map(|tree| places.cgroups.iter().filter_map(|path| tree.holding(path, memory.total_bytes)));
        let mut cgroups: Vec<_> = own.into_iter().chain(of_servers).collect();
        cgroups.sort_by(|a, b| a.cgroup.cmp(&b.cgroup));
        cgroups.dedup_by(|a, b| a.cgroup == b.cgroup);
        let pressure = self.pressure(&mut notes);
        let (energy, note) = energy::energy(&self.sysfs);
        notes.extend(note);
        let name = files::text(&self.procfs.join("sys/kernel/hostname")).ok();
        HostSample {
            name: name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            booted_at: stat.booted_at,
            cpus: stat.cpus,
            cpu_seconds: stat.seconds,
            memory,
            pressure,
            cgroups,
            folders: Vec::new(),
            energy,
            notes,
        }
    }

    fn disk(&self, folder: &Path) -> Result<Disk, String> {
        disk::disk(&self.procfs, folder)
    }
}
