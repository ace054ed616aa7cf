//! One model on one target, watched: runs in, a report out. All that it knows outlives a restart as JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, Record, Unreadable};
use super::learning::{Learning, SIZES};
use super::look::Look;
use super::making::{self, Refused};
use super::picture::Picture;
use super::seen::{Event, Seen, What};
use super::{Alarm, Change, FORMAT, Plan, Report, Verdict};
use crate::sample::{Facts, Run};
use crate::suite::Suite;

mod alarm;
mod detectors;
mod facts;
mod grow;
mod looks;
mod observe;
mod policy;
mod quality;
mod report;

use detectors::Detectors;
use quality::Recent;

/// One model on one target, watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// [`FORMAT`] of the version that wrote it.
    format: u32,
    plan: Plan,
    /// What was asked last, by its hash. Empty: nothing yet.
    suite: String,
    /// What the model is held against.
    baseline: Option<Baseline>,
    /// The highest number that a baseline had.
    numbers: u32,
    /// Runs for the next baseline. `None`: the one in force is as full as they get.
    learning: Option<Learning>,
    /// What the model does since it moved: what `accept` makes a baseline of.
    candidate: Option<Learning>,
    /// Evidence against the baseline. `None`: there is none.
    detectors: Option<Detectors>,
    /// The alarms that hold, one a stream at most.
    alarms: Vec<Alarm>,
    /// How checks fared since the baseline.
    checks: BTreeMap<String, Recent>,
    /// What the server told last, each fact for itself.
    facts: Facts,
    /// Facts that differ from the baseline's.
    changes: Vec<Change>,
    /// The last run that was judged.
    last: Option<Picture>,
    /// The last one that exceeded, while that matters.
    off: Option<Picture>,
    /// Runs judged, of any kind, and since the baseline those compared and those that exceeded.
    counted: Counted,
    verdict: Verdict,
    since: Option<Timestamp>,
    /// The largest KLD equivalent since it moved, nats.
    farthest: f64,
    /// Why no baseline could be made of what was gathered, if so.
    refused: Option<String>,
    /// Why the last run got no answer, if so.
    why: Option<String>,
}

/// How many runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Counted {
    /// Compared with the baseline.
    compared: u64,
    /// Of those, that exceeded.
    exceeding: u64,
    /// Clean ones in a row, by now.
    clean: u64,
    /// Runs from the first that exceeded, in the spell that goes on.
    spell: u64,
    /// Without anything to judge in a row, by now.
    unanswered: u64,
    /// Runs in a row whose score is within the tolerance of medians, by now.
    near: u64,
    /// Runs in a row that were as fast as before, by now.
    brisk: u64,
    /// The last long prompts were off.
    long_off: bool,
    /// Looks beside the beat that may still count as evidence.
    extra: f64,
    /// When the last look beside the beat counted.
    extra_at: Option<Timestamp>,
    /// Graded answers that may still count as evidence.
    answers: f64,
}

/// Looks beside the beat that may count at first, and that are saved up at most.
const MOST_EXTRA: f64 = 12.0;

/// Graded answers that may count at first, and that are saved up at most: each check of a suite twice.
const MOST_ANSWERS: f64 = 60.0;

impl Default for Watch {
    fn default() -> Watch {
        Watch::new(Plan::default())
    }
}

impl Watch {
    /// Of a model that was never asked.
    pub fn new(plan: Plan) -> Watch {
        Watch {
            format: FORMAT,
            plan,
            suite: String::new(),
            baseline: None,
            numbers: 0,
            learning: Some(Learning::default()),
            candidate: None,
            detectors: None,
            alarms: Vec::new(),
            checks: BTreeMap::new(),
            facts: Facts::default(),
            changes: Vec::new(),
            last: None,
            off: None,
            counted: Counted { extra: MOST_EXTRA, answers: MOST_ANSWERS, ..Counted::default() },
            verdict: Verdict::Learning,
            since: None,
            farthest: 0.0,
            refused: None,
            why: None,
        }
    }

    /// Reads one that was stored, by this or an earlier version.
    ///
    /// # Errors
    ///
    /// It is none, or was written by a newer version of opsagent.
    pub fn of_json(json: &str) -> Result<Watch, Unreadable> {
        Unreadable::check(json, "watch")?;
        let read = serde_json::from_str(json);
        let watch: Watch =
            read.map_err(|error| Unreadable::Damaged { what: "watch", text: error.to_string() })?;
        Ok(Watch { format: FORMAT, ..watch })
    }

    /// It as JSON.
    pub fn to_json(&self) -> String {
        // Maps have text keys and floats that are not finite become null, so that nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Another beat, name, or number of allowed alarms; what was seen is kept.
    pub fn replan(&mut self, plan: Plan) {
        if let Some(detectors) = &mut self.detectors {
            detectors.replan(&plan);
        }
        self.plan = plan;
    }

    /// The baseline in force.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Shows it a run. Runs are to come in the order in which they were made.
    pub fn observe(&mut self, run: &Run, suite: &Suite) -> Seen {
        observe::observe(self, run, suite)
    }

    /// What holds now.
    pub fn report(&self, now: Timestamp) -> Report {
        report::report(self, now)
    }

    /// Takes what the model does since it moved as the baseline: the alarms end.
    ///
    /// # Errors
    ///
    /// Nothing moved, or what it does now is too unsteady.
    pub fn accept(&mut self, now: Timestamp) -> Result<Seen, Refused> {
        let baseline = policy::adopt(self, now)?;
        let number = baseline.number;
        let name = self.plan.name();
        let text =
            format!("{name}: what it does now was accepted as baseline {number} ({} runs)", baseline.runs);
        let events = vec![Event { at: now, what: What::Accepted { number }, text }];
        Ok(Seen { events, made: Some(baseline), ..Seen::default() })
    }

    /// Goes back to an earlier baseline: from now on the model is held against that one.
    ///
    /// # Errors
    ///
    /// It is of another suite: what is asked now cannot be compared with it.
    pub fn rollback(&mut self, to: Baseline, now: Timestamp) -> Result<Seen, Refused> {
        if !self.suite.is_empty() && to.suite != self.suite {
            return Err(Refused::Nothing(format!(
                "baseline {} was made of other canaries than are asked now: ask those, or take another baseline",
                to.number
            )));
        }
        let number = to.number;
        let text = format!("{}: went back to baseline {number}", self.plan.name());
        self.put_in_force(to, Some(Learning::default()), now);
        let events = vec![Event { at: now, what: What::RolledBack { number }, text }];
        Ok(Seen { events, ..Seen::default() })
    }

    /// Makes a baseline of these runs alone, the last ones too: a person says that all was well.
    ///
    /// # Errors
    ///
    /// They hold no answer, or the model answers too unsteadily.
    pub fn capture(&mut self, runs: &[Run], suite: &Suite, now: Timestamp) -> Result<Seen, Refused> {
        let mut learning = Learning::default();
        for run in runs {
            let look = Look::of(run, suite);
            if look.can_be_judged() && look.faults.is_empty() {
                learning.take(run, &look);
            }
        }
        let Some(last) = runs.last() else { return Err(Refused::Nothing("there was no run".into())) };
        let baseline = making::make(&learning, &last.suite, self.numbers + 1, true)?;
        self.suite.clone_from(&last.suite);
        let number = baseline.number;
        let text = format!("{}: baseline {number} was captured ({} runs)", self.plan.name(), baseline.runs);
        self.put_in_force(baseline.clone(), Some(learning), now);
        let events = vec![Event { at: now, what: What::BaselineMade { number }, text }];
        Ok(Seen { events, made: Some(baseline), ..Seen::default() })
    }

    /// From now on the model is held against this baseline; `learning` goes on if there is a larger one to come.
    fn put_in_force(&mut self, baseline: Baseline, learning: Option<Learning>, now: Timestamp) {
        self.numbers = self.numbers.max(baseline.number);
        self.detectors = Some(Detectors::new(&baseline, &self.plan));
        self.learning = learning.filter(|_| next_size(&baseline).is_some());
        for (fact, told) in &baseline.facts.of {
            self.facts.of.entry(*fact).or_insert_with(|| told.clone());
        }
        self.changes = facts::differences(&baseline.facts, &self.facts, &[], now);
        self.candidate = None;
        self.alarms.clear();
        self.checks.clear();
        self.off = None;
        self.last = None;
        self.refused = None;
        let Counted { extra, extra_at, answers, .. } = self.counted;
        self.counted = Counted { extra, extra_at, answers, ..Counted::default() };
        self.baseline = Some(baseline);
        self.say(Verdict::Steady, now);
    }

    /// Says what holds, and since when.
    fn say(&mut self, verdict: Verdict, at: Timestamp) {
        if self.verdict != verdict || self.since.is_none() {
            self.verdict = verdict;
            self.since = Some(at);
        }
    }
}

/// Runs of the next larger baseline.
fn next_size(baseline: &Baseline) -> Option<u64> {
    SIZES.into_iter().find(|size| *size > baseline.runs)
}

/// How often a canary's checks were passed in the baseline.
fn record<'a>(baseline: Option<&'a Baseline>, canary: &str) -> Option<&'a Record> {
    baseline?.checks.get(canary)
}

#[cfg(test)]
mod tests;
