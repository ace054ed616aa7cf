//! What canaries found, a model at a time: kept here, so that a reload of the config loses nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Fleet;
use crate::drift::{Report, Severity, Stream};
use crate::sample::Fact;
use crate::view::{CanaryView, MOST_RECENT, RecentRun, RunResult, Skip, StoreView, TargetView};

mod notes;

/// The canaries of one target, by model.
#[derive(Debug, Default)]
pub(super) struct Canaries(BTreeMap<String, CanaryView>);

/// What one run of canaries found.
#[derive(Debug, Clone, Default)]
pub struct CanaryRun {
    /// When it began.
    pub at: Option<Timestamp>,
    /// How it compares. `None`: nothing of it could be judged.
    pub result: Option<RunResult>,
    /// Its distance for a picture of runs: KLD equivalent in nats, or the part of texts that are not known.
    pub distance: Option<f64>,
    /// Tokens it took: prompt, completion.
    pub tokens: (u64, u64),
    /// Median time to the first token, in seconds.
    pub time_to_first_token_seconds: Option<f64>,
    /// Median tokens a second.
    pub tokens_per_second: Option<f64>,
    /// Alarms that began with it.
    pub alarms: Vec<(Stream, Severity)>,
    /// Facts that were another for the first time.
    pub changes: Vec<Fact>,
    /// What drift says after it.
    pub report: Report,
}

impl Fleet {
    /// A model is asked on a beat of that length from now on: its series are there. What is known of it stays.
    pub fn expect_canary(&self, target: &str, model: &str, every_seconds: f64, report: Option<Report>) {
        self.with_canary(target, model, true, |canary| {
            canary.every_seconds = every_seconds;
            if let Some(report) = report {
                canary.report = report;
            }
        });
    }

    /// What came of a run.
    pub fn record_canary(&self, target: &str, model: &str, run: CanaryRun) {
        self.with_canary(target, model, false, |canary| record(canary, run));
    }

    /// A beat asked nothing, and why, in a sentence with what to do.
    pub fn record_canary_skip(&self, target: &str, model: &str, reason: Skip, words: &str) {
        self.with_canary(target, model, false, |canary| {
            canary.count_skip(reason);
            canary.skipped = Some(reason.name().to_owned());
            canary.skipped_words = Some(words.to_owned());
        });
    }

    /// Beside the beat something could not be asked: the long prompts, or a look again at what moved. It is tried at the
    /// next beats.
    pub fn count_canary_skip(&self, target: &str, model: &str, reason: Skip) {
        self.with_canary(target, model, false, |canary| canary.count_skip(reason));
    }

    /// What of a model's suite is not asked: the names of what never is, if that is known, and all of it in sentences.
    pub fn record_canary_left_out(
        &self,
        target: &str,
        model: &str,
        names: Option<Vec<String>>,
        words: Vec<String>,
    ) {
        self.with_canary(target, model, false, |canary| {
            (canary.left_out, canary.left_out_words) = (names, words);
        });
    }

    /// Tokens (prompt, completion) of questions that are part of no run: those that find out what a server can be asked
    /// for, and those of a run that came to nothing.
    pub fn record_canary_tokens(&self, target: &str, model: &str, tokens: (u64, u64)) {
        self.with_canary(target, model, false, |canary| spend(canary, tokens));
    }

    /// When a model is asked next.
    pub fn record_canary_next(&self, target: &str, model: &str, at: Option<Timestamp>) {
        self.with_canary(target, model, false, |canary| canary.next_run_at = at);
    }

    /// A model is asked no more: its series end.
    pub fn forget_canary(&self, target: &str, model: &str) {
        if let Some(entry) = self.lock().targets.get_mut(target) {
            entry.canaries.0.remove(model);
        }
    }

    /// None of a target's models is asked any more: their series end.
    pub fn forget_canaries(&self, target: &str) {
        if let Some(entry) = self.lock().targets.get_mut(target) {
            entry.canaries = Canaries::default();
        }
    }

    /// Whether a tap or a log tells of users' requests to the target, and when the last one to this model ended.
    pub fn last_use(&self, target: &str, model: &str) -> (bool, Option<Timestamp>) {
        let mut known = self.lock();
        self.settle_all(&mut known);
        known.targets.get(target).map_or((false, None), |entry| entry.traffic.last_use(model))
    }

    /// When the last request of a user to any other model of the target ended, as far as a tap or a log tells.
    pub fn last_use_beside(&self, target: &str, model: &str) -> Option<Timestamp> {
        let mut known = self.lock();
        self.settle_all(&mut known);
        known.targets.get(target)?.traffic.last_use_beside(model)
    }

    /// Whether a log tells of requests to the target: it tells of canaries' as of users'.
    pub fn follows_log(&self, target: &str) -> bool {
        let known = self.lock();
        known.targets.get(target).is_some_and(|entry| entry.traffic.follows_log())
    }

    /// How the store fares. `None`: none is used.
    pub fn record_store(&self, store: Option<StoreView>) {
        self.lock().store = store;
    }

    /// What is known of one target, as of now. `None`: there is none of that name.
    pub fn target(&self, name: &str) -> Option<TargetView> {
        let known = self.lock();
        known.targets.get(name).map(|entry| entry.view(&known.traffic, tokio::time::Instant::now()))
    }

    fn with_canary(&self, target: &str, model: &str, make: bool, change: impl FnOnce(&mut CanaryView)) {
        let mut known = self.lock();
        let most = known.max_models;
        let Some(entry) = known.targets.get_mut(target) else { return };
        let all = &mut entry.canaries.0;
        if make && all.len() < most && !all.contains_key(model) {
            all.insert(model.to_owned(), CanaryView { model: model.to_owned(), ..CanaryView::default() });
        }
        if let Some(canary) = all.get_mut(model) {
            change(canary);
        }
    }
}

fn spend(canary: &mut CanaryView, (prompt, completion): (u64, u64)) {
    canary.tokens.0 = canary.tokens.0.saturating_add(prompt);
    canary.tokens.1 = canary.tokens.1.saturating_add(completion);
}

fn record(canary: &mut CanaryView, run: CanaryRun) {
    let result = run.result.unwrap_or(RunResult::Error);
    canary.count_run(result);
    for (stream, severity) in run.alarms {
        canary.count_alarm(stream, severity);
    }
    for fact in run.changes {
        canary.count_change(fact);
    }
    spend(canary, run.tokens);
    canary.last_run_at = run.at.or(canary.last_run_at);
    (canary.skipped, canary.skipped_words) = (None, None);
    if let (Some(at), true) = (run.at, matches!(result, RunResult::Ok | RunResult::Exceed)) {
        let excess = (canary.recent.len() + 1).saturating_sub(MOST_RECENT);
        canary.recent.drain(..excess);
        canary.recent.push(RecentRun { at, distance: run.distance, exceeds: result == RunResult::Exceed });
    }
    // What a run did not measure is what the last one that did says.
    canary.time_to_first_token_seconds =
        run.time_to_first_token_seconds.or(canary.time_to_first_token_seconds);
    canary.tokens_per_second = run.tokens_per_second.or(canary.tokens_per_second);
    canary.report = run.report;
}

impl Canaries {
    /// The models, by name.
    pub(super) fn view(&self) -> Vec<CanaryView> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
