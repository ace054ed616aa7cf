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

/// What the processes of one user hold together.
#[derive(Default)]
struct Held<'a> {
    /// What is told, in bytes.
    told: u64,
    processes: u32,
    untold: u32,
    programs: BTreeSet<&'a str>,
}

/// The users, who holds most first. Memory is a sum only where it is told of every process: a part of it would
/// pass for the whole, and is told as a part.
pub(super) fn users(processes: &[GpuProcess], is_target: &dyn Fn(&str) -> bool) -> Vec<CardUser> {
    let mut users: BTreeMap<&str, Held<'_>> = BTreeMap::new();
    for process in processes {
        let target = process.target.as_deref().filter(|target| is_target(target)).unwrap_or(OTHER);
        let held = users.entry(target).or_default();
        held.told = held.told.saturating_add(process.memory_bytes.unwrap_or(0));
        held.processes = held.processes.saturating_add(1);
        held.untold = held.untold.saturating_add(u32::from(process.memory_bytes.is_none()));
        held.programs.extend(process.name.as_deref());
    }
    let mut users: Vec<(&str, Held<'_>)> = users.into_iter().collect();
    users.sort_by(|a, b| b.1.told.cmp(&a.1.told).then_with(|| a.0.cmp(b.0)));
    users.into_iter().map(|(target, held)| held.of(target)).collect()
}

impl Held<'_> {
    fn of(self, target: &str) -> CardUser {
        CardUser {
            target: target.to_owned(),
            memory_bytes: (self.untold == 0).then_some(self.told),
            memory_at_least_bytes: (0 < self.untold && self.untold < self.processes).then_some(self.told),
            processes: self.processes,
            processes_untold: self.untold,
            programs: self.programs.into_iter().take(MOST_PROGRAMS).map(label).collect(),
        }
    }
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
    fn a_sum_that_lacks_one_is_told_as_a_part() {
        let all = [
            process(1, Some("box"), Some(10), "a"),
            process(2, None, Some(70), "b"),
            process(3, None, None, "c"),
            process(4, Some("dumb"), None, "d"),
        ];
        let users_of = |processes| users(processes, &|_| true);
        let told: Vec<_> = users_of(&all)
            .into_iter()
            .map(|user| (user.target, user.memory_bytes, user.memory_at_least_bytes, user.processes_untold))
            .collect();
        let one = |target: &str, whole, part, untold| (target.to_owned(), whole, part, untold);
        assert_eq!(
            told,
            [one(OTHER, None, Some(70), 1), one("box", Some(10), None, 0), one("dumb", None, None, 1)],
            "who holds most stands first, as far as it is told"
        );
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
