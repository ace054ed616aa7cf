use super::*;
use crate::drift::{Cause, Judged, Severity, Wants};
use crate::sample::Fact;

mod model;

use model::{Model, suite};

/// A watch that saw so many runs of the model, and a baseline captured of them.
fn captured(model: &mut Model, runs: usize) -> Watch {
    let suite = suite();
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    let runs: Vec<Run> = (0..runs).map(|_| model.beat()).collect();
    watch.capture(&runs, &suite, model.at).unwrap();
    watch
}

/// Runs until an alarm, and the report then.
fn until_alarm(watch: &mut Watch, model: &mut Model, most: u64) -> Option<(u64, Report)> {
    let suite = suite();
    for run in 1..=most {
        watch.observe(&model.beat(), &suite);
        let report = watch.report(model.at);
        if !report.alarms.is_empty() {
            return Some((run, report));
        }
    }
    None
}

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
fn baselines_grow_by_themselves_while_all_is_quiet() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    let mut made = Vec::new();
    for run in 1..=400 {
        let seen = watch.observe(&model.beat(), &suite);
        made.extend(seen.made.map(|baseline| (run, baseline.number, baseline.runs)));
    }
    // The first is made of all its runs; later ones leave the last 12 out.
    assert_eq!(made, [(20, 1, 20), (52, 2, 40), (112, 3, 100), (312, 4, 300)]);
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.learning), (Verdict::Steady, None));
    assert_eq!(report.capabilities[0].runs, Some(4), "{:?}", report.capabilities);
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
fn what_is_stored_and_read_in_the_midst_of_a_stream_goes_on_the_same() {
    let suite = suite();
    let mut model = Model::noisy();
    let mut through = captured(&mut model, 100);
    let mut stored = through.clone();
    model.share = 0.3;
    model.weights = 1.2;
    for run in 0..80 {
        let beat = model.beat();
        let seen = through.observe(&beat, &suite);
        stored = Watch::of_json(&stored.to_json()).unwrap();
        assert_eq!(stored.observe(&beat, &suite).events, seen.events, "run {run}");
    }
    let (one, other) = (through.report(model.at), stored.report(model.at));
    assert_eq!((one.verdict, one.alarms, one.words), (other.verdict, other.alarms, other.words));
    assert_eq!(one.verdict, Verdict::Drifting);
    assert!(stored.to_json().len() < 4 << 20, "{} bytes", stored.to_json().len());
}

#[test]
fn what_a_newer_version_wrote_is_refused_in_words() {
    let newer = format!("{{\"format\":{},\"plan\":17}}", FORMAT + 1);
    let said = Watch::of_json(&newer).unwrap_err().to_string();
    assert!(said.contains("was written by a newer opsagent (format 2, this one reads up to 1)"), "{said}");
    assert!(Watch::of_json("{").unwrap_err().to_string().starts_with("the watch cannot be read"));
    assert!(
        Baseline::of_json(&newer).unwrap_err().to_string().contains("the baseline was written by a newer")
    );
    let old = Watch::of_json("{\"format\":1}").unwrap();
    assert_eq!(old.report(Timestamp::default()).verdict, Verdict::Learning);
}

#[test]
fn an_alarm_ends_by_a_word_or_by_twelve_clean_runs() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let before = watch.baseline().unwrap().clone();
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    let mut accepted = watch.clone();
    let seen = accepted.accept(model.at).unwrap();
    assert_eq!(seen.made.as_ref().map(|made| (made.number, made.runs)), Some((2, 4)));
    assert_eq!(accepted.report(model.at).verdict, Verdict::Steady);
    assert!(until_alarm(&mut accepted, &mut model, 30).is_none(), "it is the baseline now");
    accepted.rollback(before, model.at).unwrap();
    assert!(until_alarm(&mut accepted, &mut model, 4).is_some(), "it is held against the first again");
    model.weights = 0.0;
    let ended = (1..=20).find(|_| {
        let seen = watch.observe(&model.beat(), &suite);
        seen.events.iter().any(|event| matches!(event.what, What::Resolved(_)))
    });
    assert_eq!(ended, Some(12));
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
    assert!(watch.accept(model.at).unwrap_err().to_string().contains("nothing to accept"));
}

#[test]
fn a_small_change_that_the_server_told_is_no_alarm_and_becomes_the_baseline() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.facts.of.insert(Fact::Version, "llama.cpp b9100".into());
    model.weights = 0.05;
    let seen = watch.observe(&model.beat(), &suite);
    assert!(matches!(seen.events[0].what, What::Changed(_)), "{:?}", seen.events);
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.severity), (Verdict::Steady, Some(Severity::Info)));
    let taken = (2..=40).find(|_| watch.observe(&model.beat(), &suite).made.is_some());
    assert_eq!((taken, watch.baseline().unwrap().number), (Some(20), 2));
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.changes.len(), report.alarms.len()), (Verdict::Steady, 0, 0));
}

#[test]
fn other_sampling_defaults_are_a_warning_although_no_canary_shows_them() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.facts.of.insert(Fact::Sampling, "temperature 1.5, top_p 0.95".into());
    (0..40).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.severity), (Verdict::Suspect, Some(Severity::Warning)));
    model.facts.of.remove(&Fact::Digest);
    let seen = watch.observe(&model.beat(), &suite);
    assert!(seen.events.is_empty(), "a fact that is not told any more is no change: {:?}", seen.events);
    let made = watch.accept(model.at).unwrap().made.unwrap();
    assert_eq!((made.number, made.runs), (2, 300), "what was known of the answers still holds");
}

#[test]
fn a_check_that_is_lost_is_asked_again_and_then_told() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.failing = vec!["js1"];
    let burst = (1..=8).find_map(|_| match watch.observe(&model.beat(), &suite).wants {
        Wants::BurstChecks { canaries, times } => Some((canaries, times)),
        _ => None,
    });
    assert_eq!(burst, Some((vec!["js1".to_owned()], 4)));
    (0..4).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    let report = watch.report(model.at);
    assert_eq!(report.lost.len(), 1);
    assert_eq!(report.verdict, Verdict::Suspect);
}

#[test]
fn a_persons_looks_do_not_use_up_the_false_alarms_of_the_beats() {
    let suite = suite();
    let mut model = Model::noisy();
    let mut watch = captured(&mut model, 300);
    model.weights = 1.2;
    watch.observe(&model.beat(), &suite);
    let evidence = |watch: &Watch| watch.report(Timestamp::default()).streams[0].evidence;
    let before = evidence(&watch);
    (0..50).for_each(|_| drop(watch.observe(&model.look_again(0), &suite)));
    assert!(evidence(&watch) < before + 8.0, "fifty looks at once are one step: {}", evidence(&watch));
    assert!(watch.report(model.at).alarms.is_empty());
}

#[test]
fn a_change_is_confirmed_within_a_minute_where_numbers_are_always_the_same() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    let seen = watch.observe(&model.beat(), &suite);
    let Wants::Confirm { after } = seen.wants else { panic!("{:?}", seen.wants) };
    assert_eq!(after.len(), 3);
    (0..3).for_each(|_| drop(watch.observe(&model.look_again(20), &suite)));
    assert_eq!(watch.report(model.at).verdict, Verdict::Drifting);
}

/// A watch that learned by itself, and the runs that it saw.
fn grown(model: &mut Model, runs: usize) -> Watch {
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    (0..runs).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    watch
}

#[test]
fn a_fault_that_came_and_went_is_no_state_of_the_next_baseline() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 22);
    model.weights = 0.8;
    (0..6).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    assert!(watch.alarms.is_empty(), "it was too short for an alarm");
    model.weights = 0.0;
    let made = (0..200).find_map(|_| watch.observe(&model.beat(), &suite()).made).unwrap();
    assert!(made.number == 2 && made.canaries.values().all(|known| known.states.len() == 1), "{made:?}");
    assert_eq!(made.exceeding, 6);
    model.weights = 0.8;
    assert_eq!(watch.observe(&model.beat(), &suite()).result, Judged::Exceed);
}

#[test]
fn looks_again_are_not_learned_from() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 22);
    let before = watch.learning.clone();
    assert!(before.is_some());
    (0..40).for_each(|_| drop(watch.observe(&model.look_again(30), &suite())));
    assert_eq!(watch.learning, before);
}

#[test]
fn an_alarm_that_holds_is_said_to_end_when_other_canaries_are_asked() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    let run = Run { suite: "suite-2".into(), ..model.beat() };
    let seen = watch.observe(&run, &suite());
    let ended = seen.events.iter().find(|event| matches!(event.what, What::Resolved(_))).unwrap();
    assert!(ended.text.contains("other canaries are asked now"), "{}", ended.text);
    assert!(watch.report(model.at).alarms.is_empty());
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
