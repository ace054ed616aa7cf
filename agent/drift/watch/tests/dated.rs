//! A chat template that puts today's date into each prompt: at midnight every prompt is another one.

use super::*;
use crate::sample::DATED;

fn dated() -> Model {
    let mut model = Model::new();
    model.facts.notes.insert(DATED.into(), "today's, by strftime_now in the chat template".into());
    model
}

/// The next day: each prompt has another date, of another length.
fn midnight(model: &mut Model) {
    (model.template, model.template_tokens) = (0.8, 2);
}

#[test]
fn midnight_says_nothing_where_the_template_is_known_to_print_the_date_and_would_be_an_alarm_else() {
    let (mut model, mut other) = (dated(), Model::new());
    let (mut watch, mut deceived) = (grown(&mut model, 40), grown(&mut other, 40));
    assert_eq!(watch.baseline().map(|baseline| baseline.runs), Some(20), "it is learned as ever");
    for _ in 0..3 {
        midnight(&mut model);
        for _ in 0..100 {
            let seen = watch.observe(&model.beat(), &suite());
            assert_eq!((seen.result, seen.wants), (Judged::Ok, Wants::Nothing));
        }
        model.template += 0.3;
    }
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
    assert!(watch.baseline().unwrap().runs >= 100, "and grows");
    midnight(&mut other);
    let (_, report) = until_alarm(&mut deceived, &mut other, 20).expect("it is another prompt");
    assert_eq!(report.cause, Some(Cause::Template));
}

#[test]
fn other_weights_are_found_by_the_prompts_without_a_template_and_it_is_said_what_is_not_compared() {
    let mut model = dated();
    let mut watch = grown(&mut model, 60);
    let report = watch.report(model.at);
    let promised = report.capabilities[0].runs.unwrap();
    assert_eq!(report.baseline.as_ref().map(|baseline| baseline.deterministic), Some(true));
    for told in [&report.unwatched, &report.words] {
        let said: Vec<_> = told.iter().filter(|line| line.contains("prints today's date")).collect();
        assert!(said.len() == 1 && said[0].contains("only the prompts without a template"), "{told:?}");
    }
    let blind = report.capabilities.iter().find(|one| one.change.contains("template")).unwrap();
    assert_eq!(blind.runs, None, "{blind:?}");
    model.weights = 1.0;
    let (runs, report) = until_alarm(&mut watch, &mut model, 40).unwrap();
    assert!(runs <= promised, "{runs}, promised in {promised}");
    assert_eq!((report.cause, report.severity), (Some(Cause::Weights), Some(Severity::Critical)));
    assert!(report.kld > Some(0.1), "its size is that of the raw prompts: {:?}", report.kld);
}

#[test]
fn a_baseline_of_before_the_template_printed_the_date_still_finds_other_weights() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 100);
    model.facts.notes.insert(DATED.into(), "today's".into());
    midnight(&mut model);
    for _ in 0..50 {
        assert_eq!(watch.observe(&model.beat(), &suite()).result, Judged::Ok);
    }
    model.weights = 1.0;
    let (runs, report) = until_alarm(&mut watch, &mut model, 20).unwrap();
    assert!(runs <= 6 && report.cause == Some(Cause::Weights), "{runs}: {:?}", report.cause);
}

#[test]
fn by_texts_alone_next_to_nothing_is_compared_and_that_is_said() {
    let mut model = dated();
    model.text_only = true;
    let mut watch = grown(&mut model, 40);
    midnight(&mut model);
    for _ in 0..50 {
        assert_eq!(watch.observe(&model.beat(), &suite()).result, Judged::Ok);
    }
    let report = watch.report(model.at);
    assert!(report.unwatched.iter().any(|said| said.contains("next to nothing")), "{:?}", report.unwatched);
    assert!(report.capabilities[0].change.contains("first word"), "{:?}", report.capabilities[0]);
}

#[test]
fn checks_go_on() {
    let mut model = dated();
    let mut watch = captured(&mut model, 100);
    midnight(&mut model);
    model.failing = asked::CHAT.to_vec();
    let (_, report) = until_alarm(&mut watch, &mut model, 60).expect("all checks fail");
    assert_eq!(report.alarms[0].stream, Stream::Quality);
}
