//! Whose a card's joules are: by what its processes did, each process being of a target or of none. Pure.

use std::collections::BTreeMap;

use crate::sample::GpuProcess;

/// Energy by target, in joules since the agent started.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares {
    targets: BTreeMap<String, f64>,
    /// What went to no target.
    other: f64,
}

impl Shares {
    /// Gives out what a card took since its last read: by the part of its time that each process computed; where no
    /// part is told, or all did nothing, by the memory that each holds. What cannot be given to a target (the
    /// process is of none, no process is told, or nothing tells how much was whose) goes to nobody.
    ///
    /// `is_target`: a process may name one that is watched no more.
    pub(super) fn give(
        &mut self,
        joules: f64,
        processes: Option<&[GpuProcess]>,
        is_target: &dyn Fn(&str) -> bool,
    ) {
        if joules <= 0.0 {
            return;
        }
        let owners: Vec<(Option<&str>, f64)> =
            processes.map(|all| weighed(all, is_target)).unwrap_or_default();
        let sum: f64 = owners.iter().map(|(_, weight)| weight).sum();
        let mut given = 0.0;
        for (target, weight) in owners {
            let part = joules * (weight / sum);
            // Nobody's part is what is left, so that nothing is lost to rounding.
            let Some(target) = target.filter(|_| part > 0.0) else { continue };
            let part = part.min(joules - given);
            given += part;
            *self.targets.entry(target.to_owned()).or_default() += part;
        }
        self.other += joules - given;
    }

    /// Of a target that is watched no more: what it took is nobody's from now on.
    pub(super) fn forget(&mut self, target: &str) {
        self.other += self.targets.remove(target).unwrap_or(0.0);
    }

    /// What a target took so far, in joules. `None`: none of its processes was seen to take any.
    pub(super) fn of(&self, target: &str) -> Option<f64> {
        self.targets.get(target).copied()
    }

    /// What went to no target, in joules.
    pub(super) fn other(&self) -> f64 {
        self.other
    }
}

/// The processes' targets, and what each one's share is measured by. Empty: nothing tells.
fn weighed<'a>(processes: &'a [GpuProcess], is_target: &dyn Fn(&str) -> bool) -> Vec<(Option<&'a str>, f64)> {
    let owner = |process: &'a GpuProcess| process.target.as_deref().filter(|target| is_target(target));
    let by = |weight: &dyn Fn(&GpuProcess) -> f64| {
        let all: Vec<_> = processes.iter().map(|process| (owner(process), weight(process))).collect();
        all.iter().any(|(_, weight)| *weight > 0.0).then_some(all)
    };
    let busy = |process: &GpuProcess| {
        process.utilization_ratio.filter(|ratio| *ratio > 0.0).map_or(0.0, |ratio| ratio.min(1.0))
    };
    by(&busy)
        .or_else(|| by(&|process| process.memory_bytes.unwrap_or(0) as f64))
        .or_else(|| {
            // However it was divided: all of it is one owner's.
            let first = owner(processes.first()?);
            processes.iter().all(|process| owner(process) == first).then(|| vec![(first, 1.0)])
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::ProcessKind;

    fn process(target: Option<&str>, memory: Option<u64>, busy: Option<f64>) -> GpuProcess {
        GpuProcess {
            pid: 1,
            kind: ProcessKind::Compute,
            memory_bytes: memory,
            utilization_ratio: busy,
            gpu_instance: None,
            name: None,
            target: target.map(Into::into),
        }
    }

    /// What `a`, `b` and nobody get of 100 J.
    fn split(processes: &[GpuProcess]) -> (f64, f64, f64) {
        let mut shares = Shares::default();
        shares.give(100.0, Some(processes), &|target| target != "gone");
        (shares.of("a").unwrap_or(0.0), shares.of("b").unwrap_or(0.0), shares.other())
    }

    #[test]
    fn it_is_by_what_each_computed() {
        let both = [process(Some("a"), Some(1), Some(0.75)), process(Some("b"), Some(999), Some(0.25))];
        assert_eq!(split(&both), (75.0, 25.0, 0.0));
        let idle = [process(Some("a"), Some(1), Some(0.5)), process(Some("b"), Some(999), None)];
        assert_eq!(split(&idle), (100.0, 0.0, 0.0));
        let nobodys = [process(Some("a"), None, Some(0.75)), process(None, None, Some(0.25))];
        assert_eq!(split(&nobodys), (75.0, 0.0, 25.0));
    }

    #[test]
    fn it_is_by_memory_where_nobody_computed_or_nobody_tells() {
        for busy in [None, Some(0.0), Some(f64::NAN), Some(-1.0)] {
            let both = [process(Some("a"), Some(30), busy), process(Some("b"), Some(70), busy)];
            assert_eq!(split(&both), (30.0, 70.0, 0.0), "{busy:?}");
        }
        let two = [process(Some("a"), Some(30), None), process(Some("a"), Some(30), None)];
        assert_eq!(split(&two), (100.0, 0.0, 0.0));
    }

    #[test]
    fn what_nothing_tells_of_is_nobodys() {
        let mut shares = Shares::default();
        shares.give(100.0, None, &|_| true);
        shares.give(100.0, Some(&[]), &|_| true);
        assert_eq!((shares.of("a"), shares.other()), (None, 200.0));
        assert_eq!(
            split(&[process(Some("a"), None, None), process(Some("b"), None, None)]),
            (0.0, 0.0, 100.0)
        );
        assert_eq!(split(&[process(Some("gone"), Some(5), None)]), (0.0, 0.0, 100.0), "watched no more");
    }

    #[test]
    fn one_owner_alone_has_it_all_whatever_is_told() {
        assert_eq!(
            split(&[process(Some("a"), None, None), process(Some("a"), None, None)]),
            (100.0, 0.0, 0.0)
        );
        assert_eq!(split(&[process(Some("a"), None, None), process(None, None, None)]), (0.0, 0.0, 100.0));
    }

    #[test]
    fn a_target_that_goes_leaves_its_energy_to_nobody() {
        let mut shares = Shares::default();
        shares.give(80.0, Some(&[process(Some("a"), Some(1), None)]), &|_| true);
        shares.forget("a");
        shares.forget("never");
        assert_eq!((shares.of("a"), shares.other()), (None, 80.0));
    }

    fn anything() -> impl Strategy<Value = GpuProcess> {
        let odd = prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-310, f64::MAX]);
        let busy = prop::option::of(prop_oneof![odd, 0.0..1.0]);
        let memory = prop::option::of(prop_oneof![Just(0), Just(u64::MAX), 1_u64..1 << 40]);
        let target = prop::option::of(prop::sample::select(vec!["a", "b", "c", "gone"]));
        (target, memory, busy).prop_map(|(target, memory, busy)| process(target, memory, busy))
    }

    proptest! {
        #[test]
        fn what_is_given_out_is_what_was_taken(
            beats in prop::collection::vec((0.0..1e6, prop::collection::vec(anything(), 0..8)), 1..30),
            forget in 0_usize..30,
        ) {
            let (mut shares, mut taken) = (Shares::default(), 0.0);
            for (nth, (joules, processes)) in beats.iter().enumerate() {
                shares.give(*joules, Some(processes), &|target| target != "gone");
                taken += joules;
                if nth == forget {
                    shares.forget("a");
                }
            }
            let given: f64 = ["a", "b", "c"].iter().filter_map(|target| shares.of(target)).sum();
            prop_assert_eq!(shares.of("gone"), None);
            prop_assert!(shares.other() >= 0.0 && given >= 0.0);
            prop_assert!((given + shares.other() - taken).abs() <= 1e-9 * taken.max(1.0), "{given} {}", shares.other());
        }
    }
}
