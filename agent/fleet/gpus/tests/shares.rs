//! Where the cards' joules go.

use proptest::prelude::*;

use super::*;

#[test]
fn a_targets_part_is_by_its_processes_and_only_of_what_was_seen() {
    let mut bench = Bench::new();
    let read = |joules: f64, processes| GpuSample {
        energy_joules: Some(joules),
        processes: Some(processes),
        ..card("GPU-1", 0)
    };
    let both = || vec![process(Some("box"), 30), process(Some("gone"), 10)];
    bench.read(&[read(1000.0, both())]);
    let view = bench.read(&[read(1100.0, both())]);
    let of_box = bench.gpus.of_target("box", &view.cards).unwrap();
    assert_eq!(of_box.energy_joules, Some(75.0));
    assert_eq!(of_box.memory_bytes, [("GPU-1".to_owned(), 30)].into());
    assert_eq!(view.other_energy_joules, Some(25.0));
    assert_eq!(bench.gpus.of_target("gone", &view.cards), None);

    bench.now += EVERY * 4;
    let view = bench.read(&[read(1500.0, both())]);
    assert_eq!(view.other_energy_joules, Some(425.0), "nobody saw who worked in so long a time");

    bench.gpus.forget_target("box");
    assert_eq!(bench.view().other_energy_joules, Some(500.0), "what a target took is not lost with it");
}

#[test]
fn a_target_that_is_called_as_the_rest_is_part_of_it() {
    let mut bench = Bench::new();
    let read = |joules: f64| GpuSample {
        energy_joules: Some(joules),
        processes: Some(vec![process(Some("other"), 30), process(None, 10)]),
        ..card("GPU-1", 0)
    };
    bench.read(&[read(10.0)]);
    let view = bench.read(&[read(20.0)]);
    assert_eq!((view.cards[0].users.len(), view.cards[0].users[0].memory_bytes), (1, Some(40)));
    assert_eq!(view.other_energy_joules, Some(10.0));
}

#[test]
fn a_card_that_tells_no_energy_has_none_to_give() {
    let mut bench = Bench::new();
    let view = bench.read(&[card("GPU-1", 0)]);
    assert_eq!((view.other_energy_joules, view.cards[0].energy_total_joules), (None, None));
}

/// Of each card whether it is listed, what it takes, and its processes.
type Beat = Vec<(bool, f64, Vec<(Option<&'static str>, u64)>)>;

fn beat() -> impl Strategy<Value = Beat> {
    let owner = prop::option::of(prop::sample::select(vec!["a", "b", "gone"]));
    let processes = prop::collection::vec((owner, 0_u64..1000), 0..4);
    prop::collection::vec((prop::bool::weighted(0.9), 0.0..5000.0, processes), 3)
}

proptest! {
    #[test]
    fn the_targets_and_nobody_have_together_what_the_cards_took(
        beats in prop::collection::vec((beat(), 0_u32..5), 1..30),
    ) {
        let mut bench = Bench::new();
        // What each card's total was when it was first seen.
        let mut first: BTreeMap<String, f64> = BTreeMap::new();
        let mut joules = [0.0; 3];
        for (beat, late) in beats {
            bench.now += EVERY * late;
            let mut cards = Vec::new();
            for (nth, (listed, step, processes)) in beat.into_iter().enumerate() {
                joules[nth] += step;
                let processes = processes.into_iter().map(|(target, memory)| process(target, memory)).collect();
                // The second has no counter and draws what the step says.
                let counts = nth != 1;
                cards.extend(listed.then(|| GpuSample {
                    energy_joules: counts.then_some(joules[nth]),
                    power_watts: (!counts).then_some(step),
                    processes: Some(processes),
                    ..card(&format!("GPU-{nth}"), nth as u32)
                }));
            }
            for card in bench.read(&cards).cards {
                first.entry(card.told.uuid).or_insert(card.energy_total_joules.unwrap_or(0.0));
            }
        }
        let view = bench.view();
        let grown = |card: &CardView| Some(card.energy_total_joules? - first[&card.told.uuid]);
        let taken: f64 = view.cards.iter().filter_map(grown).sum();
        let targets = ["a", "b", "gone"].iter().filter_map(|target| bench.gpus.of_target(target, &view.cards));
        let given: f64 = targets.filter_map(|target| target.energy_joules).sum();
        let all = given + view.other_energy_joules.unwrap_or(0.0);
        prop_assert!((all - taken).abs() <= 1e-6 * taken.max(1.0), "{all} of {taken}");
    }
}
