//! Who uses a card.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::super::CardError;
use super::answers::{Answers, IMPLAUSIBLE, Refusal};
use super::identity::Still;
use super::raw::{self, List, Listed, Use};
use crate::sample::{GpuProcess, GpuSample, ProcessKind};

/// A card's processes that are told; those with the most memory come first.
const MOST_PROCESSES: usize = 512;

/// Linux gives no greater ids (`PID_MAX_LIMIT`).
const GREATEST_PID: u32 = 4_194_304;

/// Stands for a number that is not known, and for no instance.
const NOT_TOLD: u64 = u64::MAX;
const NO_INSTANCE: u32 = u32::MAX;

/// The lists, the one that says most of a process first.
const LISTS: [(List, ProcessKind); 3] = [
    (List::Compute, ProcessKind::Compute),
    (List::Mps, ProcessKind::Compute),
    (List::Graphics, ProcessKind::Graphics),
];

/// The processes of a card. Of one with MIG its instances are asked: they answer everybody, the card as a
/// whole only those with privileges.
pub(super) fn read(
    device: &Device<'_>,
    instances: &[Device<'_>],
    still: &Still,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let mut found = Found::default();
    let parts = card.mig.iter().flat_map(|mig| &mig.instances);
    for (part, id) in instances.iter().zip(parts.map(|instance| instance.gpu_instance)) {
        found.ask(part, id, answers)?;
    }
    let divided = card.mig.as_ref().is_some_and(|mig| mig.enabled);
    if divided && !answers.untold.contains_key("mig.instances") {
        // A divided card without instances has no processes.
        found.computing |= instances.is_empty();
    } else {
        found.ask(device, None, answers)?;
    }
    if !found.computing {
        return Ok(());
    }
    if found.garbage {
        answers.missing("processes", &IMPLAUSIBLE);
        if found.of.is_empty() {
            return Ok(());
        }
    }
    let mut processes = found.all();
    if processes.iter().any(|process| process.memory_bytes.is_none()) {
        answers.untold.entry("processes.memory_bytes".into()).or_insert_with(|| "not_supported".into());
    }
    if !processes.is_empty() {
        let idle = card.utilization_ratio == Some(0.0);
        utilisation(device, still, idle, answers, &mut processes)?;
    }
    card.processes = Some(processes);
    Ok(())
}

/// What the lists said, a process once for each instance in which it is.
#[derive(Debug, Default)]
struct Found {
    of: BTreeMap<(u32, Option<u32>), (ProcessKind, Option<u64>)>,
    /// The list that matters was read.
    computing: bool,
    garbage: bool,
}

impl Found {
    /// Reads the lists of a card or an instance.
    fn ask(&mut self, device: &Device<'_>, id: Option<u32>, answers: &mut Answers) -> Result<(), CardError> {
        for (list, kind) in LISTS {
            let field = if matches!(list, List::Compute) { "processes" } else { "processes.graphics" };
            let listed = raw::processes(device, list);
            let Some(listed) = (match list {
                // Many cards and drivers have no such list, and nothing is missed there.
                List::Mps => listed.map(Some).or_else(|error| match Refusal::from(error) {
                    Refusal::Fatal(error) => Err(error),
                    Refusal::Untold(_) => Ok(None),
                })?,
                _ => answers.told(field, listed)?,
            }) else {
                continue;
            };
            self.computing |= matches!(list, List::Compute);
            for process in listed {
                self.add(process, kind, id);
            }
        }
        Ok(())
    }

    /// A process that computes and draws computes; what it holds is told in both lists.
    fn add(&mut self, process: Listed, kind: ProcessKind, id: Option<u32>) {
        if !(1..=GREATEST_PID).contains(&process.pid) {
            self.garbage = true;
            return;
        }
        let instance = Some(process.gpu_instance).filter(|instance| *instance != NO_INSTANCE).or(id);
        let memory = Some(process.memory).filter(|bytes| *bytes != NOT_TOLD);
        let known = self.of.entry((process.pid, instance)).or_insert((kind, memory));
        known.1 = known.1.max(memory);
    }

    fn all(self) -> Vec<GpuProcess> {
        let process = |((pid, gpu_instance), (kind, memory_bytes))| GpuProcess {
            pid,
            kind,
            memory_bytes,
            utilization_ratio: None,
            gpu_instance,
            name: None,
            target: None,
        };
        let mut all: Vec<GpuProcess> = self.of.into_iter().map(process).collect();
        all.sort_by_key(|process| (std::cmp::Reverse(process.memory_bytes), process.pid));
        all.truncate(MOST_PROCESSES);
        all
    }
}

/// What each did since the last read. One that the driver does not speak of while it speaks of others did
/// nothing; where it speaks of none, only of a card that is idle that is known.
fn utilisation(
    device: &Device<'_>,
    still: &Still,
    idle: bool,
    answers: &mut Answers,
    processes: &mut [GpuProcess],
) -> Result<(), CardError> {
    let uses = match raw::uses(device, still.uses_seen()) {
        Err(NvmlError::NotFound) if idle => Ok(Vec::new()),
        uses => uses,
    };
    let Some(uses) = answers.told("processes.utilization_ratio", uses)? else { return Ok(()) };
    still.seen_up_to(uses.iter().map(|of| of.at).max().unwrap_or(0));
    for process in processes {
        process.utilization_ratio = mean(&uses, process.pid);
    }
    Ok(())
}

/// The mean over a process's samples. Garbage is none.
fn mean(uses: &[Use], pid: u32) -> Option<f64> {
    let own: Vec<u32> = uses.iter().filter(|of| of.pid == pid).map(|of| of.sm).collect();
    if own.iter().any(|percent| *percent > 100) {
        return None;
    }
    let sum: u32 = own.iter().sum();
    Some(f64::from(sum) / 100.0 / own.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(pid: u32, memory: u64, gpu_instance: u32) -> Listed {
        Listed { pid, memory, gpu_instance }
    }

    #[test]
    fn a_process_in_two_lists_is_one_that_computes_with_the_most_that_was_told() {
        let mut found = Found::default();
        found.add(listed(7, NOT_TOLD, NO_INSTANCE), ProcessKind::Compute, None);
        found.add(listed(7, 500, NO_INSTANCE), ProcessKind::Graphics, None);
        found.add(listed(8, 900, NO_INSTANCE), ProcessKind::Graphics, None);
        let told: Vec<_> =
            found.all().iter().map(|process| (process.pid, process.kind, process.memory_bytes)).collect();
        assert_eq!(told, [(8, ProcessKind::Graphics, Some(900)), (7, ProcessKind::Compute, Some(500))]);
    }

    #[test]
    fn ids_that_no_process_has_are_garbage_and_an_instance_is_known_by_its_device() {
        let mut found = Found::default();
        found.add(listed(0, 0, NO_INSTANCE), ProcessKind::Compute, None);
        found.add(listed(u32::MAX, 0, NO_INSTANCE), ProcessKind::Compute, None);
        assert!(found.garbage && found.of.is_empty());
        found.add(listed(9, 1, NO_INSTANCE), ProcessKind::Compute, Some(3));
        found.add(listed(9, 2, 4), ProcessKind::Compute, Some(3));
        let instances: Vec<_> = found.all().iter().map(|process| process.gpu_instance).collect();
        assert_eq!(instances, [Some(4), Some(3)]);
    }

    #[test]
    fn no_more_are_told_than_fit_and_those_with_the_most_memory_stay() {
        let mut found = Found::default();
        for pid in 1..=1000 {
            found.add(listed(pid, pid.into(), NO_INSTANCE), ProcessKind::Compute, None);
        }
        let all = found.all();
        assert_eq!((all.len(), all[0].pid), (MOST_PROCESSES, 1000));
    }

    #[test]
    fn a_process_without_a_sample_did_nothing_and_garbage_is_not_told() {
        let uses = [(7, 40), (7, 60), (8, 101)].map(|(pid, sm)| Use { pid, at: 1, sm });
        assert_eq!(mean(&uses, 7), Some(0.5));
        assert_eq!(mean(&uses, 8), None);
        assert_eq!(mean(&uses, 9), Some(0.0));
    }
}
