//! What a run, and what a watch made of it, are in the store. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::run::Done;
use crate::checks;
use crate::drift::{Baseline, Event, Seen, Severity, Verdict, What};
use crate::sample::{Answer, Part};
use crate::store::{BaselineRecord, Batch, EventRecord, Key, RunRecord};
use crate::suite::Suite;

/// A run. `verdict`: what holds after it. `keeps_answers`: with the text of whole answers.
pub fn run(done: &Done, suite: &Suite, seen: &Seen, verdict: Verdict, keeps_answers: bool) -> RunRecord {
    let run = &done.run;
    let (passed, graded) = graded(&run.answers, suite);
    let text = |answer: &Answer| {
        let reply = answer.result.as_ref().ok().filter(|_| answer.part == Part::Graded)?;
        Some((answer.canary.clone(), reply.text.clone()))
    };
    RunRecord {
        at: run.at,
        purpose: name(&run.purpose),
        result: seen.result.name().to_owned(),
        verdict: verdict.name().to_owned(),
        distance: seen.distance,
        kld: seen.kld,
        passed: (graded > 0).then_some(passed),
        graded: (graded > 0).then_some(graded),
        prompt_tokens: Some(done.spent.prompt),
        completion_tokens: Some(done.spent.completion),
        ttft_seconds: done.speed.time_to_first_token_seconds,
        tokens_per_second: done.speed.tokens_per_second,
        suite: run.suite.clone(),
        details: details(&run.answers, done),
        answers: if keeps_answers { run.answers.iter().filter_map(text).collect() } else { Vec::new() },
    }
}

/// The batch with what came of showing a watch a run, or of a person's word: a baseline that was made, which is in force
/// from then on, and the events.
#[must_use]
pub fn seen(mut batch: Batch, key: &Key, seen: &Seen, at: Timestamp) -> Batch {
    if let Some(made) = &seen.made {
        batch = baseline(batch, key, made, at);
    }
    seen.events.iter().fold(batch, |batch, one| batch.event(event(key, one)))
}

/// The batch with a baseline, which is in force from then on.
#[must_use]
pub fn baseline(batch: Batch, key: &Key, made: &Baseline, at: Timestamp) -> Batch {
    let record = BaselineRecord {
        number: made.number,
        at: made.at.unwrap_or(at),
        suite: made.suite.clone(),
        runs: made.runs,
        json: serde_json::to_string(made).unwrap_or_default(),
    };
    batch.baseline(key, record).activate(key, made.number, at)
}

fn event(key: &Key, event: &Event) -> EventRecord {
    let severity = match &event.what {
        What::Raised(alarm) => alarm.severity,
        _ => Severity::Info,
    };
    EventRecord {
        at: event.at,
        target: key.target.clone(),
        model: Some(key.model.clone()),
        kind: event.what.name().to_owned(),
        severity: severity.name().to_owned(),
        words: event.text.clone(),
        details: serde_json::to_value(&event.what).unwrap_or_default(),
    }
}

/// Graded answers that passed, and all.
fn graded(answers: &[Answer], suite: &Suite) -> (u64, u64) {
    let (mut passed, mut all) = (0, 0);
    for answer in answers.iter().filter(|answer| answer.part == Part::Graded) {
        let (Some(canary), Ok(reply)) = (suite.canary(&answer.canary), &answer.result) else { continue };
        all += 1;
        let outcomes = checks::all(&canary.checks, &reply.text);
        passed += u64::from(outcomes.iter().all(|outcome| outcome.failed.is_none()));
    }
    (passed, all)
}

fn details(answers: &[Answer], done: &Done) -> Value {
    let errors = answers.iter().filter_map(|answer| Some((&answer.canary, answer.result.as_ref().err()?)));
    let errors: Vec<Value> =
        errors.map(|(canary, error)| json!({ "canary": canary, "error": error.to_string() })).collect();
    json!({
        "at_once": done.run.concurrency,
        "idle": done.run.idle,
        "questions": answers.len(),
        "waited_for_a_load": done.waited_for_a_load,
        "errors": errors,
    })
}

/// The word that a value is in JSON.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
