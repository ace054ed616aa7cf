use serde::Deserialize;

use super::super::budget::ALARMS_A_YEAR;
use super::super::words::Stream;
use super::*;

#[derive(Deserialize)]
struct Case {
    runs: u64,
    delta: f64,
    exceeded: Vec<u8>,
    bound: f64,
    ln_m: Vec<f64>,
}

fn fast() -> Budget {
    Budget::of(Stream::FingerprintFast, ALARMS_A_YEAR, 300.0)
}

/// Runs that exceed, one after the other, until the alarm.
fn full_change(evidence: &mut Evidence) -> u64 {
    (1..100).find(|_| evidence.observe(true)).unwrap()
}

#[test]
fn the_sums_are_those_computed_independently() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/fixtures/drift/evidence.json")).unwrap();
    for case in cases {
        let mut evidence = Evidence::new(0, case.runs, Budget { threshold: 1e9, delta: case.delta });
        assert!((evidence.rate().bound() - case.bound).abs() < 1e-12);
        for (exceeded, expected) in case.exceeded.into_iter().zip(case.ln_m) {
            assert!(!evidence.observe(exceeded == 1));
            let expected = expected.max(0.0);
            assert!((evidence.ln_m() - expected).abs() < 1e-9, "{} is not {expected}", evidence.ln_m());
        }
    }
}

#[test]
fn a_full_change_is_found_the_sooner_the_more_is_known() {
    for (baseline, quiet, expected) in [
        (20, 0, 12),
        (40, 0, 8),
        (100, 0, 6),
        (300, 0, 4),
        (300, 2_300, 3),
        (300, 20_000, 3),
        (300, 40_000, 2),
    ] {
        let mut evidence = Evidence::new(0, baseline, fast());
        (0..quiet).for_each(|_| assert!(!evidence.observe(false)));
        assert_eq!(evidence.runs_to_alarm(1.0), Some(expected), "said after {baseline} + {quiet}");
        assert_eq!(full_change(&mut evidence), expected, "after {baseline} + {quiet}");
    }
}

#[test]
fn an_alarm_starts_the_sums_anew_and_unlearns_the_runs_before_it() {
    let mut evidence = Evidence::new(0, 300, fast());
    (0..100).for_each(|_| assert!(!evidence.observe(false)));
    full_change(&mut evidence);
    assert_eq!(evidence.ln_m(), 0.0);
    let (runs, exceeding) = evidence.rate().counted();
    assert_eq!(
        (runs, exceeding),
        (300 + 100 - 12 + 3, 0),
        "the alarm came with the fourth, which counts nowhere"
    );
}

#[test]
fn what_a_partial_fault_takes_is_said_and_so_is_what_is_never_found() {
    let mut evidence = Evidence::new(0, 300, fast());
    let said = |evidence: &Evidence| [0.5, 0.2, 0.1, 0.05].map(|share| evidence.runs_to_alarm(share));
    let first = said(&evidence);
    assert!(first[0] < first[1] && first[1] < first[2] && first[1] <= Some(60), "{first:?}");
    assert_eq!(first[3], None, "the next bound would learn it");
    (0..20_000).for_each(|_| assert!(!evidence.observe(false)));
    let later = said(&evidence);
    assert!(
        later[3].is_some() && later.iter().zip(first).take(3).all(|(later, first)| *later < first),
        "{later:?}"
    );
}

#[test]
fn a_bound_that_says_nothing_raises_no_alarm() {
    let mut evidence = Evidence::new(1, 1, fast());
    assert_eq!(evidence.rate().bound(), 1.0);
    assert!((0..500).all(|_| !evidence.observe(true)));
    assert_eq!(Evidence::new(0, 0, fast()).runs_to_alarm(0.5), None);
}

#[test]
fn a_bet_stands_above_the_bound_and_below_one() {
    for bound in [1e-6, 0.01, 0.2, 0.45, 0.6, 0.93, 0.96, 0.999] {
        for (share, _) in BETS {
            let (up, down) = factors(share, bound);
            assert!(up > 0.0 && down < 0.0, "{share} against {bound}");
            let mean = bound * up.exp() + (1.0 - bound) * down.exp();
            assert!((mean - 1.0).abs() < 1e-9, "a fair game at the bound, and below it a losing one: {mean}");
        }
    }
}

#[test]
fn evidence_outlives_a_restart() {
    let mut evidence = Evidence::new(2, 300, fast());
    for exceeded in [true, false, false, true, false] {
        assert!(!evidence.observe(exceeded));
    }
    let text = serde_json::to_string(&evidence).unwrap();
    assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
    let fresh = Evidence::new(0, 300, fast());
    assert_eq!(serde_json::from_str::<Evidence>(&serde_json::to_string(&fresh).unwrap()).unwrap(), fresh);
}

#[test]
fn logarithms_of_sums_keep_their_digits() {
    for x in [-40.0, -1.0, 0.0, 1e-9, 1.0, 30.0, 700.0, 1e6_f64] {
        assert!((ln_1p_exp(x) - if x > 30.0 { x } else { x.exp().ln_1p() }).abs() < 1e-12 * (1.0 + x.abs()));
        if x > -30.0 {
            assert!((ln_exp_m1(ln_1p_exp(x)) - x).abs() < 1e-9 * (1.0 + x.abs()), "{x}");
        }
    }
    assert_eq!(ln_exp_m1(0.0), f64::NEG_INFINITY);
}

#[test]
fn quiet_runs_leave_as_much_as_is_told_and_no_more() {
    for runs in [20, 100, 300, 5000] {
        let mut evidence = Evidence::new(0, runs, fast());
        // Fewer than make the bound anew.
        (0..runs).for_each(|_| assert!(!evidence.observe(false)));
        assert!(evidence.ln_m() <= evidence.quiet().max(0.0) + 1e-9, "{runs}");
        let near = evidence.ln_m() > evidence.quiet() - 0.01;
        assert!(near || runs < 300, "{} of {} after {runs}", evidence.ln_m(), evidence.quiet());
    }
    // By hand, of p̄ = 0.01544: 0.2 · 62.8 + 0.2 · 10.6 + 0.2 · 2.5 + 0.4 · 0.1, which is more than 12.
    assert!((Evidence::new(0, 300, fast()).quiet() - 2.72).abs() < 0.02);
    assert!(!Evidence::new(0, 0, fast()).quiet().is_nan());
}

/// The probability of an alarm within `steps` of a model that exceeds at `rate`, above what a bound that holds gives, is
/// no more than this: M − Σ g^k is a supermartingale with g the factor's mean, and by Doob P(max M ≥ A) ≤ E M / A.
fn alarm_at_most(rate: f64, bound: f64, steps: i32, threshold: f64) -> f64 {
    if bound >= 1.0 {
        return 0.0;
    }
    let mean = |(share, weight): (f64, f64)| {
        let (up, down) = factors(share, bound);
        let factor = rate * up.exp() + (1.0 - rate) * down.exp();
        weight * (1..=steps).map(|step| factor.powi(step)).sum::<f64>()
    };
    let sum: f64 = BETS.into_iter().map(mean).sum();
    ((sum - f64::from(steps)) / threshold.exp()).clamp(0.0, 1.0)
}

/// The largest, over all rates, of the probability that a baseline of `runs` is lucky and an alarm follows by it before
/// the bound is made anew: of all numbers of runs that exceed by chance, each with its own bound.
fn cost(runs: u64, delta: f64, threshold: f64) -> f64 {
    // n + 12 steps, and 12 more for an alarm in between whose runs are not counted.
    let steps = runs as i32 + 24;
    let bounds: Vec<f64> = (0..runs).map(|of| super::super::bound::upper(of, runs, delta)).collect();
    let of_rate = |rate: f64| {
        let mut chance = (1.0 - rate).powi(runs as i32);
        let mut sum = 0.0;
        for (of, bound) in bounds.iter().enumerate() {
            sum += chance * alarm_at_most(rate, *bound, steps, threshold);
            chance *= (runs - of as u64) as f64 / (of + 1) as f64 * rate / (1.0 - rate);
        }
        sum
    };
    let rates = (1..200).map(|at| 1e-3 * 1.035_f64.powi(at)).take_while(|rate| *rate < 0.97);
    rates.map(of_rate).fold(0.0, f64::max)
}

#[test]
fn a_bound_that_is_soon_replaced_costs_less_than_the_probability_that_it_is_wrong() {
    // Thresholds and δ of the streams at a beat of 5 minutes, of one an hour, and where one alarm a year is allowed; of a
    // check its own, and less by the checks that its sum is shared with.
    for (threshold, delta) in [(14.9, 0.009), (16.4, 0.002), (13.4, 0.000_4), (12.4, 0.009), (12.6, 0.09)] {
        for (runs, new) in
            [(6, true), (20, true), (40, true), (40, false), (80, false), (100, true), (140, true)]
        {
            let share = super::super::bound::share_of(delta, runs, new);
            let cost = cost(runs, share.delta, threshold);
            assert!(cost <= share.cost, "{cost} of {runs} runs at {threshold}, not {}", share.cost);
        }
    }
}
