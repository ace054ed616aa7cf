use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    upper: Vec<(u64, u64, f64, f64)>,
    wilson: Vec<(u64, u64, f64, f64)>,
    jeffreys: Vec<(u64, u64, f64, f64)>,
    mcnemar: Vec<(u64, u64, f64)>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/drift/bound.json")).unwrap()
}

/// Within a part of a hundred million of the other number.
fn near(found: f64, expected: f64, of: &str) {
    assert!((found - expected).abs() <= 1e-8 * expected.abs(), "{of}: {found} is not {expected}");
}

#[test]
fn upper_bounds_are_those_of_scipy() {
    for (of, all, delta, expected) in fixture().upper {
        near(upper(of, all, delta), expected, &format!("{of} in {all}, δ {delta}"));
    }
}

#[test]
fn intervals_are_those_of_scipy() {
    for (of, all, low, high) in fixture().wilson {
        let found = Proportion::new(of, all);
        near(found.low, low, &format!("Wilson, {of} in {all}"));
        near(found.high, high, &format!("Wilson, {of} in {all}"));
    }
    for (of, all, low, high) in fixture().jeffreys {
        let found = jeffreys(of, all);
        near(found.0, low, &format!("Jeffreys, {of} in {all}"));
        near(found.1, high, &format!("Jeffreys, {of} in {all}"));
    }
}

#[test]
fn mcnemar_is_that_of_scipy() {
    for (lost, won, expected) in fixture().mcnemar {
        near(mcnemar(lost, won), expected, &format!("{lost} lost, {won} won"));
    }
}

#[test]
fn whatever_bounds_are_made_they_cost_no_more_than_there_is_and_a_grown_baseline_has_its_part() {
    let mut left = 0.01;
    let mut take = |runs, new| {
        let share = share_of(left, runs, new);
        left -= share.cost;
        (share.delta, left)
    };
    // As a baseline grows: a bound that has doubled, and the next baseline's.
    for (runs, new) in [(20, true), (40, false), (40, true), (80, false), (100, true), (200, false)] {
        take(runs, new);
    }
    let (full, _) = take(300, true);
    assert!(full > 0.0059, "a full change takes four runs with 0.587 of it: {full}");
    for doublings in 1..40 {
        take(300 << doublings, false);
    }
    for _ in 0..100 {
        let (delta, left) = take(300, true);
        assert!(delta > 0.0 && left > 0.0);
    }
}

#[test]
fn where_nothing_is_known_all_is_possible() {
    assert_eq!(upper(0, 0, 0.01), 1.0);
    assert_eq!(upper(3, 3, 0.01), 1.0);
    assert_eq!(upper(1, 3, 0.0), 1.0);
    let none = Proportion::new(0, 0);
    assert_eq!((none.low, none.high), (0.0, 1.0));
    assert_eq!(jeffreys(0, 0), (0.0, 1.0));
}
