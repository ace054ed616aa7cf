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
