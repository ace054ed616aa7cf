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
