//! Checks that are edited, added and taken out while a model is watched.

use super::*;
use crate::checks::{Check, Wanted};
use crate::suite::Canary;

/// The suite with another check for that canary: one that its other answer passes.
fn edited(id: &str) -> Suite {
    let mut suite = suite();
    let canary = suite.canaries.iter_mut().find(|canary| canary.id == id).unwrap();
    canary.checks = vec![Check::Contains(Wanted::exactly("no"))];
    suite
}

/// The suite with a canary of its owner's that is graded, and not compared.
fn with_own(id: &str) -> Suite {
    let mut suite = suite();
    suite.canaries.push(Canary { id: id.into(), fingerprint: false, ..suite.canaries[0].clone() });
    suite
}

/// The next beat, of this suite.
fn beat(watch: &mut Watch, model: &mut Model, suite: &Suite) -> Seen {
    let run = Run { suite: suite.hash(), ..model.beat() };
    // Now and then through what is stored; each time would take long.
    if model.runs.is_multiple_of(5) {
        *watch = Watch::of_json(&watch.to_json()).unwrap();
    }
    watch.observe(&run, suite)
}

fn others(seen: &Seen) -> Vec<&str> {
    let others = seen.events.iter().filter(|event| event.what == What::OtherSuite);
    others.map(|event| event.text.as_str()).collect()
}

/// The streams whose alarms hold.
fn alarms(watch: &Watch) -> Vec<Stream> {
    watch.alarms.iter().map(|alarm| alarm.stream).collect()
}

#[test]
fn an_edit_of_a_check_ends_no_alarm_and_what_drifted_is_no_baseline_by_it() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    (model.weights, model.failing) = (0.8, vec!["js1"]);
    until_alarm(&mut watch, &mut model, 4).unwrap();
    let before = watch.report(model.at);
    let seen = beat(&mut watch, &mut model, &edited("js1"));
    let told = others(&seen);
    assert!(told.len() == 1 && told[0].contains("edited: js1") && told[0].contains("holds on"), "{told:?}");
    for run in 0..60 {
        let seen = beat(&mut watch, &mut model, &edited("js1"));
        assert!(seen.made.is_none() && others(&seen).is_empty(), "run {run}: {seen:?}");
        assert_eq!(seen.result, Judged::Exceed);
    }
    let report = watch.report(model.at);
    assert_eq!((report.verdict, &report.alarms[0]), (Verdict::Drifting, &before.alarms[0]));
    assert_eq!(report.baseline.map(|baseline| baseline.number), Some(1));
    // It is as before again: the fingerprint tells, whatever became of the check.
    (model.weights, model.failing) = (0.0, Vec::new());
    let ended = (1..=20).find(|_| !beat(&mut watch, &mut model, &suite()).events.is_empty()).unwrap();
    assert_eq!((ended, alarms(&watch)), (1, vec![Stream::FingerprintFast]), "the edit was taken back");
    (0..12).for_each(|_| drop(beat(&mut watch, &mut model, &suite())));
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
}

/// A watch with an alarm of quality that js1 alone raised.
fn lost_quality(model: &mut Model) -> Watch {
    let mut watch = captured(model, 300);
    model.failing = vec!["js1"];
    let (_, report) = until_alarm(&mut watch, model, 400).unwrap();
    assert_eq!(report.alarms.iter().map(|alarm| alarm.stream).collect::<Vec<_>>(), [Stream::Quality]);
    watch
}

#[test]
fn an_alarm_of_quality_holds_when_the_check_that_raised_it_is_edited_to_pass() {
    let mut model = Model::new();
    let mut watch = lost_quality(&mut model);
    for run in 0..120 {
        let seen = beat(&mut watch, &mut model, &edited("js1"));
        assert!(
            seen.made.is_none() && (run == 0) == (seen.events.len() == 1),
            "run {run}: {:?}",
            seen.events
        );
    }
    let report = watch.report(model.at);
    assert_eq!((alarms(&watch), report.severity), (vec![Stream::Quality], Some(Severity::Critical)));
    let told = report.words.iter().find(|line| line.starts_with("Asked otherwise: js1 was edited")).unwrap();
    assert!(told.contains("`opsagent baseline accept gpu1/qwen3:8b`"), "{told}");
    // A person says that it is right so.
    let mut accepted = watch.clone();
    let made = accepted.accept(model.at).unwrap().made.unwrap();
    assert_eq!((made.number, accepted.report(model.at).verdict), (2, Verdict::Steady));
    assert!(!accepted.report(model.at).words.iter().any(|line| line.starts_with("Asked otherwise")));
    // Or asks as before, of a model that is mended: then its passes tell.
    model.failing.clear();
    let ended = (1..=200).find(|_| {
        let seen = beat(&mut watch, &mut model, &suite());
        seen.events.iter().any(|event| matches!(event.what, What::Resolved(_)))
    });
    assert!(ended.is_some_and(|ended| ended >= 12), "{ended:?}");
    assert_eq!((watch.report(model.at).verdict, watch.withdrawn.is_empty()), (Verdict::Steady, true));
}

#[test]
fn an_alarm_of_quality_holds_when_the_canary_that_raised_it_is_taken_out() {
    let mut model = Model::new();
    let mut watch = lost_quality(&mut model);
    let mut without = suite();
    without.canaries.retain(|canary| canary.id != "js1");
    let seen = beat(&mut watch, &mut model, &without);
    assert!(others(&seen)[0].contains("asked no more: js1"), "{:?}", seen.events);
    (0..120).for_each(|_| assert!(beat(&mut watch, &mut model, &without).events.is_empty()));
    assert_eq!(alarms(&watch), [Stream::Quality]);
    let words = watch.report(model.at).words;
    assert!(words.iter().any(|line| line.contains("js1 was edited or taken out")), "{words:?}");
}

#[test]
fn an_edited_check_is_learned_beside_the_baseline_and_then_watched() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let before = watch.report(model.at);
    // Half of a case against another check, and a step of one against the fingerprint, stand on.
    model.failing = vec!["ar2"];
    (0..10).for_each(|_| drop(beat(&mut watch, &mut model, &suite())));
    let evidence = |watch: &Watch| {
        let streams = watch.report(Timestamp::default()).streams;
        streams.iter().find(|stream| stream.stream == Stream::Quality).unwrap().evidence
    };
    let standing = evidence(&watch);
    assert!(standing > 1.0, "{standing}");
    model.failing = vec!["js1"];
    let seen = beat(&mut watch, &mut model, &edited("js1"));
    assert!(others(&seen)[0].contains("baseline 1 goes on"), "{:?}", seen.events);
    assert!(evidence(&watch) >= standing - 1.5, "{} was {standing}", evidence(&watch));
    let waits = |watch: &Watch| {
        watch
            .report(Timestamp::default())
            .unwatched
            .iter()
            .any(|said| said.starts_with("js1: checks that are"))
    };
    assert!(waits(&watch), "{:?}", watch.report(model.at).unwatched);
    // js1 is asked in one run of four: six answers, and those of the last twelve beats wait.
    let known = (1..=60).find(|_| {
        beat(&mut watch, &mut model, &edited("js1"));
        !waits(&watch)
    });
    assert!(known.is_some_and(|known| (24..=44).contains(&known)), "{known:?}");
    let now = watch.report(model.at);
    let number =
        |report: &Report| report.baseline.as_ref().map(|baseline| (baseline.number, baseline.checks));
    assert_eq!(number(&now), number(&before), "the same baseline, and as many checks watched as before");
    assert_eq!(now.verdict, Verdict::Steady);
    // Its bound is wide after six answers, as a young baseline's is; it narrows as they come. What it passed then, by
    // the edited check, it fails now.
    (0..300).for_each(|_| drop(beat(&mut watch, &mut model, &edited("js1"))));
    model.failing.clear();
    let found = (1..=80).find(|_| {
        beat(&mut watch, &mut model, &edited("js1"));
        alarms(&watch) == [Stream::Quality]
    });
    assert!(found.is_some(), "{:?}", watch.report(model.at));
    assert!(watch.report(model.at).words[0].contains("js1"), "{:?}", watch.report(model.at).words);
}

#[test]
fn a_canary_that_is_added_is_learned_beside_a_full_baseline_and_one_that_is_taken_out_is_forgotten() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.own = vec!["mine"];
    let whole = with_own("mine");
    let seen = beat(&mut watch, &mut model, &whole);
    assert!(others(&seen)[0].contains("new: mine"), "{:?}", seen.events);
    (0..30).for_each(|_| assert!(beat(&mut watch, &mut model, &whole).made.is_none()));
    assert_eq!(watch.record("mine").map(|record| (record.asked, record.passed)), Some((6, 6)));
    assert_eq!(
        watch.report(model.at).baseline.map(|baseline| (baseline.number, baseline.checks)),
        Some((1, 9))
    );
    model.failing = vec!["mine"];
    let lost = (1..=4).find(|_| {
        beat(&mut watch, &mut model, &whole);
        watch.report(model.at).lost.iter().any(|lost| lost.canary == "mine")
    });
    assert_eq!(lost, Some(2));
    model.own.clear();
    beat(&mut watch, &mut model, &suite());
    assert_eq!((watch.record("mine"), watch.report(model.at).lost.len()), (None, 0));
}

#[test]
fn nothing_is_learned_of_an_edited_check_while_an_alarm_holds() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    model.failing = vec!["js1"];
    (0..100).for_each(|_| drop(beat(&mut watch, &mut model, &edited("js1"))));
    assert_eq!(watch.record("js1"), None);
}

#[test]
fn what_an_earlier_version_stored_goes_on_by_the_hash_of_all() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    beat(&mut watch, &mut model, &suite());
    let earlier = |json: &str| {
        let mut json: serde_json::Value = serde_json::from_str(json).unwrap();
        for part in ["asked", "withdrawn", "beside"] {
            json.as_object_mut().unwrap().remove(part);
        }
        if let Some(baseline) = json.get_mut("baseline").and_then(|baseline| baseline.as_object_mut()) {
            baseline.remove("asked");
            baseline.insert("suite".into(), suite().hash().into());
        }
        json["suite"] = suite().hash().into();
        json.to_string()
    };
    let mut read = Watch::of_json(&earlier(&watch.to_json())).unwrap();
    assert_eq!(read.report(model.at).verdict, Verdict::Steady, "also before it is asked anything");
    assert_eq!(read.learned_by_others(&suite()), None);
    assert!(read.compares(&suite()));
    let first = read.baseline().unwrap().clone();
    for run in 0..20 {
        let seen = beat(&mut read, &mut model, &suite());
        assert!(seen.events.is_empty() && seen.made.is_none() && seen.result == Judged::Ok, "run {run}");
    }
    assert_eq!((read.report(model.at).verdict, read.report(model.at).runs), (Verdict::Steady, 21));
    let seen = beat(&mut read, &mut model, &edited("js1"));
    assert!(others(&seen)[0].contains("edited: js1"), "{:?}", seen.events);
    assert_eq!(read.report(model.at).baseline.map(|baseline| baseline.number), Some(1));
    // A baseline of the same version, from before the edit: of the one in force it is known what its hash stands for.
    assert!(first.asked.is_empty() && read.rollback(first, model.at).is_ok());
    model.weights = 0.8;
    assert!((1..=4).any(|_| {
        beat(&mut read, &mut model, &edited("js1"));
        !read.alarms.is_empty()
    }));
}
