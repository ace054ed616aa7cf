//! The processes on cards, with what is told of each.

use std::process::Command;
use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::poll::Whose;
use opsagent::sample::{GpuProcess, GpuSample, ProcessKind};
use opsagent::servers::Target;

use crate::support::eye;

use super::{Owners, Paper, VLLM};

fn fleet(url: &str) -> Fleet {
    let fleet = Fleet::new(eye::agent(), 10);
    fleet.add(&Target::new("engine", url.parse().unwrap()), false);
    fleet
}

fn machine() -> Paper {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    paper.process(101, 100, "VLLM::EngineCore");
    paper.process(300, 1, "blender|secret.blend");
    paper
}

/// A card with these processes, as a driver tells of them.
fn card(pids: &[u32]) -> GpuSample {
    let process = |pid: &u32| GpuProcess {
        pid: *pid,
        kind: ProcessKind::Compute,
        memory_bytes: Some(1 << 30),
        utilization_ratio: None,
        gpu_instance: None,
        name: None,
        target: None,
    };
    let processes = Some(pids.iter().map(process).collect());
    GpuSample { uuid: "GPU-1".into(), vendor: "nvidia".into(), processes, ..GpuSample::default() }
}

/// Name and target of each process.
fn told(card: &GpuSample) -> Vec<(Option<&str>, Option<&str>)> {
    let processes = card.processes.as_deref().unwrap_or_default();
    processes.iter().map(|process| (process.name.as_deref(), process.target.as_deref())).collect()
}

#[tokio::test]
async fn each_process_of_each_card_is_told_its_name_and_target() {
    let (paper, fleet) = (machine(), fleet("http://localhost:8000"));
    let mut whose = Whose::by(Owners::new(paper.machine()));
    let mut cards = [card(&[101, 300]), card(&[101, 999]), GpuSample::default()];
    whose.join(&fleet, &mut cards).await;
    let engine = (Some("VLLM::EngineCore"), Some("engine"));
    assert_eq!(told(&cards[0]), [engine, (Some("blender"), None)]);
    assert_eq!(told(&cards[1]), [engine, (None, None)], "one is gone");
    assert_eq!(cards[2], GpuSample::default());
}

#[tokio::test]
async fn in_a_container_of_its_own_the_reason_is_told_instead() {
    let (paper, fleet) = (machine(), fleet("http://127.0.0.1:8000"));
    paper.namespace(2, "pid", 4_026_532_999);
    let mut cards = [card(&[101])];
    Whose::by(Owners::new(paper.machine())).join(&fleet, &mut cards).await;
    assert_eq!(told(&cards[0]), [(None, None)]);
    assert_eq!(cards[0].untold.get("process_targets").map(String::as_str), Some("container"));
}

#[tokio::test]
async fn a_process_that_cannot_be_looked_at_holds_nothing_up_and_what_was_known_holds() {
    let (paper, fleet) = (machine(), fleet("http://127.0.0.1:8000"));
    let limit = Duration::from_millis(300);
    let mut whose = Whose::by(Owners::new(paper.machine())).within(limit);
    let mut cards = [card(&[101])];
    whose.join(&fleet, &mut cards).await;
    assert_eq!(told(&cards[0])[0].1, Some("engine"));
    // A read of its arguments waits for ever, as where its memory is locked.
    let stuck = paper.file("300/cmdline");
    std::fs::remove_file(&stuck).unwrap();
    assert!(Command::new("mkfifo").arg(&stuck).status().unwrap().success());
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        let mut cards = [card(&[101, 300])];
        whose.join(&fleet, &mut cards).await;
        assert_eq!(told(&cards[0]), [(Some("VLLM::EngineCore"), Some("engine")), (None, None)]);
    }
    assert!(start.elapsed() < limit * 3, "only the first waits: {:?}", start.elapsed());
    std::fs::write(&stuck, "blender\0").unwrap(); // it goes on
    for _ in 0..100 {
        let mut cards = [card(&[101, 300])];
        whose.join(&fleet, &mut cards).await;
        if told(&cards[0])[1].0 == Some("blender") {
            return;
        }
        std::fs::remove_file(&stuck).ok();
        std::fs::write(&stuck, "blender\0").unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it can be looked at again, and is not");
}
