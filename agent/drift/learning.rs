//! Runs, gathered until a baseline can be made of them.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Probe;
use super::baseline::Record;
use super::dictionary::Dictionary;
use super::failures::Failures;
use super::look::{Look, SAMPLER};
use super::performance::Pace;
use super::rate::QUARANTINE;
use crate::sample::{Facts, Run};

/// Baselines are made anew at so many runs, and no more after the last.
pub(super) const SIZES: [u64; 4] = [20, 40, 100, 300];

/// Runs that are gathered at most: a full baseline, and what an alarm that nobody answers may add.
const MOST_RUNS: u64 = 600;

/// The same of all passes: where a beat is an hour or more, each has its long prompts in a pass of their own.
const MOST_PASSES: u64 = 2 * MOST_RUNS;

/// Passes that wait at most, if none of them is a beat.
const MOST_WAITING: usize = 4 * QUARANTINE;

/// Runs, gathered until a baseline can be made of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Learning {
    /// The server tells no log probabilities.
    pub text_mode: bool,
    /// What the canaries, the probes and the sampler answered.
    pub canaries: BTreeMap<String, Dictionary>,
    /// Tokens of each canary's prompt. `None`: the server did not always tell the same.
    pub prompt_tokens: BTreeMap<String, Option<u64>>,
    /// Canaries that were answered with faults when their first tokens were asked for.
    pub failed: BTreeMap<String, Failures>,
    /// The same of whole answers.
    pub failed_checks: BTreeMap<String, Failures>,
    /// What the server told last.
    pub facts: Facts,
    /// What is learned of runs that are not among the last.
    pub settled: Settled,
    /// The last runs, the oldest first: they may turn out to be part of a change that is not found yet.
    waiting: VecDeque<Pass>,
}

/// What is learned of a number of runs, beside the states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settled {
    pub from: Option<Timestamp>,
    pub at: Option<Timestamp>,
    /// All that was taken in: by this the states' first sights are numbered.
    pub passes: u64,
    /// Those with the short canaries.
    pub runs: u64,
    pub loaded_runs: u64,
    pub long_runs: u64,
    /// Runs that exceeded the baseline in force: nothing of them is learned but that there were so many.
    pub exceeding: u64,
    /// The same of the long prompts.
    pub long_exceeding: u64,
    pub checks: BTreeMap<String, Record>,
    /// How fast each run was that had the server for itself.
    pub paces: Vec<Pace>,
}

/// What one run adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pass {
    at: Timestamp,
    short: bool,
    loaded: bool,
    long: bool,
    /// It exceeded the baseline in force.
    #[serde(default)]
    exceeds: bool,
    /// How fast it was, if nobody else used the server.
    #[serde(default)]
    pace: Option<Pace>,
    /// Canary, category, and whether its checks were passed.
    checks: Vec<(String, String, bool)>,
}

impl Learning {
    /// Whether no run was taken in yet.
    pub(super) fn is_empty(&self) -> bool {
        self.taken() == 0
    }

    /// Runs with the short canaries that were taken in, the last ones too.
    pub(super) fn taken(&self) -> u64 {
        self.settled.runs + self.waiting.iter().filter(|pass| pass.short && !pass.exceeds).count() as u64
    }

    /// Runs that exceeded the baseline in force, and all, without the last.
    pub(super) fn beyond(&self) -> (u64, u64) {
        let Settled { runs, exceeding, .. } = self.settled;
        (exceeding, runs + exceeding)
    }

    /// Whether it takes in no more.
    pub(super) fn is_full(&self) -> bool {
        let Settled { runs, exceeding, passes, .. } = self.settled;
        runs + exceeding >= MOST_RUNS || passes >= MOST_PASSES
    }

    /// Takes in a run.
    pub(super) fn take(&mut self, run: &Run, look: &Look<'_>) {
        if self.is_full() {
            return;
        }
        if !look.prints.is_empty() {
            self.text_mode = look.text_mode;
        }
        let number = self.settled.passes + self.waiting.len() as u64 + 1;
        for print in &look.prints {
            let entry = self.canaries.entry(print.canary.to_owned());
            let dictionary = entry.or_insert_with(|| Dictionary::new(print.probe, print.raw));
            dictionary.take(print.numbers(false), number);
        }
        if let Some(sampler) = &look.sampler {
            let entry = self.canaries.entry(SAMPLER.to_owned());
            let dictionary = entry.or_insert_with(|| Dictionary::new(Probe::Sampling, true));
            dictionary.take(sampler.clone(), number);
        }
        for (canary, tokens) in &look.prompt_tokens {
            let told = self.prompt_tokens.entry((*canary).to_owned()).or_insert(Some(*tokens));
            // Told differently for one prompt, the count tells nothing of the prompt.
            if *told != Some(*tokens) {
                *told = None;
            }
        }
        self.take_faults(look);
        for (fact, told) in &run.facts.of {
            self.facts.of.insert(*fact, told.clone());
        }
        self.facts.notes.clone_from(&run.facts.notes);
        let one = |graded: &super::look::Graded<'_>| {
            (graded.canary.to_owned(), graded.category.to_owned(), graded.failed.is_empty())
        };
        self.waiting.push_back(Pass {
            at: run.at,
            short: look.is_short(),
            loaded: run.concurrency > 1,
            exceeds: false,
            pace: look.pace,
            long: look.of_probe(Probe::Long).next().is_some(),
            checks: look.graded.iter().map(one).collect(),
        });
        self.settle();
    }

    /// Counts a run that exceeded the baseline in force, by its short canaries or its long ones, and learns nothing else
    /// of it: what it answered may be a fault. It counts, since a bound on benign runs that leaves out those that exceed
    /// is a bound of nothing.
    pub(super) fn leave_out(&mut self, at: Timestamp, short: bool, long: bool) {
        if self.is_full() {
            return;
        }
        let (loaded, pace, checks) = (false, None, Vec::new());
        self.waiting.push_back(Pass { at, short, loaded, long, exceeds: true, pace, checks });
        self.settle();
    }

    /// The last beats wait, and what lies between them: a pass of the long prompts pushes no beat out early.
    fn settle(&mut self) {
        let mut beats = self.waiting.iter().filter(|pass| pass.short).count();
        while beats > QUARANTINE || self.waiting.len() > MOST_WAITING {
            beats -= usize::from(self.waiting.front().is_some_and(|pass| pass.short));
            if let Some(pass) = self.waiting.pop_front() {
                self.settled.add(&pass);
            }
        }
    }

    /// What is learned of all runs, the last ones too.
    pub(super) fn all(&self) -> Settled {
        let mut all = self.settled.clone();
        self.waiting.iter().for_each(|pass| all.add(pass));
        all
    }

    /// Forgets what was learned of the first tokens of these canaries and probes, and of their prompts: they are others
    /// now.
    pub(super) fn forget_prints<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.canaries.remove(name);
            self.prompt_tokens.remove(name);
            self.failed.remove(name);
        }
    }

    /// The same of how the checks of these canaries fared.
    pub(super) fn forget_checks<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.settled.checks.remove(name);
            self.waiting.iter_mut().for_each(|pass| pass.checks.retain(|(canary, _, _)| canary != name));
            self.failed_checks.remove(name);
        }
    }

    /// Forgets the last runs: they are part of what an alarm found.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
        let last = self.settled.passes;
        self.canaries.values_mut().for_each(|dictionary| dictionary.forget_after(last));
    }
}

impl Settled {
    fn add(&mut self, pass: &Pass) {
        self.from.get_or_insert(pass.at);
        self.at = Some(pass.at);
        self.passes += 1;
        let (short, long) = (u64::from(pass.short), u64::from(pass.long));
        if pass.exceeds {
            self.exceeding += short;
            self.long_exceeding += long;
            return;
        }
        self.runs += short;
        self.long_runs += long;
        self.loaded_runs += u64::from(pass.loaded);
        self.paces.extend(pass.pace);
        for (canary, category, passed) in &pass.checks {
            let record = self.checks.entry(canary.clone()).or_default();
            record.category.clone_from(category);
            record.count(*passed);
        }
    }
}
