//! A server that tells memory on GPUs which its processes do not hold: seen by two polls, told as a note.

use std::time::Duration;

use opsagent::fleet::{Fleet, News};
use opsagent::sample::{ChildSample, GpuProcess, GpuSample, ModelSample, ProcessKind, ServerSample};
use opsagent::servers::Target;
use opsagent::view::{Health, TargetView};

use crate::support::eye;

const EVERY: Duration = Duration::from_secs(5);
const GIB: u64 = 1 << 30;

fn fleet() -> Fleet {
    let fleet = Fleet::new(eye::agent(), 10);
    fleet.add(&Target::new("ollama", "http://127.0.0.1:11434".parse().unwrap()), false);
    fleet
}

fn target(fleet: &Fleet) -> TargetView {
    fleet.view().targets.remove(0)
}

/// A poll that tells 4 GiB on GPUs.
fn poll(fleet: &Fleet) -> News {
    let child = ChildSample { pid: Some(7), up: true, metrics: None };
    let model = ModelSample {
        name: "smol".into(),
        loaded: Some(true),
        vram_bytes: Some(4 * GIB),
        child: Some(child),
        ..ModelSample::default()
    };
    let sample = ServerSample { kind: "ollama", models: vec![model], ..ServerSample::default() };
    fleet.record_poll("ollama", Ok(sample), Duration::ZERO)
}

/// A read of one card on which the model's process holds that much.
fn read(fleet: &Fleet, held: u64) {
    let process = GpuProcess {
        pid: 7,
        kind: ProcessKind::Compute,
        memory_bytes: Some(held),
        utilization_ratio: None,
        gpu_instance: None,
        name: None,
        target: Some("ollama".into()),
    };
    let card = GpuSample {
        uuid: "GPU-1".into(),
        memory_used_bytes: Some(held),
        processes: Some(vec![process]),
        ..GpuSample::default()
    };
    fleet.record_gpus("nvml", Ok(vec![card]), Duration::ZERO, EVERY);
}

#[tokio::test(start_paused = true)]
async fn what_two_polls_saw_is_told_on_the_target_logged_once_and_over_when_it_is_over() {
    let fleet = fleet();
    let beat = || tokio::time::advance(EVERY);
    read(&fleet, GIB);
    assert!(poll(&fleet).warnings.is_empty());
    assert_eq!(target(&fleet).health(), Health::Ok, "one poll may have met a load");
    beat().await;
    read(&fleet, GIB);
    let news = poll(&fleet).warnings;
    assert_eq!(news.len(), 1, "{news:?}");
    let seen = target(&fleet);
    assert_eq!(seen.health(), Health::Warning);
    assert_eq!(seen.notes[0].code, "vram_mismatch");
    assert_eq!(
        seen.notes[0].text,
        "smol: the server tells 4.0 GiB on GPUs, but its process 7 holds 1.0 GiB there"
    );
    assert!(seen.notes[0].remedy.as_deref().unwrap().contains("offloaded"));
    beat().await;
    read(&fleet, GIB);
    assert!(poll(&fleet).warnings.is_empty(), "it is not news again");
    beat().await;
    read(&fleet, 5 * GIB);
    poll(&fleet);
    assert!(target(&fleet).notes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_any_gpu_needs_no_read_of_one() {
    let fleet = fleet();
    let none = || Err(("no_driver", "no NVIDIA driver on this machine".to_owned()));
    fleet.record_gpus("nvml", none(), Duration::ZERO, EVERY);
    let two_polls = || {
        poll(&fleet);
        poll(&fleet);
        target(&fleet).notes
    };
    assert!(two_polls().is_empty(), "whether there is one is not known");
    fleet.record_devices(true, Vec::new());
    assert!(two_polls().is_empty(), "there is one that no backend reads");
    fleet.record_devices(false, Vec::new());
    let notes = two_polls();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.contains("this machine has none"), "{}", notes[0].text);
    fleet.record_gpus("nvml", Err(("timeout", String::new())), Duration::ZERO, EVERY);
    assert!(two_polls().is_empty(), "a driver that does not answer has a card");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_too_old_judges_nobody() {
    let fleet = fleet();
    for _ in 0..2 {
        read(&fleet, GIB);
        tokio::time::advance(EVERY * 4).await;
        poll(&fleet);
    }
    assert!(target(&fleet).notes.is_empty());
}
