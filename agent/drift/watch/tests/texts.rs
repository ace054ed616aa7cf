//! Texts alone are compared: what is found by them, and what is let pass.

use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::drift::Stream;
use crate::sample::{Answer, Dialect, End, Generation, Part, Purpose, Reply};
use crate::suite::{OPEN, SAMPLER, Suite};

/// What a model says: a text for each prompt.
type Says<'a> = &'a dyn Fn(usize, &str) -> String;

/// The text of a prompt while nothing changed: 15 tokens of four characters.
fn usual(name: &str) -> String {
    format!("It is all about {name:4} and so on, and on it goes, till the end...")
}

fn answer(canary: &str, part: Part, text: String) -> Answer {
    let mut generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(300));
    generation.tokens.output = Some(15);
    let reply = Reply { text, positions: Vec::new(), sampler: Vec::new(), generation };
    Answer { canary: canary.into(), part, result: Ok(reply) }
}

/// So many runs of a model that says this; the number of the run from 0 is told.
fn runs(from: usize, count: usize, says: Says<'_>) -> Vec<Run> {
    let begin: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    let one = |run: usize| {
        let of = |(name, _): (&str, &str)| answer(name, Part::Fingerprint, says(run, name));
        let mut answers: Vec<Answer> = OPEN.into_iter().map(of).collect();
        answers.push(answer("s", Part::Sampler, says(run, SAMPLER)));
        Run {
            target: "gpu1".into(),
            model: "qwen3:8b".into(),
            at: begin + SignedDuration::from_mins(5 * i64::try_from(run).unwrap()),
            purpose: Purpose::Beat,
            suite: "suite-1".into(),
            facts: Facts::default(),
            idle: Some(true),
            concurrency: 1 + (run % 2) as u8,
            answers,
        }
    };
    (from..from + count).map(one).collect()
}

/// A watch with a baseline of 300 runs of a model that says this.
fn learned(says: Says<'_>) -> Watch {
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", Duration::from_secs(300)));
    let runs = runs(0, 300, says);
    watch.capture(&runs, &Suite::builtin(), runs[299].at).unwrap();
    watch
}

/// Runs until an alarm of a model that now says this, and the report then.
fn found(watch: &mut Watch, most: usize, says: Says<'_>) -> Option<(usize, Report)> {
    for (nth, run) in runs(300, most, says).into_iter().enumerate() {
        watch.observe(&run, &Suite::builtin());
        let report = watch.report(run.at);
        if !report.alarms.is_empty() {
            return Some((nth + 1, report));
        }
    }
    None
}

fn same(_: usize, name: &str) -> String {
    usual(name)
}

#[test]
fn one_text_of_ten_is_enough_where_none_ever_varied_and_it_is_told_where_it_parts() {
    let mut watch = learned(&same);
    let baseline = watch.baseline().unwrap();
    assert!(baseline.text_mode && baseline.deterministic);
    assert!(found(&mut watch, 100, &same).is_none());
    for (change, at, word) in [("all about", 1, "early"), ("till the end", 11, "late")] {
        let says = |_: usize, name: &str| {
            if name == "op3" { usual(name).replace(change, "xxx") } else { usual(name) }
        };
        let (runs, report) = found(&mut watch.clone(), 10, &says).unwrap();
        assert_eq!((runs, report.text_match_ratio, report.first_difference), (4, Some(0.9), Some(at)));
        assert_eq!(
            (report.severity, report.alarms[0].stream),
            (Some(Severity::Warning), Stream::FingerprintFast)
        );
        let moved = &report.words[0];
        assert!(moved.contains("answers to 1 of 10 fingerprint prompts") && moved.contains(word), "{moved}");
    }
}

#[test]
fn where_texts_vary_by_themselves_more_of_them_must_be_unknown() {
    // From the middle on one text was now and then another, each time a new one: a run had one text of its own.
    let varies = |run: usize, name: &str| {
        let other = run > 200 && run.is_multiple_of(40) && name == "op1";
        if other { format!("{run}{}", usual(name)) } else { usual(name) }
    };
    let mut watch = learned(&varies);
    assert!(!watch.baseline().unwrap().deterministic);
    let unknown = |count: usize| {
        move |_: usize, name: &str| {
            let moved = OPEN.iter().take(count).any(|(other, _)| *other == name);
            if moved { "Another.".to_owned() } else { usual(name) }
        }
    };
    assert!(found(&mut watch.clone(), 50, &unknown(3)).is_none());
    assert_eq!(found(&mut watch, 10, &unknown(4)).unwrap().0, 4);
}

#[test]
fn other_sampling_defaults_show_in_the_text_that_is_drawn_with_a_fixed_seed() {
    let mut watch = learned(&same);
    let says = |_: usize, name: &str| if name == SAMPLER { "Once a fox.".to_owned() } else { usual(name) };
    let (runs, report) = found(&mut watch, 10, &says).unwrap();
    assert_eq!((runs, report.cause, report.alarms[0].stream), (4, Some(Cause::Sampling), Stream::Sampling));
    assert!(report.words[0].contains("the text drawn with a fixed seed"), "{:?}", report.words);
    assert_eq!(report.text_match_ratio, Some(1.0));
}

#[test]
fn what_is_drawn_otherwise_each_time_is_dropped_and_said_to_be() {
    let says = |run: usize, name: &str| if name == SAMPLER { format!("{run} foxes") } else { usual(name) };
    let mut watch = learned(&says);
    let dropped = &watch.baseline().unwrap().dropped;
    assert!(dropped.get(SAMPLER).is_some_and(|why| why.contains("another text each time")), "{dropped:?}");
    assert!(found(&mut watch, 200, &says).is_none());
    let capable = watch.report("2026-11-23T08:00:00Z".parse().unwrap()).capabilities;
    let sampling = capable.iter().find(|one| one.change == "other sampling defaults").unwrap();
    assert!(sampling.runs.is_none() && sampling.note.is_some(), "{sampling:?}");
}
