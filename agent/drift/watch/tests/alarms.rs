//! How alarms begin and end, and what a change that was told makes of them.

use super::*;

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
