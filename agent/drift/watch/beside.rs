//! Checks that the baseline in force does not know, or hardly: those of canaries that were edited or added since. A
//! baseline never changes, so they are learned beside it, and watched once they are known as well as it asks for.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Watch;
use crate::drift::baseline::{LEAST_PASSES, Record};
use crate::drift::look::Graded;
use crate::drift::rate::QUARANTINE;
use crate::suite::Asked;

/// Answers that wait at most: those of a quarantine's beats of 30 canaries each, twice. With more, the oldest count
/// early.
const MOST_WAITING: usize = 2 * 30 * QUARANTINE;

/// How checks fare that the baseline in force does not know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Beside {
    /// Beats that it saw.
    beats: u64,
    /// How often the checks of each canary were passed.
    records: BTreeMap<String, Record>,
    /// The answers of the last beats, the oldest first: they may be part of a change that is not found yet.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Waiting {
    beat: u64,
    canary: String,
    category: String,
    passed: bool,
}

impl Beside {
    /// Takes in the answers of a run; `beat`: whether it is one of the beat's, by which the others age.
    fn take<'a>(&mut self, graded: impl Iterator<Item = &'a Graded<'a>>, beat: bool) {
        self.beats += u64::from(beat);
        self.waiting.extend(graded.map(|graded| Waiting {
            beat: self.beats,
            canary: graded.canary.to_owned(),
            category: graded.category.to_owned(),
            passed: graded.failed.is_empty(),
        }));
        let old = |waiting: &Waiting| waiting.beat + QUARANTINE as u64 <= self.beats;
        while self.waiting.len() > MOST_WAITING || self.waiting.front().is_some_and(old) {
            let Some(Waiting { canary, category, passed, .. }) = self.waiting.pop_front() else { break };
            let record = self.records.entry(canary).or_default();
            record.category = category;
            // What is known well enough stays as it is, as in a baseline: what fails later is held against it.
            if !record.is_stable() {
                record.count(passed);
            }
        }
    }

    /// How often the checks of that canary were passed.
    pub(super) fn record(&self, canary: &str) -> Option<&Record> {
        self.records.get(canary)
    }

    /// Forgets the last beats: they are part of what an alarm found.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Forgets all of these canaries: they are others now.
    pub(super) fn forget<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.records.remove(name);
            self.waiting.retain(|waiting| waiting.canary != name);
        }
    }
}

impl Watch {
    /// How often a canary's checks were passed while all was well, as it is asked now: in the baseline, or beside it where
    /// that knows it too little.
    pub(super) fn record(&self, canary: &str) -> Option<&Record> {
        self.record_as(canary, &self.asked)
    }

    /// The same as it was asked then.
    pub(super) fn record_as(&self, canary: &str, asked: &Asked) -> Option<&Record> {
        let of_baseline = self.record_of_baseline(canary, asked);
        if of_baseline.is_some_and(|record| record.asked >= LEAST_PASSES) {
            return of_baseline;
        }
        let beside = self.beside.record(canary);
        beside.filter(|record| of_baseline.is_none_or(|known| record.asked > known.asked)).or(of_baseline)
    }

    /// Those that are known well enough to be watched, by what was learned beside the baseline.
    pub(super) fn known_beside(&self) -> impl Iterator<Item = (String, Record)> {
        let stable = self.beside.records.iter().filter(|(_, record)| record.is_stable());
        let better = stable.filter(|(canary, record)| self.record(canary) == Some(*record));
        better.map(|(canary, record)| (canary.clone(), record.clone()))
    }

    /// The canaries of whose checks something is known, some of them twice.
    pub(super) fn checks_known(&self) -> impl Iterator<Item = &str> {
        let names = self.baseline.iter().flat_map(|baseline| baseline.checks.keys());
        names.chain(self.beside.records.keys()).map(String::as_str)
    }

    /// How often the checks of each were passed.
    pub(super) fn records(&self) -> BTreeMap<String, Record> {
        self.checks_known().filter_map(|name| Some((name.to_owned(), self.record(name)?.clone()))).collect()
    }

    /// Learns beside the baseline how the checks fare that it knows too little.
    pub(super) fn learn_beside(&mut self, graded: &[Graded<'_>], beat: bool) {
        let known = |canary: &str| {
            self.record_of_baseline(canary, &self.asked).is_some_and(|record| record.asked >= LEAST_PASSES)
        };
        let new: Vec<&Graded<'_>> = graded.iter().filter(|graded| !known(graded.canary)).collect();
        self.beside.take(new.into_iter(), beat);
        self.watch_checks();
    }

    /// Watches the checks that are known well enough, and those alone.
    pub(super) fn watch_checks(&mut self) {
        let Some(mut detectors) = self.detectors.take() else { return };
        let quality = detectors.quality();
        quality.keep(|canary| self.record(canary).is_some_and(Record::is_stable));
        let asked = self.asked.graded.len();
        for (canary, record) in self.records().iter().filter(|(_, record)| record.is_stable()) {
            if !quality.watches(canary) {
                quality.add(canary, record.asked - record.passed, record.asked, asked);
            }
        }
        self.detectors = Some(detectors);
    }

    fn record_of_baseline(&self, canary: &str, asked: &Asked) -> Option<&Record> {
        let baseline = self.baseline.as_ref()?;
        let is_held = asked.is_empty() || baseline.grades(canary, asked);
        baseline.checks.get(canary).filter(|_| is_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(beside: &mut Beside, failed: bool) {
        let failed = if failed { vec!["no".to_owned()] } else { Vec::new() };
        let graded = Graded { canary: "mine", category: "own", failed, refuse: None, refused: false };
        beside.take([&graded].into_iter(), true);
    }

    #[test]
    fn answers_wait_until_the_beats_of_a_quarantine_passed_and_an_alarm_takes_them_out() {
        let mut beside = Beside::default();
        (0..12).for_each(|_| take(&mut beside, false));
        assert_eq!(beside.record("mine"), None);
        take(&mut beside, false);
        assert_eq!(beside.record("mine").map(|record| (record.asked, record.passed)), Some((1, 1)));
        beside.forget_waiting();
        (0..12).for_each(|_| take(&mut beside, false));
        assert_eq!(beside.record("mine").map(|record| record.asked), Some(1));
    }

    #[test]
    fn what_is_known_well_enough_stays_as_it_is() {
        let mut beside = Beside::default();
        (0..18).for_each(|_| take(&mut beside, false));
        (0..40).for_each(|_| take(&mut beside, true));
        let record = beside.record("mine").unwrap();
        assert_eq!((record.asked, record.passed, record.is_stable()), (6, 6, true));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut beside = Beside::default();
        let graded =
            Graded { canary: "mine", category: "own", failed: Vec::new(), refuse: None, refused: false };
        (0..5000).for_each(|_| beside.take([&graded].into_iter(), false));
        assert_eq!(beside.waiting.len(), MOST_WAITING);
    }
}
