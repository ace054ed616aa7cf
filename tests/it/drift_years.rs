//! A shorter form of `cargo bench --bench drift_sim`: false alarms of simulated time, and runs to the alarm.

#[path = "../bench/drift_sim/served.rs"]
mod served;
#[path = "../bench/drift_sim/texts.rs"]
mod texts;
#[path = "../bench/drift_sim/whole.rs"]
mod whole;
#[path = "../bench/drift_sim/years.rs"]
mod years;

use texts::quiet_texts;
use whole::quiet_watch;
use years::{BASELINE, FACTORS, Null, SLOW_FACTORS, YEAR, at_rate, delays, quiet_time};

#[test]
fn a_model_that_does_not_change_raises_no_alarm_in_a_month_of_any_noise() {
    for null in Null::ALL {
        let alarms = quiet_time(null, YEAR / 12, 1000);
        assert_eq!(alarms.fast[1], 0, "{}, tolerance × {}", null.name(), FACTORS[1]);
        assert_eq!(alarms.slow[1], 0, "{}, tolerance × {}", null.name(), SLOW_FACTORS[1]);
        assert_eq!(quiet_texts(null, YEAR / 12, 3000), 0, "{}, texts alone", null.name());
    }
}

/// Four days of each kind of noise from nothing on: all baselines up to the full one, and three days with it.
#[test]
fn a_whole_watch_of_a_model_that_does_not_change_raises_no_alarm_while_it_learns_and_after() {
    for null in Null::ALL {
        let told = quiet_watch(null, 4 * 288, 288, 1);
        assert_eq!(told.alarms, [], "{}", null.name());
        assert!(told.baseline >= 40 && told.canaries >= 6 && told.checks >= 8, "{}: {told:?}", null.name());
    }
}

#[test]
fn runs_that_exceed_at_their_usual_rate_raise_no_alarm() {
    let times = 30;
    let alarms: u32 =
        [0.02, 0.2].into_iter().map(|rate| (0..times).map(|at| at_rate(rate, 3000, at)).sum::<u32>()).sum();
    assert_eq!(alarms, 0, "in {times} times 3000 runs at each rate");
}

#[test]
fn a_full_change_takes_four_runs_after_a_baseline_and_a_fault_of_a_fifth_of_the_runs_sixty() {
    let (full, said) = delays(0, 1.0, 1);
    assert_eq!((full[0], said), (4, Some(4)), "after {BASELINE} runs");
    let (fifth, said) = delays(0, 0.2, 200);
    assert!(
        fifth[100] <= 60 && said.is_some_and(|runs| (40..=60).contains(&runs)),
        "{} {said:?}",
        fifth[100]
    );
}
