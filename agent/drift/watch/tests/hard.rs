//! Faults that need no statistics.

use super::asked::CHAT;
use super::*;
use crate::sample::{ABSENT, AskError, Run};
use crate::suite::SAMPLER;

/// The run as it would be if these canaries' answers were that error.
fn failing(run: Run, which: impl Fn(&str) -> bool, error: &AskError) -> Run {
    let mut run = run;
    for answer in &mut run.answers {
        if which(&answer.canary) {
            answer.result = Err(error.clone());
        }
    }
    run
}

fn crash() -> AskError {
    AskError::Status { status: 500, text: "CUDA error".into() }
}

#[test]
fn a_server_that_fails_at_long_prompts_alone_is_found_though_all_of_a_pass_fail_alike() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let seen = watch.observe(&failing(model.long(), |_| true, &crash()), &suite);
    assert!(matches!(seen.wants, Wants::RepeatHard { .. }), "{seen:?}");
    assert!(watch.report(model.at).alarms.is_empty(), "once is no proof");
    watch.observe(&failing(model.long(), |_| true, &crash()), &suite);
    let report = watch.report(model.at);
    assert_eq!(report.severity, Some(Severity::Critical), "{report:?}");
    assert!(report.words[0].contains("HTTP 500: CUDA error"), "{:?}", report.words);
    assert_ne!(report.cause, Some(Cause::Context), "no word of lengths");
}

#[test]
fn a_server_that_fails_at_everything_is_failing_and_its_model_not_judged() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    for _ in 0..3 {
        watch.observe(&failing(model.beat(), |_| true, &crash()), &suite);
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.alarms.len()), (Verdict::Failing, 0));
}

#[test]
fn two_prompts_that_fail_once_each_are_no_fault_that_stands() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    watch.observe(&failing(model.beat(), |canary| canary == CHAT[0], &AskError::Empty), &suite);
    watch.observe(&failing(model.beat(), |canary| canary == CHAT[1], &AskError::Empty), &suite);
    assert!(watch.report(model.at).alarms.is_empty());
    watch.observe(&failing(model.beat(), |canary| canary == CHAT[1], &AskError::Empty), &suite);
    assert_eq!(watch.report(model.at).alarms.len(), 1, "that one does");
}

#[test]
fn log_probabilities_that_are_told_no_more_are_no_corrupt_memory() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let absent = AskError::BadLogprob { found: ABSENT.into() };
    for _ in 0..2 {
        watch.observe(&failing(model.beat(), |canary| canary != SAMPLER, &absent), &suite);
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.severity), (Verdict::Drifting, Some(Severity::Warning)));
    assert_ne!(report.cause, Some(Cause::Corruption));
    assert!(report.words[0].contains("tells no log probabilities any more"), "{:?}", report.words);
}
