//! How baselines grow.

use super::*;

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
fn passes_of_the_long_prompts_push_no_beat_out_of_the_quarantine() {
    let mut model = Model { long_each: u64::MAX, ..Model::new() };
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    let mut made = None;
    for beat in 1..=20_u64 {
        made = watch.observe(&model.beat(), &suite()).made;
        watch.observe(&model.long(), &suite());
        let Some(learning) = &watch.learning else { panic!("it goes on") };
        assert_eq!((learning.taken(), learning.settled.runs), (beat, beat.saturating_sub(12)), "beat {beat}");
    }
    let made = made.unwrap();
    assert_eq!((made.runs, made.long_runs), (20, 19), "made by the beat of that number");
}

#[test]
fn a_growing_baseline_waits_while_evidence_is_pending() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 113);
    assert_eq!(watch.baseline().map(|baseline| baseline.runs), Some(100));
    // Three runs beyond the baseline leave evidence that a few quiet ones do not take back.
    (0..186).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    model.weights = 0.8;
    (0..3).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    model.weights = 0.0;
    let pending = |watch: &Watch| {
        watch.report(Timestamp::default()).streams.iter().any(|stream| stream.evidence > 12_f64.ln())
    };
    assert!(pending(&watch) && watch.alarms.is_empty());
    let mut waited = 0;
    loop {
        let was_pending = pending(&watch);
        let made = watch.observe(&model.beat(), &suite()).made;
        assert!(made.is_none() || !pending(&watch));
        if made.is_some() {
            break;
        }
        let enough = watch.learning.as_ref().is_some_and(|learning| learning.settled.runs >= 300);
        waited += u64::from(enough && was_pending && watch.counted.clean > alarm::CLEAN_RUNS);
        assert!(waited < 500);
    }
    assert!(waited > 0, "it would have been made {waited} runs earlier");
}

#[test]
fn a_fault_of_one_run_in_five_that_began_before_a_baseline_grew_is_not_learned() {
    for (before, runs) in [(22, 20), (54, 40), (114, 100)] {
        let mut model = Model::new();
        let mut watch = grown(&mut model, before);
        (model.weights, model.share) = (1.2, 0.2);
        for run in 1..=300 {
            let made = watch.observe(&model.beat(), &suite()).made;
            assert!(made.is_none(), "{runs} grew at run {run} of the fault");
        }
        let report = watch.report(model.at);
        assert_eq!(report.baseline.map(|baseline| baseline.runs), Some(runs));
        let told = report.words.iter().any(|line| line.contains("or a fault that hits some of the answers"));
        assert!(told || !report.alarms.is_empty(), "{:?}", report.words);
        // The same fault in every run is none of the known states.
        model.share = 1.0;
        assert!(until_alarm(&mut watch, &mut model, 30).is_some(), "after {runs}");
    }
}

#[test]
fn a_baseline_grows_on_when_a_fault_that_held_it_up_is_gone_and_knows_nothing_of_it() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 54);
    (model.weights, model.share) = (1.2, 0.2);
    (0..100).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    model.weights = 0.0;
    let made = (0..600).find_map(|_| watch.observe(&model.beat(), &suite()).made).unwrap();
    assert!(made.runs >= 100 && made.exceeding * 10 <= made.runs + made.exceeding, "{}", made.exceeding);
    assert!(made.canaries.values().all(|known| known.states.len() == 1));
}

#[test]
fn a_fault_of_one_run_in_five_after_a_full_baseline_is_an_alarm_although_it_began_with_its_growth() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 290);
    (model.weights, model.share) = (1.2, 0.2);
    let (runs, report) = until_alarm(&mut watch, &mut model, 200).unwrap();
    assert_eq!(report.alarms[0].stream, Stream::FingerprintFast);
    assert!(runs <= 150, "{runs}");
}

#[test]
fn how_sure_a_model_was_is_measured_by_its_own_noise_where_that_is_known() {
    let margin = |model: &mut Model| {
        let watch = captured(model, 100);
        watch.baseline().map(|baseline| (baseline.margin, baseline.margin_learned)).unwrap()
    };
    assert_eq!(margin(&mut Model::new()), (0.8, false), "one state a prompt tells nothing");
    let (noisy, learned) = margin(&mut Model::noisy());
    assert!(learned && (0.8..2.0).contains(&noisy), "{noisy}");
}

/// What was spent of δ by the bounds of the short canaries so far, of what a stream has.
fn spent(watch: &Watch) -> f64 {
    let whole = budgets::Budgets::of(&watch.plan).short.delta;
    1.0 - watch.detectors.as_ref().unwrap().left() / whole
}

#[test]
fn all_bounds_of_a_baseline_that_grows_share_what_one_may_be_wrong_by() {
    let mut model = Model::new();
    let mut watch = grown(&mut model, 20);
    let mut before = 0.0;
    for runs in [40, 100, 300] {
        assert!(spent(&watch) > before && spent(&watch) < 1.0, "{} before {runs}", spent(&watch));
        before = spent(&watch);
        while watch.baseline().is_some_and(|baseline| baseline.runs < runs) {
            watch.observe(&model.beat(), &suite());
        }
    }
    assert!(spent(&watch) > before && spent(&watch) < 1.0, "{}", spent(&watch));
    // A change that the server told makes one more by policy.
    before = spent(&watch);
    model.facts.of.insert(Fact::Version, "llama.cpp b9100".into());
    model.weights = 0.05;
    assert!((0..40).any(|_| watch.observe(&model.beat(), &suite()).made.is_some()));
    assert!(spent(&watch) > before && spent(&watch) < 1.0, "{}", spent(&watch));
    // A year later there is as much again, and a person's word begins anew.
    model.at += jiff::SignedDuration::from_hours(24 * 400);
    model.facts.of.insert(Fact::Version, "llama.cpp b9200".into());
    model.weights = 0.1;
    assert!((0..40).any(|_| watch.observe(&model.beat(), &suite()).made.is_some()));
    assert!(spent(&watch) < 0.1, "{}", spent(&watch));
}
