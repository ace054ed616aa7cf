//! Whose a process is: which target's, so that the memory it holds on a GPU is its server's.
//!
//! A process belongs to the target whose listening process is itself or its nearest ancestor: an
//! engine core of vLLM, a runner of Ollama, a worker of LM Studio, a server that llama-swap started.
//! What outlived its server stays its server's. Where it cannot be seen, it is left open, never
//! guessed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::procs::{Machine, Process};
use crate::servers::processes::{blob_folder, was_ollamas_child};

mod elsewhere;
mod orphans;
mod program;
mod serving;
mod unseen;

use orphans::Folders;
use serving::Serving;

/// Generations from a process to the server that started it: two or three, with a wrapper or two.
const MOST_ANCESTORS: usize = 32;

/// For how long a process that is not asked for any more is remembered: its card may be hard to
/// read for a moment, and what is known of its server's end must not be lost.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Where a target listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The target's name.
    pub target: String,
    /// Its kind, once its answers told it: the name of a row of `servers::KINDS`.
    pub kind: Option<&'static str>,
    /// What its address means, of this machine or not.
    pub addresses: Vec<SocketAddr>,
}

/// Whose a process is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The target that it works for. `None`: for none, or it cannot be told.
    pub target: Option<String>,
    /// What runs, fit to be shown, such as `python3 -m vllm.entrypoints.openai.api_server`: never the whole command line,
    /// which may hold secrets.
    pub program: Option<String>,
}

/// Finds out whose processes are; remembers what it saw. Reads `/proc`, so it may block.
#[derive(Debug)]
pub struct Owners {
    machine: Machine,
    serving: Serving,
    folders: Folders,
    known: BTreeMap<(u32, u64), Known>,
}

/// What is known of one process.
#[derive(Debug)]
struct Known {
    owner: Owner,
    /// The process through which it is the target's.
    server: Option<(u32, u64)>,
    parent: u32,
    /// The state of [`Serving`] that this was told by.
    generation: u64,
    asked: Instant,
}

impl Owners {
    /// Looks at that machine.
    pub fn new(machine: Machine) -> Owners {
        Owners { machine, serving: Serving::default(), folders: Folders::default(), known: BTreeMap::new() }
    }

    /// Whether process ids here are those that drivers tell; where they are not, nothing is told of any.
    pub fn can_tell(&self) -> bool {
        self.machine.has_own_pids()
    }

    /// Whose these processes are, by the machine's own process ids. What is not there (gone, hidden,
    /// an id that is none) is left out; so is all, where ids here are not the machine's own (a container
    /// without the host's processes): the same number would be another process.
    ///
    /// Asked often, it is cheap: one look at each process and server. Sockets are looked at when a process is
    /// new, and all processes only when a target's socket or server changed.
    pub fn of(&mut self, places: &[Place], pids: &[u32]) -> BTreeMap<u32, Owner> {
        let now = Instant::now();
        self.known.retain(|_, known| now.saturating_duration_since(known.asked) < REMEMBERED);
        if pids.is_empty() || !self.can_tell() {
            return BTreeMap::new();
        }
        let birth = |pid: &u32| Some((*pid, self.machine.birth(*pid)?));
        let there: Vec<(u32, (u32, u64))> = pids.iter().filter_map(birth).collect();
        let is_new = |(pid, (parent, started)): &(u32, (u32, u64))| {
            self.known.get(&(*pid, *started)).is_none_or(|known| known.parent != *parent)
        };
        let news = there.iter().any(is_new);
        self.serving.look(&self.machine, places, news, now);
        self.folders.keep(places);
        let owner = |(pid, (parent, started))| Some((pid, self.owner(pid, parent, started, now)?));
        there.into_iter().filter_map(owner).collect()
    }

    fn owner(&mut self, pid: u32, parent: u32, started: u64, now: Instant) -> Option<Owner> {
        let generation = self.serving.generation;
        let before = self.known.get_mut(&(pid, started));
        if let Some(known) = before
            && (known.parent, known.generation) == (parent, generation)
        {
            known.asked = now;
            return Some(known.owner.clone());
        }
        let process = self.machine.process(pid).filter(|process| process.started_ticks == started)?;
        let (target, server) = self.target(&process);
        let owner = Owner { target, program: program::shown(&process) };
        let known = Known { owner: owner.clone(), server, parent, generation, asked: now };
        self.known.insert((pid, started), known);
        Some(owner)
    }

    /// The target of a process, and the process through which it is.
    fn target(&mut self, process: &Process) -> (Option<String>, Option<(u32, u64)>) {
        if let Some((target, server)) = self.served_by(process) {
            if let Some(folder) = blob_folder(process).filter(|_| was_ollamas_child(process)) {
                self.folders.learn(&target, folder);
            }
            return (Some(target), Some(server));
        }
        // What it was found to be, it is still when its server or a wrapper between them is gone; not so
        // where the server goes on as none of this target.
        let before = self.known.get(&(process.pid, process.started_ticks));
        if let Some(Known { owner: Owner { target: Some(target), .. }, server: Some(server), .. }) = before
            && self.serving.has(target)
            && (self.serving.target_of(server.0, server.1) == Some(target)
                || !self.machine.runs(server.0, server.1))
        {
            return (Some(target.clone()), Some(*server));
        }
        (self.folders.orphans_target(&self.machine, &self.serving, process), None)
    }

    /// The target whose server is this process or its nearest ancestor.
    fn served_by(&self, process: &Process) -> Option<(String, (u32, u64))> {
        let terminal = self.machine.terminal(process.pid)?;
        let mut at = (process.pid, process.parent, process.started_ticks);
        for _ in 0..MOST_ANCESTORS {
            let (pid, parent, started) = at;
            if let Some(target) = self.serving.target_of(pid, started) {
                // A terminal in between: a person works there, who got it from something that listens
                // too (an editor, a remote shell).
                let opened = terminal != 0 && self.machine.terminal(pid) != Some(terminal);
                return (!opened).then(|| (target.to_owned(), (pid, started)));
            }
            if parent <= 1 {
                return None;
            }
            let (grandparent, started) = self.machine.birth(parent)?;
            at = (parent, grandparent, started);
        }
        None
    }
}
