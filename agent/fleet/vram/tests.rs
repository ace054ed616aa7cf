use super::*;
use crate::sample::{CardFault, GpuProcess, ProcessKind};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn model(vram: u64, child: Option<u32>) -> ModelSample {
    let child = child.map(|pid| ChildSample { pid: Some(pid), up: true, metrics: None });
    ModelSample {
        name: "smol".into(),
        loaded: Some(true),
        vram_bytes: Some(vram),
        child,
        ..ModelSample::default()
    }
}

fn sample(models: Vec<ModelSample>) -> ServerSample {
    ServerSample { kind: "ollama", models, ..ServerSample::default() }
}

/// A card whose memory is used by these processes, and by nobody else.
fn card(processes: &[(u32, Option<&str>, u64)]) -> GpuSample {
    let listed = processes.iter().map(|(pid, target, bytes)| GpuProcess {
        pid: *pid,
        kind: ProcessKind::Compute,
        memory_bytes: Some(*bytes),
        utilization_ratio: None,
        gpu_instance: None,
        name: None,
        target: target.map(str::to_owned),
    });
    GpuSample {
        processes: Some(listed.collect()),
        memory_used_bytes: Some(processes.iter().map(|(_, _, bytes)| bytes).sum()),
        ..GpuSample::default()
    }
}

fn told(sample: &ServerSample, cards: &[GpuSample]) -> Vec<String> {
    let cards: Vec<&GpuSample> = cards.iter().collect();
    let notes = mismatches("ollama", sample, Seen { cards: &cards, ..Seen::default() });
    notes.into_iter().map(|note| note.text).collect()
}

fn one(vram: u64, held: u64) -> Vec<String> {
    told(&sample(vec![model(vram, Some(7))]), &[card(&[(7, Some("ollama"), held)])])
}

#[test]
fn a_process_that_holds_what_is_told_and_its_context_is_well() {
    for (vram, held) in [(4 * GIB, 4 * GIB + 400 * MIB), (4 * GIB, 4 * GIB), (0, 0), (0, 500 * MIB)] {
        assert_eq!(one(vram, held), Vec::<String>::new(), "{vram} {held}");
    }
}

#[test]
fn less_than_four_fifths_of_what_is_told_is_a_mismatch() {
    assert_eq!(one(10 * GIB, 8 * GIB), Vec::<String>::new());
    assert_eq!(
        one(10 * GIB, 8 * GIB - MIB),
        ["smol: the server tells 10.0 GiB on GPUs, but its process 7 holds 8.0 GiB there"]
    );
    assert_eq!(
        told(&sample(vec![model(200 * MIB, Some(7))]), &[card(&[(8, None, GIB)])]),
        ["smol: the server tells 200 MiB on GPUs, but its process 7 holds 0 MiB there"]
    );
}

#[test]
fn more_than_a_context_where_nothing_is_told_is_a_mismatch_on_each_card_for_itself() {
    assert_eq!(one(0, GIB), Vec::<String>::new());
    assert_eq!(
        one(0, GIB + MIB),
        ["smol: the server tells that nothing is on GPUs, but its process 7 holds 1.0 GiB there"]
    );
    let contexts = [card(&[(7, None, 600 * MIB)]), card(&[(7, None, 600 * MIB)])];
    assert_eq!(told(&sample(vec![model(0, Some(7))]), &contexts), Vec::<String>::new());
}

#[test]
fn a_model_over_two_cards_is_summed_up_and_one_that_draws_too_counts_once() {
    let halves = [card(&[(7, None, 5 * GIB)]), card(&[(7, None, 5 * GIB)])];
    assert_eq!(told(&sample(vec![model(10 * GIB, Some(7))]), &halves), Vec::<String>::new());
    let mut both = card(&[(7, None, 5 * GIB), (7, None, 5 * GIB)]);
    both.memory_used_bytes = Some(5 * GIB);
    assert_eq!(told(&sample(vec![model(10 * GIB, Some(7))]), &[both]).len(), 1);
}

#[test]
fn a_machine_that_has_no_gpu_for_certain_holds_nothing() {
    let seen = Seen { none: true, ..Seen::default() };
    let notes = mismatches("ollama", &sample(vec![model(270 * MIB, Some(7))]), seen);
    assert_eq!(notes[0].text, "smol: the server tells 270 MiB on GPUs, but this machine has none");
    assert_eq!(notes[0].code, "vram_mismatch");
    assert!(mismatches("ollama", &sample(vec![model(0, Some(7))]), seen).is_empty());
    // A server that is not known to be on this machine may have GPUs.
    assert!(mismatches("ollama", &sample(vec![model(GIB, None)]), seen).is_empty());
    // Not certain: a driver that cannot be read.
    assert_eq!(told(&sample(vec![model(GIB, Some(7))]), &[]), Vec::<String>::new());
}

#[test]
fn nothing_is_said_where_a_card_does_not_tell_all() {
    let bad = sample(vec![model(10 * GIB, Some(7))]);
    let good = card(&[(8, None, GIB)]);
    assert_eq!(told(&bad, std::slice::from_ref(&good)).len(), 1);
    let lists_nothing = GpuSample { processes: None, ..good.clone() };
    let hides = GpuSample { memory_used_bytes: Some(9 * GIB), ..good.clone() };
    let of_the_machine = GpuSample { shared_memory: Some(true), ..good.clone() };
    let no_total = GpuSample { memory_used_bytes: None, ..good.clone() };
    let lost = GpuSample::default().silent(CardFault { reason: "lost".into(), error: String::new() });
    for other in [lists_nothing, hides, of_the_machine, no_total, lost] {
        assert_eq!(told(&bad, &[good.clone(), other]), Vec::<String>::new());
    }
}

#[test]
fn nothing_is_said_in_a_container_where_a_driver_tells_the_hosts_process_ids() {
    let strange = |mut card: GpuSample| {
        card.untold.insert("process_targets".into(), "container".into());
        card
    };
    let loaded = sample(vec![model(10 * GIB, Some(7))]);
    assert_eq!(told(&loaded, &[card(&[(4711, None, 11 * GIB)])]).len(), 1, "the ids are the machine's own");
    assert!(told(&loaded, &[strange(card(&[(4711, None, 11 * GIB)]))]).is_empty());
    let on_cpu = sample(vec![model(0, Some(7))]);
    assert!(told(&on_cpu, &[strange(card(&[(7, None, 5 * GIB)]))]).is_empty(), "another process of that id");
}

#[test]
fn nothing_is_said_while_a_model_is_being_loaded_or_its_process_is_dead() {
    let cards = [card(&[(8, None, GIB)])];
    let loading = ModelSample { state: Some(ServerState::Loading), ..ModelSample::default() };
    assert!(told(&sample(vec![model(10 * GIB, Some(7)), loading]), &cards).is_empty());
    let dead = ModelSample { child: Some(ChildSample::default()), ..model(10 * GIB, None) };
    assert!(told(&sample(vec![dead]), &cards).is_empty());
}

#[test]
fn models_whose_processes_are_not_known_are_judged_together() {
    let two = sample(vec![model(6 * GIB, None), model(4 * GIB, None)]);
    let with = |held: u64| told(&two, &[card(&[(7, Some("ollama"), held), (8, None, 20 * GIB)])]);
    assert!(with(8 * GIB).is_empty());
    assert_eq!(with(7 * GIB), ["the server tells 10.0 GiB on GPUs, but its processes hold 7.0 GiB there"]);
    // No process of it on any card: it may be on another machine.
    assert!(told(&two, &[card(&[(8, None, 20 * GIB)])]).is_empty());
    // One of them does not tell.
    let untold = ModelSample { vram_bytes: None, ..model(0, None) };
    assert!(
        told(&sample(vec![model(10 * GIB, None), untold]), &[card(&[(7, Some("ollama"), GIB)])]).is_empty()
    );
    // An orphan's memory is no model's.
    let orphaned = ServerSample { orphans: Some(1), ..sample(vec![model(0, None)]) };
    assert!(told(&orphaned, &[card(&[(7, Some("ollama"), 5 * GIB)])]).is_empty());
}

#[test]
fn it_is_certain_when_two_polls_and_two_reads_saw_it_and_over_with_the_first_that_does_not() {
    let (bad, well) = (sample(vec![model(10 * GIB, Some(7))]), sample(vec![model(0, Some(7))]));
    let other = card(&[(8, None, GIB)]);
    let cards = [&other];
    let start = Instant::now();
    let read = |nth: u64| Seen {
        cards: &cards,
        none: false,
        read_at: Some(start + std::time::Duration::from_secs(nth)),
    };
    let mut watch = Watch::default();
    watch.take("ollama", Some(&bad), read(0));
    assert!(watch.notes().is_empty());
    watch.take("ollama", Some(&bad), read(0));
    assert!(watch.notes().is_empty(), "the model was loaded after that read");
    watch.take("ollama", Some(&bad), read(1));
    assert_eq!(watch.notes().len(), 1);
    watch.take("ollama", Some(&well), read(2));
    assert!(watch.notes().is_empty());
    watch.take("ollama", Some(&bad), read(3));
    watch.take("ollama", None, read(4));
    watch.take("ollama", Some(&bad), read(5));
    assert!(watch.notes().is_empty(), "not one after the other");
}
