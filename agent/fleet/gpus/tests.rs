//! Cards over time: seen, lost, found again, expected.

use super::*;
use crate::gpus::GpuError;
use crate::sample::{GpuProcess, NoteLevel, ProcessKind};
use crate::view::{EnergySource, Health};

mod shares;

const EVERY: Duration = Duration::from_secs(5);

/// A machine's cards, with a clock that the test moves.
struct Bench {
    gpus: Gpus,
    now: Instant,
}

impl Bench {
    fn new() -> Bench {
        Bench { gpus: Gpus::default(), now: Instant::now() }
    }

    fn expecting(expected: ExpectedGpus) -> Bench {
        let mut bench = Bench::new();
        bench.gpus.plan(GpuPlan { backends: vec!["nvml", "amdgpu"], expected, next_model_bytes: None });
        bench
    }

    fn read_by(&mut self, backend: &'static str, read: Read) -> GpusView {
        self.now += EVERY;
        let is_target = |target: &str| target != "gone";
        self.gpus.record(backend, read, Duration::ZERO, EVERY, self.now, &is_target);
        self.view()
    }

    fn read(&mut self, cards: &[GpuSample]) -> GpusView {
        self.read_by("nvml", Ok(cards.to_vec()))
    }

    fn view(&self) -> GpusView {
        self.gpus.view(self.now, Timestamp::UNIX_EPOCH, None)
    }
}

fn card(uuid: &str, index: u32) -> GpuSample {
    GpuSample {
        uuid: uuid.into(),
        index: Some(index),
        name: Some("Card".into()),
        vendor: "nvidia".into(),
        utilization_ratio: Some(0.5),
        ..GpuSample::default()
    }
}

fn process(target: Option<&str>, memory: u64) -> GpuProcess {
    GpuProcess {
        pid: memory as u32,
        kind: ProcessKind::Compute,
        memory_bytes: Some(memory),
        utilization_ratio: None,
        gpu_instance: None,
        name: None,
        target: target.map(Into::into),
    }
}

/// UUID, and why it is silent.
fn told(view: &GpusView) -> Vec<(&str, Option<&str>)> {
    let fault = |card: &'_ CardView| card.told.fault.as_ref().map(|fault| fault.reason.clone());
    let reason = |reason: String| CardFault::REASONS.into_iter().find(|known| *known == reason).unwrap();
    view.cards.iter().map(|card| (card.told.uuid.as_str(), fault(card).map(reason))).collect()
}

#[test]
fn a_card_that_is_not_listed_any_more_stays_and_is_gone() {
    let mut bench = Bench::new();
    let counts = |joules| GpuSample { energy_joules: Some(joules), ..card("GPU-2", 1) };
    bench.read(&[card("GPU-1", 0), counts(100.0)]);
    bench.read(&[card("GPU-1", 0), counts(150.0)]);
    let view = bench.read(&[card("GPU-1", 0)]);
    assert_eq!(told(&view), [("GPU-1", None), ("GPU-2", Some("gone"))]);
    let gone = &view.cards[1];
    assert_eq!(gone.told.name.as_deref(), Some("Card"), "it is still known what it was");
    assert_eq!(gone.told.utilization_ratio, None, "and nothing old is shown");
    assert_eq!((gone.energy_total_joules, gone.energy_source), (Some(150.0), Some(EnergySource::Counter)));

    let view = bench.read(&[counts(180.0)]);
    assert_eq!(told(&view), [("GPU-1", Some("gone")), ("GPU-2", None)]);
    assert_eq!(view.cards[1].energy_total_joules, Some(180.0));
}

#[test]
fn a_backend_that_fails_silences_its_own_cards_and_no_others() {
    let mut bench = Bench::new();
    bench.read(&[card("GPU-1", 0)]);
    let amd = GpuSample { vendor: "amd".into(), ..card("pci-0000:03:00.0", 0) };
    bench.read_by("amdgpu", Ok(vec![amd]));
    for error in [GpuError::DriverMismatch, GpuError::Timeout(EVERY), GpuError::NoDriver("nvidia")] {
        let view = bench.read_by("nvml", Err((error.reason(), error.to_string())));
        assert_eq!(told(&view), [("pci-0000:03:00.0", None), ("GPU-1", Some(error.reason()))]);
        assert_eq!(view.cards[1].told.fault.as_ref().unwrap().error, error.to_string());
    }
}

#[test]
fn every_reason_of_a_driver_is_one_of_a_card() {
    for reason in GpuError::REASONS {
        let mut bench = Bench::new();
        bench.read(&[card("GPU-1", 0)]);
        let view = bench.read_by("nvml", Err((reason, "why".into())));
        assert_eq!(told(&view), [("GPU-1", Some(reason.trim_start_matches("gpu_")))]);
    }
}

#[test]
fn what_the_reader_tells_of_a_silent_card_is_told() {
    let mut bench = Bench::new();
    let lost = card("GPU-1", 0).silent(CardFault::new("lost", "it fell off\nthe bus"));
    let view = bench.read(std::slice::from_ref(&lost));
    assert_eq!(told(&view), [("GPU-1", Some("lost"))], "also of one that never answered");
    assert_eq!(view.cards[0].told.fault.as_ref().unwrap().error, "it fell off?the bus");
    bench.read(&[card("GPU-1", 0)]);
    let bare = GpuSample { name: None, ..lost };
    let view = bench.read(&[bare]);
    assert_eq!(view.cards[0].told.name.as_deref(), Some("Card"), "what is known of it is not lost with it");
}

#[test]
fn a_place_that_never_told_whose_it_is_does_not_stay_beside_the_card_in_it() {
    let mut bench = Bench::new();
    let place = GpuSample { name: None, ..card("index-0", 0) };
    let silent = place.silent(CardFault::new("timeout", "no answer"));
    assert_eq!(told(&bench.read(&[silent])), [("index-0", Some("timeout"))]);
    assert_eq!(told(&bench.read(&[card("GPU-1", 0)])), [("GPU-1", None)]);
    let mut bench = Bench::new();
    bench.read(&[place]);
    assert_eq!(told(&bench.read(&[])), [("index-0", Some("gone"))], "one that has no better name is a card");
}

#[test]
fn a_read_of_more_than_three_beats_ago_is_stale() {
    let mut bench = Bench::new();
    bench.read(&[GpuSample { processes: Some(vec![process(Some("box"), 5)]), ..card("GPU-1", 0) }]);
    bench.now += EVERY * 3;
    assert_eq!(told(&bench.view()), [("GPU-1", None)]);
    bench.now += Duration::from_millis(1);
    let view = bench.view();
    assert_eq!(told(&view), [("GPU-1", Some("stale"))]);
    assert!(view.cards[0].users.is_empty() && bench.gpus.of_target("box", &view.cards).is_none());
}

#[test]
fn a_reload_forgets_a_card_that_was_taken_out_and_not_one_that_is_ill() {
    let mut bench = Bench::expecting(ExpectedGpus::Any);
    bench.read(&[card("GPU-1", 0), card("GPU-2", 1), card("GPU-3", 2)]);
    let lost = card("GPU-3", 2).silent(CardFault::new("lost", "it fell off the bus"));
    bench.read(&[card("GPU-1", 0), lost]);
    let plan = bench.gpus.plan.clone();
    bench.gpus.plan(plan.clone());
    assert_eq!(told(&bench.view()), [("GPU-1", None), ("GPU-3", Some("lost"))]);
    bench.read_by("nvml", Err(("no_driver", "none".into())));
    bench.gpus.plan(plan);
    assert_eq!(told(&bench.view()), []);
}

#[test]
fn a_card_that_was_taken_out_is_missing_as_long_as_the_config_expects_it() {
    let mut bench = Bench::expecting(ExpectedGpus::Uuids(vec!["GPU-1".into()]));
    bench.read(&[card("GPU-1", 0)]);
    bench.read_by("amdgpu", Ok(Vec::new()));
    assert_eq!(told(&bench.read(&[])), [("GPU-1", Some("gone"))]);
    let plan = bench.gpus.plan.clone();
    bench.gpus.plan(plan);
    assert_eq!(told(&bench.view()), [("GPU-1", Some("missing"))]);
}

#[test]
fn a_slowdown_that_one_read_shows_is_no_warning_and_one_that_lasts_is() {
    let health = |view: &GpusView| view.cards[0].health();
    let slow = GpuSample { throttled: [("hw_slowdown".to_owned(), true)].into(), ..card("GPU-1", 0) };
    let mut bench = Bench::new();
    assert_eq!(health(&bench.read(&[card("GPU-1", 0)])), Health::Ok);
    let view = bench.read(std::slice::from_ref(&slow));
    assert_eq!(health(&view), Health::Ok);
    assert_eq!(view.cards[0].notes[0].code, "throttled_hw_slowdown", "it is mentioned");
    assert_eq!(health(&bench.read(std::slice::from_ref(&slow))), Health::Warning);
    assert_eq!(health(&bench.read(&[card("GPU-1", 0)])), Health::Warning, "it does not come and go");
    bench.now += Duration::from_secs(20);
    assert_eq!(health(&bench.read(&[card("GPU-1", 0)])), Health::Warning);
    assert_eq!(health(&bench.read(&[card("GPU-1", 0)])), Health::Ok);
}

#[test]
fn lanes_that_were_there_are_missed_and_others_are_not() {
    let lanes = |width| {
        let mut card = GpuSample { utilization_ratio: Some(1.0), ..card("GPU-1", 0) };
        (card.pcie.width, card.pcie.width_max) = (Some(width), Some(16));
        card
    };
    let mut bench = Bench::new();
    let mut level = |width| {
        bench.read(&[lanes(width)]);
        bench.read(&[lanes(width)]).cards[0].notes.first().map(|note| note.level)
    };
    assert_eq!(level(8), Some(NoteLevel::Info), "the slot may have no more");
    assert_eq!(level(4), Some(NoteLevel::Warning));
}

#[test]
fn a_reload_forgets_no_card() {
    let mut bench = Bench::expecting(ExpectedGpus::Any);
    bench.read(&[card("GPU-1", 0)]);
    bench.gpus.plan(GpuPlan { backends: vec!["other"], ..GpuPlan::default() });
    assert!(bench.view().backends.is_empty(), "a backend that is used no more is not told");
    assert_eq!(told(&bench.view()), [("GPU-1", None)]);
    let view = bench.read_by("other", Ok(vec![card("GPU-1", 0)]));
    assert_eq!(told(&view), [("GPU-1", None)], "whoever reads it, it is the same card");
    assert_eq!(told(&bench.read_by("nvml", Ok(Vec::new()))), [("GPU-1", None)]);
}

#[test]
fn cards_stand_by_index_and_each_once() {
    let mut bench = Bench::new();
    let view = bench.read(&[card("GPU-b", 1), card("GPU-a", 0), card("GPU-b", 7), card("GPU-c", 10)]);
    let indices: Vec<_> = view.cards.iter().map(|card| card.told.index).collect();
    assert_eq!(indices, [Some(0), Some(1), Some(10)]);
}

#[test]
fn cards_without_number_take_no_memory_without_end() {
    let mut bench = Bench::new();
    for nth in 0..MOST_CARDS {
        bench.read(&[card(&format!("GPU-{nth:03}"), 0)]);
    }
    let view = bench.read(&[card("GPU-new", 0), card("GPU-255", 0)]);
    let uuids: Vec<&str> = view.cards.iter().map(|card| card.told.uuid.as_str()).collect();
    assert_eq!(uuids.len(), MOST_CARDS);
    assert!(uuids.contains(&"GPU-new") && uuids.contains(&"GPU-255") && !uuids.contains(&"GPU-000"));
    let all: Vec<_> = (0..=MOST_CARDS).map(|nth| card(&format!("GPU-{nth}"), nth as u32)).collect();
    assert_eq!(Bench::new().read(&all).cards.len(), MOST_CARDS, "one that answers gives no way");
}

#[test]
fn an_expected_card_is_missing_once_every_backend_was_read() {
    let uuids = ExpectedGpus::Uuids(vec!["GPU-1".into(), "GPU-9".into()]);
    let mut bench = Bench::expecting(uuids);
    assert_eq!((bench.view().expected, bench.view().missing), (Some(2), None));
    let view = bench.read(&[card("GPU-1", 0)]);
    assert_eq!(view.missing, None, "the other backend may find it yet");
    assert_eq!(told(&view), [("GPU-1", None)]);
    let view = bench.read_by("amdgpu", Err(("no_driver", "none".into())));
    assert_eq!(view.missing, Some(1));
    assert_eq!(told(&view), [("GPU-1", None), ("GPU-9", Some("missing"))]);
    let view = bench.read(&[card("GPU-9", 0)]);
    assert_eq!(told(&view), [("GPU-1", Some("gone")), ("GPU-9", None)]);
    assert_eq!(view.missing, Some(1), "another one is missing now");
}

#[test]
fn where_nothing_is_expected_nothing_is_missing() {
    let mut bench = Bench::expecting(ExpectedGpus::Any);
    bench.read(&[card("GPU-1", 0)]);
    let view = bench.read_by("amdgpu", Ok(Vec::new()));
    assert_eq!((view.expected, view.missing), (None, None));
}
