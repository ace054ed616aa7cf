//! What is found, how soon, and what is not taken for a change.

use super::*;

#[test]
fn other_weights_are_found_in_four_runs_after_three_hundred_and_twelve_after_twenty() {
    for (before, after) in [(300, 4), (20, 12)] {
        let mut model = Model::new();
        let mut watch = captured(&mut model, before);
        model.weights = 0.8;
        let (runs, report) = until_alarm(&mut watch, &mut model, 20).unwrap();
        assert_eq!(runs, after, "after {before}");
        assert_eq!((report.cause, report.severity), (Some(Cause::Weights), Some(Severity::Critical)));
        assert_eq!(report.verdict, Verdict::Drifting);
        assert_eq!(report.alarms[0].runs, after);
    }
}

#[test]
fn each_change_is_told_by_what_it_moved() {
    type Turn = fn(&mut Model);
    let cases: [(Turn, Cause, Severity, u64); 9] = [
        (|model| model.weights = 0.8, Cause::Weights, Severity::Critical, 4),
        (|model| model.weights = 0.05, Cause::Weights, Severity::Info, 4),
        (|model| model.attention = 0.05, Cause::AttentionPath, Severity::Info, 4),
        (|model| model.template = 0.15, Cause::Template, Severity::Warning, 4),
        (|model| (model.template, model.template_tokens) = (0.15, 7), Cause::Template, Severity::Warning, 2),
        (|model| model.sampling = 0.28, Cause::Sampling, Severity::Warning, 4),
        (|model| model.penalty = true, Cause::Sampling, Severity::Warning, 4),
        (|model| (model.too_long, model.long_each) = (true, 1), Cause::Context, Severity::Critical, 2),
        (|model| model.nan = true, Cause::Corruption, Severity::Critical, 2),
    ];
    for (at, (turn, cause, severity, runs)) in cases.into_iter().enumerate() {
        let mut model = Model::new();
        let mut watch = captured(&mut model, 300);
        turn(&mut model);
        let (found, report) = until_alarm(&mut watch, &mut model, 20).unwrap_or_else(|| panic!("case {at}"));
        assert_eq!(
            (found, report.cause, report.severity),
            (runs, Some(cause), Some(severity)),
            "case {at}: {report:#?}"
        );
    }
}

#[test]
fn two_thousand_clean_runs_of_a_noisy_model_raise_nothing() {
    let suite = suite();
    let mut model = Model::noisy();
    let mut watch = captured(&mut model, 300);
    for run in 0..2000 {
        let seen = watch.observe(&model.beat(), &suite);
        assert!(seen.events.is_empty(), "run {run}: {:?}", seen.events);
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.alarms.len(), report.runs), (Verdict::Steady, 0, 2000));
    // A state of a long prompt that the baseline did not see is no alarm.
    assert!(report.exceeding <= 40, "{}", report.exceeding);
    assert!(report.words.is_empty(), "{:?}", report.words);
}

#[test]
fn a_fault_that_hits_one_run_of_five_is_found_within_sixty_runs() {
    let mut model = Model::noisy();
    let mut watch = captured(&mut model, 300);
    (model.weights, model.share) = (1.2, 0.2);
    let (runs, report) = until_alarm(&mut watch, &mut model, 200).unwrap();
    assert!(runs <= 60, "{runs}");
    assert_eq!(report.cause, Some(Cause::Weights));
}

#[test]
fn a_model_that_tells_texts_alone_is_watched_by_them() {
    let mut model = Model::new();
    model.text_only = true;
    let mut watch = captured(&mut model, 300);
    assert!(watch.baseline().unwrap().text_mode);
    assert!(until_alarm(&mut watch, &mut model, 50).is_none());
    model.weights = 0.9;
    let (runs, report) = until_alarm(&mut watch, &mut model, 6).unwrap();
    assert_eq!((runs, report.kld, report.severity), (4, None, Some(Severity::Warning)));
    assert_eq!(report.cause, Some(Cause::Unknown), "texts do not tell the cause");
}

#[test]
fn a_server_that_is_away_is_no_evidence() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.away = true;
    for run in 1..=50 {
        let seen = watch.observe(&model.beat(), &suite);
        assert_eq!(seen.result, Judged::Error);
        let failing = watch.report(model.at).verdict == Verdict::Failing;
        assert_eq!(failing, run >= 3, "run {run}");
    }
    model.away = false;
    watch.observe(&model.beat(), &suite);
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.alarms.len()), (Verdict::Steady, 0));
}

#[test]
fn speed_is_told_by_runs_that_asked_one_question_at_a_time() {
    let mut model = Model::new();
    let mut run = model.beat();
    for answer in &mut run.answers {
        if let Ok(reply) = &mut answer.result {
            reply.generation.told.decode = Some(std::time::Duration::from_millis(100));
            reply.generation.told.decode_tokens = Some(8);
        }
    }
    let told = |concurrency| Look::of(&Run { concurrency, ..run.clone() }, &suite()).pace.is_some();
    assert_eq!((told(1), told(2), told(4)), (true, false, false));
}

#[test]
fn prompts_that_never_fitted_into_the_context_are_told_and_no_alarm() {
    let suite = suite();
    let mut model = Model { tight: true, ..Model::new() };
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    let said = ["lc3, p3: the prompt is longer than the context of a slot"];
    for run in 1..=400 {
        let seen = watch.observe(&model.beat(), &suite);
        let made = seen.events.iter().all(|event| matches!(event.what, What::BaselineMade { .. }));
        assert!(made && seen.result == Judged::Ok && seen.wants == Wants::Nothing, "run {run}: {seen:?}");
        assert!(run < 24 || watch.report(model.at).unwatched == said, "run {run}");
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.baseline.map(|baseline| baseline.runs)), (Verdict::Steady, Some(300)));
    assert!(report.words.contains(&format!("Not watched: {}", said[0])), "{:?}", report.words);

    // What did fit and does no more is a change all the same.
    (model.too_long, model.long_each) = (true, 1);
    let (runs, report) = until_alarm(&mut watch, &mut model, 4).unwrap();
    assert_eq!((runs, report.cause, report.severity), (2, Some(Cause::Context), Some(Severity::Critical)));
    // And a person's word for it ends the alarm for good.
    let made = watch.accept(model.at).unwrap().made.unwrap();
    assert_eq!(made.dropped.keys().collect::<Vec<_>>(), ["lc1", "lc2", "lc3", "p2", "p3"]);
    assert!(until_alarm(&mut watch, &mut model, 60).is_none());
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
}

#[test]
fn a_captured_baseline_has_the_answers_beside_those_that_failed() {
    let mut model = Model { tight: true, long_each: 1, ..Model::new() };
    let mut watch = captured(&mut model, 40);
    let baseline = watch.baseline().unwrap();
    assert_eq!((baseline.runs, baseline.long_runs), (40, 40));
    assert_eq!(baseline.dropped.keys().collect::<Vec<_>>(), ["lc3", "p3"]);
    assert!(baseline.canaries.contains_key("lc2"));
    assert!(until_alarm(&mut watch, &mut model, 60).is_none());
}

#[test]
fn a_long_prompt_in_a_state_that_is_new_moves_nothing_while_they_were_asked_too_seldom() {
    let mut model = Model { long_each: 8, ..Model::new() };
    let mut watch = captured(&mut model, 20);
    assert!(watch.detectors.as_ref().is_some_and(|detectors| !detectors.watches_long()));
    model.chunking = 0.3;
    for _ in 0..16 {
        let seen = watch.observe(&model.beat(), &suite());
        assert_eq!((seen.result, seen.wants), (Judged::Ok, Wants::Nothing));
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.exceeding), (Verdict::Steady, 0));
}
