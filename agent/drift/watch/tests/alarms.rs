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

/// Whether an alarm of that stream holds.
fn holds(watch: &Watch, stream: Stream) -> bool {
    watch.alarms.iter().any(|alarm| alarm.stream == stream)
}

#[test]
fn an_alarm_of_quality_holds_while_its_check_still_fails_at_times_and_ends_when_it_passes_again() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    (model.failing, model.fails) = (vec!["js1"], 0.6);
    let (runs, report) = until_alarm(&mut watch, &mut model, 400).unwrap();
    let alarms: Vec<Stream> = report.alarms.iter().map(|alarm| alarm.stream).collect();
    assert!(alarms == [Stream::Quality] && runs > 12, "{alarms:?} after {runs}");
    assert_eq!(report.severity, Some(Severity::Critical));
    for run in 0..200 {
        let seen = watch.observe(&model.beat(), &suite);
        assert!(holds(&watch, Stream::Quality) && seen.events.is_empty(), "run {run}: {:?}", seen.events);
        assert_eq!(seen.result, Judged::Ok);
    }
    assert!(watch.clone().accept(model.at).is_ok(), "as the words say it can be");
    // Told although it may have passed the last time.
    let words = watch.report(model.at).words;
    assert!(words[0].contains("arithmetic/js1"), "{words:?}");
    model.failing.clear();
    let stored = watch.to_json();
    let mut watch = Watch::of_json(&stored).unwrap();
    let ended = (1..=200).find(|_| !watch.observe(&model.beat(), &suite).events.is_empty()).unwrap();
    // Each check is asked in one run of four.
    assert!((12..=80).contains(&ended), "{ended}");
    assert_eq!((watch.report(model.at).verdict, watch.recovery.is_none()), (Verdict::Steady, true));
}

#[test]
fn a_small_change_that_was_told_hides_no_slow_answers_and_does_not_take_them_over() {
    let suite = suite();
    let mut model = Model::new();
    model.token = Some(std::time::Duration::from_millis(20));
    let mut watch = captured(&mut model, 300);
    let before = watch.baseline().unwrap().clone();
    assert!(before.band.is_some());
    model.facts.of.insert(Fact::Version, "llama.cpp b9100".into());
    (model.weights, model.token) = (0.05, Some(std::time::Duration::from_millis(200)));
    let (mut raised, mut made) = (None, None);
    for run in 1..=60 {
        let seen = watch.observe(&model.beat(), &suite);
        made = made.or(seen.made.map(|baseline| (run, baseline)));
        raised = raised.or(holds(&watch, Stream::Performance).then_some(run));
        assert!(raised.is_none() || holds(&watch, Stream::Performance), "run {run}: it is as slow as before");
    }
    let (at, made) = made.unwrap();
    assert!(raised.is_some_and(|raised| raised < at), "raised {raised:?}, adopted {at}");
    assert_eq!((made.number, &made.band, &made.checks), (2, &before.band, &before.checks));
    let report = watch.report(model.at);
    let alarms: Vec<_> = report.alarms.iter().map(|alarm| (alarm.stream, alarm.severity)).collect();
    assert_eq!(alarms, [(Stream::Performance, Severity::Warning)], "the fingerprint is the new one");
    assert_eq!((report.verdict, report.changes.len()), (Verdict::Drifting, 0));
    assert!(watch.clone().accept(model.at).is_ok(), "as the words say it can be");
    model.token = Some(std::time::Duration::from_millis(20));
    (0..60).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
}

#[test]
fn a_small_change_that_was_told_hides_no_lost_quality_and_waits_for_a_person() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.facts.of.insert(Fact::Version, "llama.cpp b9100".into());
    model.weights = 0.05;
    // It begins with the adoption: what is known of the checks goes on over it.
    (0..19).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    (model.failing, model.fails) = (vec!["js1"], 0.6);
    let raised = (0..400).find(|_| {
        watch.observe(&model.beat(), &suite);
        holds(&watch, Stream::Quality)
    });
    assert!(raised.is_some() && watch.alarms.len() == 1, "{:?}", watch.alarms);
    let mut model = Model { failing: vec!["js1"], fails: 0.9, ..Model::new() };
    let mut watch = captured(&mut Model::new(), 300);
    model.facts.of.insert(Fact::Version, "llama.cpp b9100".into());
    for run in 0..200 {
        let seen = watch.observe(&model.beat(), &suite);
        assert!(seen.made.is_none() || !holds(&watch, Stream::Quality), "run {run}: it was taken over");
    }
    assert!(holds(&watch, Stream::Quality));
}

#[test]
fn what_is_accepted_is_what_it_does_since_it_moved_and_not_what_it_did_before() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    model.weights = 0.8;
    watch.observe(&model.beat(), &suite);
    model.weights = 0.0;
    // One run was off by chance, and those after it were clean; then the model is replaced.
    (0..8).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    model.weights = 1.4;
    until_alarm(&mut watch, &mut model, 6).unwrap();
    let made = watch.accept(model.at).unwrap().made.unwrap();
    let states: Vec<usize> = made.canaries.values().map(|known| known.states.len()).collect();
    assert!(states.iter().all(|states| *states == 1), "{states:?}");
    assert!((3..=5).contains(&made.runs), "{} runs", made.runs);
    model.weights = 0.0;
    assert_eq!(watch.observe(&model.beat(), &suite).result, Judged::Exceed, "it is another model again");
}

#[test]
fn evidence_stays_at_its_threshold_while_the_alarm_holds() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let fast = |watch: &Watch| {
        let streams = watch.report(Timestamp::default()).streams;
        *streams.iter().find(|state| state.stream == Stream::FingerprintFast).unwrap()
    };
    model.weights = 0.8;
    until_alarm(&mut watch, &mut model, 4).unwrap();
    for _ in 0..30 {
        assert!(fast(&watch).evidence >= fast(&watch).threshold, "{:?}", fast(&watch));
        watch.observe(&model.beat(), &suite);
    }
    model.weights = 0.0;
    (0..12).for_each(|_| drop(watch.observe(&model.beat(), &suite)));
    assert!(watch.alarms.is_empty() && fast(&watch).evidence < 1.0, "{:?}", fast(&watch));
}

#[test]
fn a_stream_that_warms_up_has_no_evidence_which_is_not_zero() {
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    let has = |watch: &Watch| {
        let streams = watch.report(Timestamp::default()).streams;
        streams.iter().any(|state| state.stream == Stream::FingerprintSlow)
    };
    let week = 7 * 288;
    (0..week - 1).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    assert!(!has(&watch));
    watch.observe(&model.beat(), &suite());
    assert!(has(&watch));
}
