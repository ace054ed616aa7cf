//! Tells the fleet what came of a model's run.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::LeftOut;
use super::model::{Model, Skipped, Work};
use super::run::Done;
use super::setup::{Beats, Setup};
use crate::drift::{Judged, Seen, What};
use crate::fleet::CanaryRun;
use crate::view::{RunResult, Skip};

/// What is known of the model, and that it is asked on a beat: its series are there.
pub(super) fn known(model: &Model, beats: &Beats) {
    let every = beats.plan.every.as_secs_f64();
    beats.fleet.expect_canary(&beats.target.name, &model.name, every, Some(model.keeper.report()));
}

/// That nothing was asked, and why.
pub(super) fn skipped(model: &mut Model, setup: &Setup, work: &Work, Skipped(reason, words): &Skipped) {
    let target = setup.target.name.as_str();
    tracing::debug!(target, model = model.name, reason = reason.name(), "a canary was not asked: {words}");
    match (work, reason) {
        (Work::Beat, _) | (_, Skip::ReloadCaused) => {
            setup.fleet.record_canary_skip(target, &model.name, *reason, words);
        }
        // Beside the beat there may be nothing that the server could be asked: then nothing was skipped.
        (_, Skip::Unsupported) => {}
        _ => setup.fleet.count_canary_skip(target, &model.name, *reason),
    }
    if matches!(work, Work::Long) {
        model.left.long = Some(words.clone()).filter(|_| *reason != Skip::Unsupported);
    }
}

/// What of its suite is not asked, and why.
pub(super) fn left_out(model: &Model, setup: &Setup) {
    // A canary may be left out with its first tokens and with its whole answer.
    let names =
        |out: &Vec<LeftOut>| -> BTreeSet<String> { out.iter().map(|left| left.canary.clone()).collect() };
    let names = model.left.out.as_ref().map(|out| names(out).into_iter().collect());
    let words = model.left.words();
    setup.fleet.record_canary_left_out(&setup.target.name, &model.name, names, words);
}

/// What a run found.
pub(super) fn record(model: &Model, setup: &Setup, done: &Done, seen: Seen) {
    let (mut alarms, mut changes) = (Vec::new(), Vec::new());
    for event in seen.events {
        let (target, model) = (setup.target.name.as_str(), model.name.as_str());
        match event.what {
            What::Raised(alarm) => {
                alarms.push((alarm.stream, alarm.severity));
                tracing::warn!(target, model, severity = alarm.severity.name(), "{}", event.text);
            }
            What::Changed(change) => {
                changes.push(change.fact);
                tracing::info!(target, model, fact = change.fact.name(), "{}", event.text);
            }
            _ => tracing::info!(target, model, "{}", event.text),
        }
    }
    let result = match seen.result {
        Judged::Ok => RunResult::Ok,
        Judged::Exceed => RunResult::Exceed,
        Judged::Error => RunResult::Error,
    };
    let run = CanaryRun {
        at: Some(done.run.at),
        result: Some(result),
        distance: seen.distance,
        tokens: (done.spent.prompt, done.spent.completion),
        time_to_first_token_seconds: done.speed.time_to_first_token_seconds,
        tokens_per_second: done.speed.tokens_per_second,
        alarms,
        changes,
        report: model.keeper.report(),
    };
    setup.fleet.record_canary(&setup.target.name, &model.name, run);
}

/// When its next beat is.
pub(super) fn next(model: &Model, beats: &Beats) {
    let after = model.agenda.beat().saturating_duration_since(Instant::now());
    let after = SignedDuration::try_from(after).unwrap_or_default();
    let at = Timestamp::now().checked_add(after).ok();
    beats.fleet.record_canary_next(&beats.target.name, &model.name, at);
}
