//! One model on one target, watched: runs in, a report out. All that it knows outlives a restart as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, Unreadable};
use super::held::Fit;
use super::learning::{Learning, SIZES};
use super::picture::Picture;
use super::recovery::Recovery;
use super::seen::Seen;
use super::{Alarm, Change, FORMAT, Plan, Report, Verdict};
use crate::sample::{Facts, Run};
use crate::suite::{Asked, Suite};

mod alarm;
mod asked;
mod beside;
mod budgets;
mod counted;
mod detectors;
mod facts;
mod grow;
mod latest;
mod looks;
mod observe;
mod others;
mod person;
mod policy;
mod purse;
mod quality;
mod report;
mod unwatched;

use beside::Beside;
use counted::Counted;
use detectors::Detectors;
pub use detectors::LEAST_LONG_RUNS;
use latest::Latest;
use purse::Purse;
use quality::Recent;

/// One model on one target, watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// [`FORMAT`] of the version that wrote it.
    format: u32,
    plan: Plan,
    /// What was asked last, all of it by its hash. Empty: nothing yet.
    suite: String,
    /// The same, each thing for itself. Empty: nothing yet, or an earlier version wrote it.
    asked: Asked,
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
    /// What is to pass again for the alarm of quality to end, while it holds.
    recovery: Option<Recovery>,
    /// What spoke for an alarm that holds, and is asked otherwise or no more since: by it alone nobody can tell whether
    /// the alarm still holds, so that it does not end by itself.
    withdrawn: Asked,
    /// How checks fared since the baseline.
    checks: BTreeMap<String, Recent>,
    /// How those of them fare that the baseline does not know, or hardly.
    beside: Beside,
    /// What the server told last, each fact for itself.
    facts: Facts,
    /// Facts that differ from the baseline's.
    changes: Vec<Change>,
    /// The last run that was judged.
    last: Option<Picture>,
    /// What was last told of each probe.
    latest: Latest,
    /// The last one that exceeded, while that matters.
    off: Option<Picture>,
    /// Runs judged, of any kind, and since the baseline those compared and those that exceeded.
    counted: Counted,
    /// Steps of evidence that may still be taken.
    purse: Purse,
    verdict: Verdict,
    since: Option<Timestamp>,
    /// The largest KLD equivalent since it moved, nats.
    farthest: f64,
    /// Why no baseline could be made of what was gathered, if so.
    refused: Option<String>,
    /// Why the last run got no answer, if so.
    why: Option<String>,
}

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
            asked: Asked::default(),
            baseline: None,
            numbers: 0,
            learning: Some(Learning::default()),
            candidate: None,
            detectors: None,
            alarms: Vec::new(),
            recovery: None,
            withdrawn: Asked::default(),
            checks: BTreeMap::new(),
            beside: Beside::default(),
            facts: Facts::default(),
            changes: Vec::new(),
            last: None,
            latest: Latest::default(),
            off: None,
            counted: Counted::default(),
            purse: Purse::default(),
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

    /// What the commands that it names are to say: [`Plan::url`] and [`Plan::unsaved`].
    pub fn name_commands(&mut self, url: Option<String>, unsaved: bool) {
        (self.plan.url, self.plan.unsaved) = (url, unsaved);
    }

    /// Numbers below this are taken: baselines have them that it does not know of.
    pub fn number_from(&mut self, next: u32) {
        self.numbers = self.numbers.max(next.saturating_sub(1));
    }

    /// The baseline in force.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Whether it knows what the model does since it moved, so that this can be accepted.
    pub fn has_candidate(&self) -> bool {
        !self.changes.is_empty() || self.candidate.as_ref().is_some_and(|candidate| !candidate.is_empty())
    }

    /// Shows it a run. Runs are to come in the order in which they were made.
    pub fn observe(&mut self, run: &Run, suite: &Suite) -> Seen {
        observe::observe(self, run, suite)
    }

    /// What holds now.
    pub fn report(&self, now: Timestamp) -> Report {
        report::report(self, now)
    }

    /// From now on the model is held against this baseline; `learning` goes on if there is a larger one to come.
    fn put_in_force(&mut self, baseline: Baseline, learning: Option<Learning>, now: Timestamp) {
        self.numbers = self.numbers.max(baseline.number);
        self.detectors = Some(Detectors::new(&baseline, &self.plan, now));
        for (fact, told) in &baseline.facts.of {
            self.facts.of.entry(*fact).or_insert_with(|| told.clone());
        }
        self.changes = facts::differences(&baseline.facts, &self.facts, &[], now);
        self.candidate = None;
        self.alarms.clear();
        self.recovery = None;
        self.withdrawn = Asked::default();
        self.checks.clear();
        self.beside = Beside::default();
        self.off = None;
        self.last = None;
        self.latest = Latest::default();
        self.refused = None;
        self.counted = Counted::default();
        self.baseline = Some(baseline);
        self.learning = learning.filter(|_| self.next_size().is_some());
        self.watch_checks();
        self.say(Verdict::Steady, now);
    }

    /// The same for the fingerprint alone: what is known of checks and speed, and the alarms of these, hold on.
    fn renew(&mut self, baseline: Baseline, learning: Option<Learning>, now: Timestamp) {
        let (alarms, recovery) = (std::mem::take(&mut self.alarms), self.recovery.take());
        let (checks, brisk) = (std::mem::take(&mut self.checks), self.counted.brisk);
        let (beside, withdrawn) = (std::mem::take(&mut self.beside), std::mem::take(&mut self.withdrawn));
        let (detectors, said) = (self.detectors.take(), (self.verdict, self.since));
        // What was gathered while something was wrong teaches the next baseline nothing of checks and speed.
        let learning = if alarms.is_empty() { learning } else { Some(Learning::default()) };
        self.put_in_force(baseline, learning, now);
        if let (Some(baseline), Some(detectors)) = (&self.baseline, detectors) {
            self.detectors = Some(detectors.renewed(baseline, &self.plan, now));
        }
        (self.alarms, self.recovery, self.checks) = (alarms, recovery, checks);
        (self.beside, self.withdrawn) = (beside, withdrawn);
        self.watch_checks();
        self.counted.brisk = brisk;
        (self.verdict, self.since) = said;
    }

    /// What of the baseline in force can be held against what is asked now, with the checks that are known well enough
    /// beside it.
    fn held(&self) -> Option<Cow<'_, Baseline>> {
        let mut held = self.baseline.as_ref()?.held(&self.asked);
        let known: Vec<_> = self.known_beside().collect();
        if !known.is_empty() {
            held.to_mut().checks.extend(known);
        }
        Some(held)
    }

    /// Whether nobody can tell by the baseline in force whether the answers are as they were: there is none, or hardly
    /// anything is compared that it knows.
    fn is_blind(&self) -> bool {
        self.baseline.as_ref().is_none_or(|baseline| baseline.fit(&self.asked) == Fit::Nothing)
    }

    /// Runs of the next baseline. `None`: the one in force is as full as they get.
    fn next_size(&self) -> Option<u64> {
        let least = SIZES[0];
        let Some(baseline) = &self.baseline else { return Some(least) };
        match baseline.fit(&self.asked) {
            Fit::Nothing => Some(least),
            // What is new should be known as well as the rest.
            Fit::Part => Some(baseline.runs.clamp(least, SIZES[SIZES.len() - 1])),
            Fit::Whole => SIZES.into_iter().find(|size| *size > baseline.runs),
        }
    }

    /// Says what holds, and since when.
    fn say(&mut self, verdict: Verdict, at: Timestamp) {
        if self.verdict != verdict || self.since.is_none() {
            self.verdict = verdict;
            self.since = Some(at);
        }
    }
}

#[cfg(test)]
mod tests;
