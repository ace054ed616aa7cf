//! Processes that outlived the Ollama which started them: they are its still, by the folder of models
//! that they read from.

use std::collections::BTreeMap;
use std::path::Path;

use super::Place;
use super::serving::Serving;
use crate::procs::{Machine, Process};
use crate::servers::processes::{blob_folder, is_ollama, was_ollamas_child};

/// Ollama's kind, as its row is called.
const OLLAMA: &str = "ollama";

/// The folders of blobs that the targets' Ollamas were seen to read from.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<String, String>);

impl Folders {
    /// A child of that target's Ollama reads from this folder.
    pub(super) fn learn(&mut self, target: &str, folder: String) {
        self.0.insert(target.to_owned(), folder);
    }

    /// Forgets targets that are no more.
    pub(super) fn keep(&mut self, places: &[Place]) {
        self.0.retain(|target, _| places.iter().any(|place| place.target == *target));
    }

    /// The target whose Ollama this orphan was: the only one with its folder; or, where the folder is
    /// not known, the only one there is.
    pub(super) fn orphans_target(
        &self,
        machine: &Machine,
        serving: &Serving,
        orphan: &Process,
    ) -> Option<String> {
        let parent = machine.process(orphan.parent);
        // The child of an Ollama that is no target's.
        let has_one = parent.is_some_and(|parent| parent.name.starts_with("ollama"));
        if !was_ollamas_child(orphan) || has_one {
            return None;
        }
        let folder = blob_folder(orphan);
        let ollamas: Vec<(&str, Option<String>)> = targets(machine, serving)
            .map(|(target, server)| (target, self.0.get(target).cloned().or_else(|| told(machine, server?))))
            .collect();
        let its: Vec<&str> = ollamas
            .iter()
            .filter(|(_, of)| folder.is_some() && *of == folder)
            .map(|(target, _)| *target)
            .collect();
        let unknown: Vec<&str> = ollamas
            .iter()
            .filter(|(_, of)| of.is_none() || folder.is_none())
            .map(|(target, _)| *target)
            .collect();
        match (its.as_slice(), unknown.as_slice()) {
            ([only], _) => Some((*only).to_owned()),
            ([], [only]) if alone(machine, serving) => Some((*only).to_owned()),
            _ => None,
        }
    }
}

/// The targets that are Ollamas of this machine, each with its process if it runs.
fn targets<'a>(machine: &Machine, serving: &'a Serving) -> impl Iterator<Item = (&'a str, Option<u32>)> {
    serving.places().iter().filter_map(move |place| {
        let target = place.target.as_str();
        let mut servers = serving.servers().filter(|(_, of)| *of == target).map(|(pid, _)| pid);
        let server = servers.find(|pid| machine.process(*pid).is_some_and(|process| is_ollama(&process)));
        let here = || place.addresses.iter().any(|address| crate::procs::is_own(address.ip()));
        (server.is_some() || (place.kind == Some(OLLAMA) && here())).then_some((target, server))
    })
}

/// The folder that an Ollama's environment tells; `None` where it is hidden.
fn told(machine: &Machine, pid: u32) -> Option<String> {
    let set = |name: &str| machine.variable(pid, name).map(|value| value.filter(|value| !value.is_empty()));
    let models = match set("OLLAMA_MODELS").ok()? {
        Some(models) => Path::new(&models).to_owned(),
        None => Path::new(&set("HOME").ok()??).join(".ollama/models"),
    };
    Some(models.join("blobs").to_str()?.to_owned())
}

/// Whether no Ollama runs that is no target's: the orphan might be of that one.
fn alone(machine: &Machine, serving: &Serving) -> bool {
    let processes = machine.processes().unwrap_or_default();
    let watched = |process: &Process| serving.servers().any(|(pid, _)| pid == process.pid);
    processes.iter().filter(|process| is_ollama(process)).all(watched)
}
