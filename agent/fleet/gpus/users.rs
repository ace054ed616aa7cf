//! Who holds memory of a card, by target. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::label;
use crate::sample::GpuProcess;
use crate::view::CardUser;

/// What processes of no target stand under.
pub(super) const OTHER: &str = "other";

/// Names of programs that are told of a user. A person looks for one that is not expected; a server's own are few.
const MOST_PROGRAMS: usize = 8;

/// Each process once: a driver lists one that computes and draws twice, with the same memory.
pub(super) fn once(processes: Vec<GpuProcess>) -> Vec<GpuProcess> {
    let mut seen: BTreeMap<(u32, Option<u32>), usize> = BTreeMap::new();
    let mut kept: Vec<GpuProcess> = Vec::with_capacity(processes.len());
    for process in processes {
        let key = (process.pid, process.gpu_instance);
        if let Some(same) = seen.get(&key).and_then(|nth| kept.get_mut(*nth)) {
            same.memory_bytes = same.memory_bytes.max(process.memory_bytes);
            same.utilization_ratio = same.utilization_ratio.or(process.utilization_ratio);
        } else {
            seen.insert(key, kept.len());
            kept.push(process);
        }
    }
    kept
}

/// The users, who holds most first. Memory is a sum only where it is told of every process: a part of it would
/// pass for the whole.
pub(super) fn users(processes: &[GpuProcess], is_target: &dyn Fn(&str) -> bool) -> Vec<CardUser> {
    let mut users: BTreeMap<&str, (Option<u64>, u32, BTreeSet<&str>)> = BTreeMap::new();
    for process in processes {
        let target = process.target.as_deref().filter(|target| is_target(target)).unwrap_or(OTHER);
        let (memory, count, programs) = users.entry(target).or_insert((Some(0), 0, BTreeSet::new()));
        *memory = memory.zip(process.memory_bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
        *count = count.saturating_add(1);
        programs.extend(process.name.as_deref());
    }
    let user = |(target, (memory_bytes, processes, programs)): (&str, (Option<u64>, u32, BTreeSet<&str>))| {
        CardUser {
            target: target.to_owned(),
            memory_bytes,
            processes,
            programs: programs.into_iter().take(MOST_PROGRAMS).map(label).collect(),
        }
    };
    let mut users: Vec<CardUser> = users.into_iter().map(user).collect();
    users.sort_by(|a, b| b.memory_bytes.cmp(&a.memory_bytes).then_with(|| a.target.cmp(&b.target)));
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::ProcessKind;

    fn process(pid: u32, target: Option<&str>, memory: Option<u64>, name: &str) -> GpuProcess {
        GpuProcess {
            pid,
            kind: ProcessKind::Compute,
            memory_bytes: memory,
            utilization_ratio: None,
            gpu_instance: None,
            name: Some(name.into()),
            target: target.map(Into::into),
        }
    }

    #[test]
    fn memory_is_summed_by_target_and_the_largest_stands_first() {
        let all = [
            process(1, Some("box"), Some(10), "ollama"),
            process(2, Some("box"), Some(30), "llama-server"),
            process(3, None, Some(100), "python3"),
            process(4, Some("gone"), Some(5), "vllm"),
        ];
        let users = users(&all, &|target| target == "box");
        let told: Vec<_> =
            users.iter().map(|user| (user.target.as_str(), user.memory_bytes, user.processes)).collect();
        assert_eq!(told, [(OTHER, Some(105), 2), ("box", Some(40), 2)]);
        assert_eq!(users[1].programs, ["llama-server", "ollama"]);
    }

    #[test]
    fn a_sum_that_lacks_one_is_not_told() {
        let all = [process(1, Some("box"), Some(10), "a"), process(2, Some("box"), None, "b")];
        assert_eq!(users(&all, &|_| true)[0].memory_bytes, None);
        let huge = [process(1, None, Some(u64::MAX), "a"), process(2, None, Some(u64::MAX), "a")];
        assert_eq!(users(&huge, &|_| true)[0].memory_bytes, Some(u64::MAX));
        assert_eq!(users(&[], &|_| true), []);
    }

    #[test]
    fn names_are_few_and_harmless() {
        let mut all: Vec<_> =
            (0..20).map(|nth| process(nth, None, None, &format!("program-{nth:02}"))).collect();
        all.push(process(99, None, None, "\u{1b}[2J"));
        let programs = &users(&all, &|_| true)[0].programs;
        assert_eq!(programs.len(), MOST_PROGRAMS);
        assert!(programs[0].starts_with("?[2J~"), "{programs:?}");
    }

    #[test]
    fn a_process_that_computes_and_draws_is_one() {
        let draws = GpuProcess { kind: ProcessKind::Graphics, ..process(1, None, Some(12), "game") };
        let all = once(vec![process(1, None, Some(10), "game"), draws, process(2, None, None, "other")]);
        assert_eq!(
            all.iter().map(|one| (one.pid, one.memory_bytes)).collect::<Vec<_>>(),
            [(1, Some(12)), (2, None)]
        );
        let instances =
            [1, 2].map(|nth| GpuProcess { gpu_instance: Some(nth), ..process(1, None, Some(10), "x") });
        assert_eq!(once(instances.to_vec()).len(), 2, "each instance has memory of its own");
    }
}
