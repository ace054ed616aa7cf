//! Which processes are an Ollama's: its children by parent process and command line, and those that
//! outlived the Ollama which started them.

use super::blobs::Blob;
use crate::procs::{Machine, Process};

/// An Ollama's process and its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) ollama: Process,
    pub(super) children: Vec<Child>,
    /// Processes like its children, whose own Ollama is gone.
    orphans: Vec<Child>,
    /// No other Ollama runs on this machine.
    alone: bool,
}

/// A llama-server that an Ollama started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) process: Process,
    pub(super) port: u16,
    pub(super) blob: Blob,
}

impl Family {
    /// The Ollama that listens on that port, with its children; `None` where it cannot be seen.
    pub(super) fn find(machine: &Machine, port: u16) -> Option<Family> {
        let processes = machine.processes().ok()?;
        let ollamas: Vec<Process> = processes.iter().filter(|process| is_ollama(process)).cloned().collect();
        let listeners = machine.listeners(&ollamas).unwrap_or_default();
        let owner = listeners
            .iter()
            .find(|listener| listener.address.port() == port)
            .and_then(|listener| listener.pid);
        let ollama = match owner {
            Some(pid) => ollamas.iter().find(|ollama| ollama.pid == pid)?,
            // Whose socket it is cannot be seen; with one Ollama, and none of its sockets visible,
            // on the port that is its own, there is no doubt.
            None => match ollamas.as_slice() {
                [only]
                    if port == super::KIND.default_ports[0] && listeners.iter().all(|l| l.pid.is_none()) =>
                {
                    only
                }
                _ => return None,
            },
        };
        let parent = |process: &Process| {
            processes.iter().any(|other| other.pid == process.parent && other.name.starts_with("ollama"))
        };
        let children: Vec<Child> = processes.iter().filter_map(Child::of).collect();
        let (own, others): (Vec<Child>, Vec<Child>) =
            children.into_iter().partition(|child| child.process.parent == ollama.pid);
        Some(Family {
            ollama: ollama.clone(),
            children: own,
            orphans: others
                .into_iter()
                .filter(|child| child.is_ollamas() && !parent(&child.process))
                .collect(),
            alone: ollamas.len() == 1,
        })
    }

    /// The same family as it is now, without a look at every process: whether its Ollama still runs,
    /// and its children by the kernel's own list. `None`: it has to be found anew.
    pub(super) fn again(&self, machine: &Machine) -> Option<Family> {
        let same = |process: &Process| machine.process(process.pid).as_ref() == Some(process);
        if !same(&self.ollama) {
            return None;
        }
        let children = machine.children(self.ollama.pid)?;
        Some(Family {
            ollama: self.ollama.clone(),
            children: children.into_iter().filter_map(|pid| Child::of(&machine.process(pid)?)).collect(),
            orphans: self.orphans.iter().filter(|orphan| same(&orphan.process)).cloned().collect(),
            alone: self.alone,
        })
    }

    /// The orphans that were this Ollama's: of its folder of models, or of any where it is the only
    /// one and its folder is not known.
    pub(super) fn orphans_of(&self, folder: Option<&str>) -> impl Iterator<Item = &Child> {
        let folder = folder
            .or_else(|| self.children.first().map(|child| child.blob.folder.as_str()))
            .map(str::to_owned);
        self.orphans.iter().filter(move |orphan| match &folder {
            Some(folder) => orphan.blob.folder == *folder,
            None => self.alone,
        })
    }
}

impl Child {
    /// A process that was started as Ollama starts its llama-servers.
    fn of(process: &Process) -> Option<Child> {
        let blob = Blob::of_path(process.option(&["--model", "-m"])?)?;
        let port = process.option(&["--port"])?.parse().ok()?;
        process.name.contains("llama-server").then(|| Child { process: process.clone(), port, blob })
    }

    /// Whether it was started as only Ollama does; somebody may run a llama-server on one of its
    /// files by hand.
    fn is_ollamas(&self) -> bool {
        has_its_flags(&self.process)
    }
}

/// Whether it was started as only Ollama starts a llama-server.
pub(in crate::servers) fn is_child(process: &Process) -> bool {
    Blob::of_path(process.option(&["--model", "-m"]).unwrap_or_default()).is_some() && has_its_flags(process)
}

/// The folder of the blob that it reads its model from.
pub(in crate::servers) fn blob_folder(process: &Process) -> Option<String> {
    Some(Blob::of_path(process.option(&["--model", "-m"])?)?.folder)
}

fn has_its_flags(process: &Process) -> bool {
    ["--no-webui", "--offline"].iter().all(|flag| process.args.iter().any(|arg| arg == flag))
}

pub(in crate::servers) fn is_ollama(process: &Process) -> bool {
    process.name == "ollama" && process.args.get(1).is_some_and(|arg| arg == "serve" || arg == "start")
}
