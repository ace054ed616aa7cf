//! Prompts of the fingerprint that are edited, added and taken out while a model is watched.

use super::*;
use crate::sample::Prompt;
use crate::suite::Canary;

/// The suite with other prompts for these canaries.
fn edited(ids: &[&str]) -> Suite {
    let mut suite = suite();
    for canary in suite.canaries.iter_mut().filter(|canary| ids.contains(&canary.id.as_str())) {
        canary.prompt = Prompt::Raw("another".into());
    }
    suite
}

/// The suite with a canary of its owner's that is compared, too.
fn with_own(id: &str) -> Suite {
    let mut suite = suite();
    suite.canaries.push(Canary { id: id.into(), ..suite.canaries[0].clone() });
    suite
}

fn beat(watch: &mut Watch, model: &mut Model, suite: &Suite) -> Seen {
    let run = Run { suite: suite.hash(), ..model.beat() };
    // Now and then through what is stored; each time would take long.
    if model.runs.is_multiple_of(5) {
        *watch = Watch::of_json(&watch.to_json()).unwrap();
    }
    watch.observe(&run, suite)
}

fn number(watch: &Watch) -> Option<(u32, u64)> {
    watch.baseline().map(|baseline| (baseline.number, baseline.runs))
}

#[test]
fn the_others_go_on_being_compared_and_the_edited_one_is_when_it_is_known_as_well() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 100);
    model.edited = vec!["ar2"];
    let suite = edited(&["ar2"]);
    let seen = beat(&mut watch, &mut model, &suite);
    assert_eq!((seen.result, seen.events.len()), (Judged::Ok, 1), "neither another answer nor another count");
    assert!(seen.events[0].text.contains("goes on for the others"), "{:?}", seen.events);
    let report = watch.report(model.at);
    assert_eq!(
        (report.verdict, report.baseline.map(|one| (one.number, one.canaries))),
        (Verdict::Steady, Some((1, 7)))
    );
    assert!(report.unwatched.iter().any(|said| said.starts_with("ar2: new or edited since baseline 1")));
    // A change of all is found as soon as before, with seven of eight.
    let (mut other, mut moved) = (watch.clone(), model.clone());
    moved.weights = 0.8;
    let found = (1..=20).find(|_| {
        beat(&mut other, &mut moved, &suite);
        !other.alarms.is_empty()
    });
    assert_eq!(found, Some(6), "as a baseline of 100 runs takes");
    let made = (2..=200).find(|_| beat(&mut watch, &mut model, &suite).made.is_some());
    // As many runs as the one in force has, and twelve that wait.
    assert_eq!((made, number(&watch)), (Some(112), Some((2, 100))));
    let report = watch.report(model.at);
    assert_eq!((report.baseline.map(|one| one.canaries), report.unwatched.len()), (Some(8), 0));
    // Checks that were asked as before are as well known as they were.
    assert!(watch.baseline().unwrap().checks["js1"].asked >= 24);
}

#[test]
fn a_ninth_canary_is_no_reason_to_forget_eight() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let suite = with_own("mine");
    model.own = vec!["mine"];
    (0..40).for_each(|_| assert_eq!(beat(&mut watch, &mut model, &suite).result, Judged::Ok));
    assert_eq!(number(&watch), Some((1, 300)));
    model.weights = 0.8;
    let found = (1..=4).find(|_| {
        beat(&mut watch, &mut model, &suite);
        !watch.alarms.is_empty()
    });
    assert_eq!(found, Some(4));
    // Nothing that spoke for it is gone: it may end by itself.
    model.weights = 0.0;
    (0..12).for_each(|_| drop(beat(&mut watch, &mut model, &suite)));
    assert!(watch.alarms.is_empty());
    let made = (1..=400).find(|_| beat(&mut watch, &mut model, &suite).made.is_some());
    assert!(made.is_some() && watch.baseline().unwrap().canaries.contains_key("mine"), "{made:?}");
}

#[test]
fn an_alarm_holds_when_other_prompts_are_asked_and_no_baseline_is_made_until_a_person_decides() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    let (suite, all) = (edited(&asked::CHAT), asked::CHAT.to_vec());
    model.edited = all;
    let seen = beat(&mut watch, &mut model, &suite);
    assert!(seen.events[0].text.contains("the alarm of fingerprint_fast holds on"), "{:?}", seen.events);
    for run in 0..100 {
        let seen = beat(&mut watch, &mut model, &suite);
        assert!(seen.events.is_empty() && seen.made.is_none(), "run {run}: {seen:?}");
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, report.alarms.len(), number(&watch)), (Verdict::Drifting, 1, Some((1, 300))));
    let told = report.words.iter().find(|line| line.starts_with("Asked otherwise: ")).unwrap();
    assert!(told.contains("baseline accept") && !told.contains("rollback"), "{told}");
    let first = watch.baseline().unwrap().clone();
    let made = watch.accept(model.at).unwrap().made.unwrap();
    assert_eq!((made.number, made.runs, watch.alarms.len()), (2, 101, 0));
    assert!(
        (0..40).all(|_| beat(&mut watch, &mut model, &suite).result == Judged::Ok),
        "it is held against that"
    );
    let refused = watch.rollback(first, model.at).unwrap_err().to_string();
    assert!(refused.contains("made of other canaries"), "{refused}");
}

#[test]
fn an_alarm_whose_prompt_is_taken_out_holds_and_ends_when_it_is_asked_again() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    model.weights = 0.0;
    let mut fewer = suite();
    fewer.canaries.retain(|canary| canary.id != "ar2");
    (0..40).for_each(|_| drop(beat(&mut watch, &mut model, &fewer)));
    assert_eq!(watch.alarms.len(), 1, "one that spoke for it cannot be asked");
    // What is accepted now is what it does now, without what it did while it was off.
    let accepted = watch.clone().accept(model.at).unwrap().made.unwrap();
    assert!(accepted.canaries.values().all(|known| known.states.len() == 1), "{accepted:?}");
    let ended = (1..=12).find(|_| !beat(&mut watch, &mut model, &suite()).events.is_empty());
    assert!(ended.is_some());
    (0..12).for_each(|_| drop(beat(&mut watch, &mut model, &suite())));
    assert_eq!((watch.alarms.len(), number(&watch)), (0, Some((1, 300))));
}

#[test]
fn of_other_prompts_a_new_baseline_is_learned_and_what_checks_and_speed_were_goes_on() {
    let mut model = Model { token: Some(std::time::Duration::from_millis(20)), ..Model::new() };
    let mut watch = captured(&mut model, 300);
    let band = watch.baseline().unwrap().band;
    // The two probes of raw tokens are still compared: a model that moves meanwhile is no baseline by itself.
    let mut suite = suite();
    for canary in suite.canaries.iter_mut().take(8) {
        let id = format!("{}x", canary.id);
        suite_own(canary, &id);
    }
    model.own = vec!["mine"];
    suite.canaries.extend(with_own("mine").canaries.pop());
    let seen = beat(&mut watch, &mut model, &suite);
    assert!(seen.events[0].text.contains("a new one is learned"), "{:?}", seen.events);
    let report = watch.report(model.at);
    assert_eq!(
        (report.verdict, report.learning.map(|one| (one.runs, one.next))),
        (Verdict::Learning, Some((1, 20)))
    );
    assert!(report.capabilities[0].runs.is_none(), "{:?}", report.capabilities);
    let made = (2..=40).find(|_| beat(&mut watch, &mut model, &suite).made.is_some());
    assert_eq!((made, number(&watch)), (Some(20), Some((2, 20))));
    assert_eq!(watch.baseline().unwrap().band, band, "of more runs than twenty");
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
}

/// A canary that the model is not asked: its place is taken by another.
fn suite_own(canary: &mut Canary, id: &str) {
    canary.id = id.into();
}

#[test]
fn while_other_prompts_are_learned_the_probes_that_are_the_same_tell_of_a_change() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let suite = edited(&asked::CHAT);
    model.edited = asked::CHAT.to_vec();
    (0..5).for_each(|_| drop(beat(&mut watch, &mut model, &suite)));
    model.weights = 0.8;
    (0..4).for_each(|_| drop(beat(&mut watch, &mut model, &suite)));
    assert_eq!((watch.report(model.at).verdict, number(&watch)), (Verdict::Drifting, Some((1, 300))));
}
