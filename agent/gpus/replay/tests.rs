//! Every moment of the demo's day is one that real cards could have.

use super::*;

fn round() -> impl Iterator<Item = (u32, Duration)> {
    let steps = (0..FRAMES.len()).map(|step| Duration::from_secs_f64(STEP * step as f64));
    steps.flat_map(|at| [(0, at), (1, at)])
}

#[test]
fn energy_is_the_integral_of_power_over_the_end_of_the_loop() {
    let step = Duration::from_millis(500);
    for place in [0, 1] {
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(600) {
            let (now, next) = (Replay::at(place, at).unwrap(), Replay::at(place, at + step).unwrap());
            let grown = next.energy_joules.unwrap() - now.energy_joules.unwrap();
            assert!((grown - now.power_watts.unwrap() * 0.5).abs() < 1e-3, "at {at:?}: {grown} J");
            at += step;
        }
    }
    assert_eq!(Replay::at(2, Duration::ZERO), None);
}

#[test]
fn every_frame_is_a_card_that_could_be() {
    for (place, at) in round() {
        let card = Replay::at(place, at).unwrap();
        let (used, total) = (card.memory_used_bytes.unwrap(), card.memory_total_bytes.unwrap());
        assert!(used < total, "{at:?}: {used} of {total}");
        assert!((25.0..90.0).contains(&card.temperatures_celsius["die"]), "{at:?}");
        assert!((15.0..=300.0).contains(&card.power_watts.unwrap()), "{at:?}: {:?} W", card.power_watts);
        assert!((0.0..=1.0).contains(&card.utilization_ratio.unwrap()), "{at:?}");
        assert!((0.0..=1.0).contains(&card.fans[0].ratio.unwrap()), "{at:?}");
    }
    assert_eq!(FRAMES.len() * 4, 240, "a round is a day of the demo");
}

#[test]
fn who_uses_the_first_card_makes_the_memory_of_the_table() {
    for (step, (_, mib, ..)) in FRAMES.iter().enumerate() {
        let card = Replay::at(0, Duration::from_secs_f64(STEP * step as f64)).unwrap();
        assert_eq!(card.memory_used_bytes, Some(u64::from(*mib) * MIB), "step {step}");
    }
}

#[test]
fn a_round_shows_rest_work_and_both_ways_to_be_slowed_down() {
    for reason in ["idle", "sw_power_cap", "sw_thermal"] {
        assert!(round().any(|(place, at)| Replay::at(place, at).unwrap().throttled[reason]), "{reason}");
    }
    let slowed = round().filter(|(place, at)| Replay::at(*place, *at).unwrap().throttled["sw_thermal"]);
    assert!(slowed.count() < FRAMES.len() / 5, "for a moment, not for ever");
}
