//! Looks beside the beat.

use super::*;

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

/// Runs from the first that exceeds to the alarm, at beats of two seconds after a baseline of 20 runs and some more, and
/// those of them that counted; with the looks that are asked for when they are due.
fn at_two_seconds(clean: usize) -> (u64, u64, u64) {
    let every = std::time::Duration::from_secs(2);
    let mut model = Model { every: jiff::SignedDuration::from_secs(2), ..Model::new() };
    let mut watch = Watch::new(Plan::new("box", "smol", every));
    (0..clean).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    assert_eq!(watch.baseline().map(|baseline| baseline.runs), Some(20));
    let promised = watch.report(model.at).capabilities[0].runs.unwrap();
    model.weights = 0.8;
    let (mut runs, mut counted, mut looks) = (0, 0, Vec::new());
    while watch.alarms.is_empty() {
        let due = looks.iter().position(|at| *at <= model.at + model.every);
        let run = match due.map(|nth| looks.remove(nth)) {
            Some(_) => model.look_again(0),
            None => model.beat(),
        };
        let sums = watch.detectors.clone();
        let seen = watch.observe(&run, &suite());
        assert_eq!(seen.result, Judged::Exceed);
        (runs, counted) = (runs + 1, counted + u64::from(watch.detectors != sums));
        if let Wants::Confirm { after } = seen.wants {
            looks.extend(after.iter().map(|after| run.at + jiff::SignedDuration::try_from(*after).unwrap()));
        }
    }
    (promised, runs, counted)
}

#[test]
fn after_a_first_baseline_a_change_of_all_takes_the_runs_that_were_promised_and_each_of_them_counts() {
    // 20 runs of which none exceeds bound the rate by p̄ = 1 - (0.5 · 0.9 · 0.02 · 0.6)^(1/20) = 0.230; a year of such
    // beats has N = 1.02 · 31,536,000 / 2 steps, so that ln A = ln(N / (0.5 · 0.9 · 0.08)) = 19.92. The bet on 0.9, of weight
    // 0.4, wins ln(0.9 / p̄) = 1.367 a run. From the M of 0.149 that clean runs leave, run n gives
    // ln M = 1.367 n + ln(0.149 + 1 / (1 - p̄ / 0.9)) + ln 0.4 = 1.367 n - 0.517: 18.63 for 14 runs, 19.99 for 15.
    for clean in [21, 25, 30, 40] {
        assert_eq!(at_two_seconds(clean), (15, 15, 15), "after {clean} runs");
    }
}

/// Seconds of a night and a day.
const DAY: i64 = 86_400;

#[test]
fn a_shell_that_asks_each_night_without_an_agent_finds_a_change_however_long_all_was_well() {
    let suite = suite();
    for nights in [20, 60] {
        let mut model = Model::new();
        let mut watch = captured(&mut model, 300);
        (0..nights).for_each(|_| drop(watch.observe(&model.by_hand(DAY), &suite)));
        assert_eq!(watch.report(model.at).verdict, Verdict::Steady);
        model.weights = 0.8;
        let found = (1..=20).find(|_| {
            watch.observe(&model.by_hand(DAY), &suite);
            !watch.report(model.at).alarms.is_empty()
        });
        // The first is a look beside the beat: where numbers never vary, it counts when another gives the same.
        assert_eq!(found, Some(5), "after {nights} quiet nights");
    }
}

#[test]
fn a_shell_that_asks_each_night_finds_lost_quality_and_that_it_is_well_again() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    (0..20).for_each(|_| drop(watch.observe(&model.by_hand(DAY), &suite)));
    model.failing = vec!["js1"];
    let holds = |watch: &Watch| watch.alarms.iter().any(|alarm| alarm.stream == Stream::Quality);
    let found = (1..=30).find(|_| {
        watch.observe(&model.by_hand(DAY), &suite);
        holds(&watch)
    });
    assert!(found.is_some_and(|nights| nights <= 10), "{found:?}");
    (0..20).for_each(|_| drop(watch.observe(&model.by_hand(DAY), &suite)));
    model.failing.clear();
    let ended = (1..=30).find(|_| {
        watch.observe(&model.by_hand(DAY), &suite);
        !holds(&watch)
    });
    // One answer a night, of a check that failed five of its last sixteen: some twenty passes tell it is well.
    assert!(ended.is_some_and(|nights| nights <= 21), "{ended:?}");
}

#[test]
fn a_person_who_looks_all_the_time_takes_no_more_steps_than_were_promised() {
    let suite = suite();
    for (beats, seconds) in [(false, 16), (true, 100)] {
        let mut model = Model::new();
        let mut watch = captured(&mut model, 300);
        let begin = model.at;
        let counted = |watch: &Watch| watch.detectors.as_ref().map_or(0, super::super::Detectors::counted);
        let before = counted(&watch);
        while model.at.duration_since(begin).as_secs() < 3 * 3600 {
            (0..280 / seconds).for_each(|_| drop(watch.observe(&model.by_hand(seconds), &suite)));
            if beats {
                model.at -= jiff::SignedDuration::from_mins(5);
                model.at += jiff::SignedDuration::from_secs(300 - 280 / seconds * seconds);
                watch.observe(&model.beat(), &suite);
            }
        }
        let beats_of_time = model.at.duration_since(begin).as_secs() as f64 / 300.0;
        let steps = (counted(&watch) - before) as f64;
        assert!(steps <= 1.02 * beats_of_time + 12.0, "{steps} steps in the time of {beats_of_time} beats");
    }
}
