//! Whether what a server tells of its models' memory on GPUs is so, by what its processes hold there. Pure.
//!
//! A server tells what it planned, or summed up out of a log; the driver counts. Nothing is said where
//! one of the two is not known for certain: a wrong warning is worse than none.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::sample::{ChildSample, GpuSample, ModelSample, Note, ServerSample, ServerState};

/// A process holds what its model takes and its context beside, so it should hold more than is told. A plan
/// (Ollama before 0.30) may be a tenth too high; beyond a fifth, part of the model is elsewhere.
const LEAST_PART: f64 = 0.8;

/// A process that computes has a context on each card, whatever it keeps there: some hundred MiB, up to
/// 600 on large cards. What is beyond this on one card is more than that.
const CONTEXT: u64 = 1 << 30;

/// How many polls must see it.
const CERTAIN_POLLS: u32 = 2;

/// Notes of one target; a page is read by people.
const MOST_NOTES: usize = 5;

/// What is known of the GPUs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// All cards that were read.
    pub(super) cards: &'a [&'a GpuSample],
    /// It is certain that this machine has no GPU.
    pub(super) none: bool,
    /// Names this read of the cards; the oldest, where there are several drivers.
    pub(super) read_at: Option<Instant>,
}

/// What was found of one target, poll by poll. A model may have come or gone between the poll and the
/// read of the cards: what holds is seen by two polls and two reads.
#[derive(Debug, Default)]
pub(super) struct Watch {
    polls: u32,
    read_at: Option<Instant>,
    notes: Vec<Note>,
}

impl Watch {
    /// Takes what one poll of the target came to; without a sample nothing is known.
    pub(super) fn take(&mut self, target: &str, sample: Option<&ServerSample>, seen: Seen<'_>) {
        let notes = sample.map_or_else(Vec::new, |sample| mismatches(target, sample, seen));
        let same_read = self.polls > 0 && seen.read_at.is_some() && seen.read_at == self.read_at;
        if notes.is_empty() {
            *self = Watch::default();
        } else if !same_read {
            *self = Watch { polls: self.polls + 1, read_at: seen.read_at, notes };
        }
    }

    /// What is certain by now.
    pub(super) fn notes(&self) -> &[Note] {
        if self.polls >= CERTAIN_POLLS { &self.notes } else { &[] }
    }
}

/// What processes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    bytes: u64,
    /// What they hold beyond a context, over all cards.
    beyond_context: u64,
}

/// What this target tells wrongly, a note a model.
fn mismatches(target: &str, sample: &ServerSample, seen: Seen<'_>) -> Vec<Note> {
    let loading = |state: Option<ServerState>| state == Some(ServerState::Loading);
    // Memory comes and goes before the server's own list does.
    if loading(sample.state) || sample.models.iter().any(|model| loading(model.state)) {
        return Vec::new();
    }
    let loaded = || sample.models.iter().filter(|model| model.loaded == Some(true));
    let mut notes: Vec<Note> = loaded()
        .filter_map(|model| {
            let (told, pid) = (model.vram_bytes?, pid(model)?);
            let held = seen.held(|_, process| process == pid);
            judge(
                &format!("{}: the server", model.name),
                &format!("its process {pid} holds"),
                told,
                held,
                seen,
            )
        })
        .collect();
    notes.extend(together(target, sample, &loaded().collect::<Vec<_>>(), seen));
    notes.truncate(MOST_NOTES);
    notes
}

/// The models whose processes are not known, all against all the target's other processes.
fn together(target: &str, sample: &ServerSample, loaded: &[&ModelSample], seen: Seen<'_>) -> Option<Note> {
    let known: BTreeSet<u32> = loaded.iter().filter_map(|model| pid(model)).collect();
    let rest: Vec<&&ModelSample> = loaded.iter().filter(|model| model.child.is_none()).collect();
    // What an orphan holds is the target's too, and no model's.
    if rest.is_empty() || sample.orphans.unwrap_or(0) > 0 {
        return None;
    }
    let told: u64 = rest.iter().map(|model| model.vram_bytes).sum::<Option<u64>>()?;
    let of_target = |owner: Option<&str>, pid: u32| owner == Some(target) && !known.contains(&pid);
    // Without one of its processes on a card, nothing tells that the server is on this machine at all.
    seen.processes().find(|(owner, pid, _)| of_target(*owner, *pid))?;
    let held = seen.held(of_target);
    judge("the server", "its processes hold", told, held, Seen { none: false, ..seen })
}

fn judge(who: &str, processes: &str, told: u64, held: Held, seen: Seen<'_>) -> Option<Note> {
    if told > 0 && seen.none {
        return Some(note(
            format!("{who} tells {} on GPUs, but this machine has none", size(told)),
            "it works on the CPU; a server that cannot read its own log tells the size of the file: update it",
        ));
    }
    if seen.strange_pids() {
        return None;
    }
    let least = (told as f64 * LEAST_PART) as u64;
    if told > 0 && seen.hidden().is_some_and(|hidden| held.bytes.saturating_add(hidden) < least) {
        return Some(note(
            format!("{who} tells {} on GPUs, but {processes} {} there", size(told), size(held.bytes)),
            "the GPUs' own numbers count: the rest works on the CPU, slowly; see `offloaded` and `buffer size` in the server's log",
        ));
    }
    if told == 0 && held.beyond_context > 0 && !seen.shared() {
        return Some(note(
            format!("{who} tells that nothing is on GPUs, but {processes} {} there", size(held.bytes)),
            "the GPUs' own numbers count: leave that much room; see `buffer size` in the server's log",
        ));
    }
    None
}

impl Seen<'_> {
    /// What the processes hold that this is true of, by target and process id.
    fn held(&self, which: impl Fn(Option<&str>, u32) -> bool) -> Held {
        let mut held = Held { bytes: 0, beyond_context: 0 };
        for (_, _, bytes) in self.processes().filter(|(owner, pid, _)| which(*owner, *pid)) {
            held.bytes = held.bytes.saturating_add(bytes);
            held.beyond_context = held.beyond_context.saturating_add(bytes.saturating_sub(CONTEXT));
        }
        held
    }

    /// Target, process id and memory of each process on each card; one that computes and draws is
    /// listed for both, and counts once.
    fn processes(&self) -> impl Iterator<Item = (Option<&str>, u32, u64)> {
        self.cards.iter().flat_map(|card| {
            let mut of_card = BTreeMap::new();
            for process in card.processes.iter().flatten() {
                let key = (process.pid, process.gpu_instance);
                let bytes = process.memory_bytes.unwrap_or(0);
                let most = of_card.entry(key).or_insert((process.target.as_deref(), bytes));
                most.1 = bytes.max(most.1);
            }
            of_card.into_iter().map(|((pid, _), (target, bytes))| (target, pid, bytes))
        })
    }

    /// Memory in use that no listed process holds: the lists may leave some out (WSL2, a container, MIG,
    /// a lack of permission), and theirs may be there. `None`: nothing is certain.
    fn hidden(&self) -> Option<u64> {
        let unsure = |card: &&GpuSample| card.fault.is_some() || card.processes.is_none();
        if self.cards.is_empty() || self.shared() || self.cards.iter().any(unsure) {
            return None;
        }
        let used: u64 = self.cards.iter().map(|card| card.memory_used_bytes).sum::<Option<u64>>()?;
        Some(used.saturating_sub(self.processes().map(|(_, _, bytes)| bytes).sum()))
    }

    /// A driver's process ids may be others than those that servers are known by here (a container without the
    /// host's processes): what a process holds cannot be looked up.
    fn strange_pids(&self) -> bool {
        self.cards.iter().any(|card| card.untold.contains_key("process_targets"))
    }

    /// A card takes the machine's own memory: what is "on the GPU" there, each side counts in its own way.
    fn shared(&self) -> bool {
        self.cards.iter().any(|card| card.shared_memory == Some(true))
    }
}

fn pid(model: &ModelSample) -> Option<u32> {
    model.child.as_ref().and_then(|child: &ChildSample| child.pid)
}

fn note(text: String, remedy: &str) -> Note {
    Note::warning("vram_mismatch", text, Some(remedy))
}

fn size(bytes: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests;
