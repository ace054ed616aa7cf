//! The whole story of a card, as NVIDIA's library tells it to the real agent: every reading, the reason for each
//! that is missing, and what it costs to ask.

use opsagent::sample::GpuSample;
use opsagent::view::View;
use serde_json::{Value, json};

use crate::support::golden::assert_golden;
use crate::support::nvml::{Agent, Machine, scenario};

const UP: &str = "opsagent_gpu_backend_up{backend=\"nvml\"} 1\n";

/// The cards as the JSON has them, without what differs from read to read and what this machine's process table
/// says of the scenario's ids.
fn cards(agent: &Agent) -> Vec<GpuSample> {
    let view: View = serde_json::from_str(&agent.process.get("/api/v1/view")).unwrap();
    let cards = view.gpus.cards.into_iter().map(|card| {
        let mut told = card.told;
        told.read_seconds = None;
        for process in told.processes.iter_mut().flatten() {
            (process.name, process.target) = (None, None);
        }
        told
    });
    let mut cards: Vec<GpuSample> = cards.collect();
    // The view has those that are ill first, or last.
    cards.sort_by_key(|card| card.index);
    cards
}

/// The cards once that is so.
fn until(agent: &Agent, holds: impl Fn(&[GpuSample]) -> bool) -> Vec<GpuSample> {
    for _ in 0..1500 {
        let told = cards(agent);
        if holds(&told) {
            return told;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{:#?}\nits log:\n{}", cards(agent), agent.process.log());
}

/// That scenario with its first card alone, whose calls have these fates.
fn alone(name: &str, calls: Value) -> Value {
    let mut machine = scenario(name);
    machine["cards"].as_array_mut().unwrap().truncate(1);
    machine["cards"][0]["calls"] = calls;
    machine
}

#[test]
#[ignore = "real parts: run tests/run"]
fn each_reading_of_each_card_is_told_or_has_its_reason() {
    for name in [
        "a100-mig",
        "a100-mig-unprivileged",
        "b200",
        "gb10",
        "geforce",
        "geforce-4090",
        "h100-trouble",
        "jetson-orin",
        "jetson-thor",
        "jetson-zeros",
        "old-driver",
        "v100-retired",
        "vgpu",
        "wsl2",
    ] {
        let agent = Machine::new(&scenario(name)).start();
        agent.until(UP);
        let story = serde_json::to_string_pretty(&cards(&agent)).unwrap();
        assert_golden(&format!("nvml/{name}.json"), &(story + "\n"));
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn trouble_is_told_as_it_comes() {
    let agent = Machine::new(&scenario("h100-trouble")).start();
    agent.until(UP);
    agent.set_clock(10);
    let told = until(&agent, |cards| {
        let told = |holds: fn(&GpuSample) -> bool| cards.iter().any(holds);
        // The two may have been read before the clock was set.
        told(|card| card.fault.is_some())
            && told(|card| card.throttled.get("hw_thermal") == Some(&true))
            && told(|card| card.row_remap_pending == Some(true))
    });
    let story = serde_json::to_string_pretty(&told).unwrap();
    assert_golden("nvml/h100-lost.json", &(story + "\n"));
}

/// What a poll of one card asks, once it is known what does not change.
fn questions(agent: &Agent) -> Vec<String> {
    const FIRST: &str = "nvmlDeviceGetHandleByIndex_v2";
    while agent.asked("nvmlDeviceGetCount_v2") < 8 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let trace = std::fs::read_to_string(agent.process.folder().join("trace")).unwrap();
    let calls = trace.lines().filter(|call| !call.starts_with("nvmlEventSet"));
    let calls: Vec<&str> = calls.collect();
    let mut polls = calls.split(|call| *call == "nvmlDeviceGetCount_v2").rev().skip(1);
    let poll = polls.find(|poll| poll.first() == Some(&FIRST) && poll.contains(&"nvmlDeviceGetPowerUsage"));
    poll.unwrap().iter().map(|call| (*call).to_owned()).collect()
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_poll_asks_a_card_some_forty_questions_and_none_that_is_dear() {
    for (name, most) in [("geforce", 40), ("h100-trouble", 40), ("old-driver", 48), ("a100-mig", 64)] {
        let agent = Machine::new(&alone(name, json!({}))).start();
        let asked = questions(&agent);
        assert!(asked.len() <= most, "{name}: {} questions: {asked:#?}", asked.len());
        // It measures for 20 ms each way; lists of pages are long; what stands still is remembered.
        for dear in
            ["PcieThroughput", "RetiredPages", "Name", "VbiosVersion", "MaxClockInfo", "TemperatureThreshold"]
        {
            assert!(!asked.contains(&format!("nvmlDeviceGet{dear}")) || name == "a100-mig" && dear == "Name");
        }
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_library_that_has_next_to_nothing_still_tells_which_card_there_is() {
    let machine = alone("geforce", json!({}));
    let agent = Machine::new(&machine).start();
    agent.until(UP);
    let trace = std::fs::read_to_string(agent.process.folder().join("trace")).unwrap();
    let needed = ["Init_v2", "Shutdown", "DeviceGetCount_v2", "DeviceGetHandleByIndex_v2", "DeviceGetUUID"];
    let mut asked: Vec<&str> = trace.lines().collect();
    asked.sort_unstable();
    asked.dedup();
    // Those that are asked only where a newer one is missing are missing, too.
    asked.extend(["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetCurrentClocksThrottleReasons"]);
    asked.extend(["nvmlDeviceGetViolationStatus", "nvmlDeviceGetPcieReplayCounter"]);
    for kind in ["Compute", "Graphics", "MPSCompute"] {
        asked.push(["nvmlDeviceGet", kind, "RunningProcesses"].concat().leak());
        asked.push(["nvmlDeviceGet", kind, "RunningProcesses_v2"].concat().leak());
    }
    asked.retain(|function| !needed.iter().any(|needed| *function == format!("nvml{needed}")));
    assert!(asked.len() > 30, "{asked:?}");
    drop(agent);

    let agent = Machine::new(&machine).without(&asked).start();
    agent.until(UP);
    let told = cards(&agent).remove(0);
    let known = GpuSample {
        uuid: "GPU-5090aaaa-0000-0000-0000-000000000001".into(),
        index: Some(0),
        vendor: "nvidia".into(),
        untold: told.untold.clone(),
        ..GpuSample::default()
    };
    assert_eq!(told, known);
    assert!(told.untold.len() > 40);
    let other: Vec<_> = told.untold.iter().filter(|untold| untold.1 != "old_driver").collect();
    // What follows from having no NVLink.
    assert_eq!(other, [(&"fabric_state".to_owned(), &"not_supported".to_owned())]);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn longer_entries_in_the_lists_of_processes_are_read_as_they_are() {
    let mut machine = scenario("geforce-4090");
    let processes = |machine: &Value| {
        let agent = Machine::new(machine).start();
        agent.until(UP);
        cards(&agent).remove(0).processes.unwrap()
    };
    let short = processes(&machine);
    assert_eq!(short.len(), 3);
    machine["long_processes"] = true.into();
    assert_eq!(processes(&machine), short);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_card_that_needs_a_reset_says_so_and_keeps_its_name() {
    let mut machine = scenario("geforce");
    let agent = Machine::new(&machine).start();
    agent.until(UP);
    machine["cards"][1]["calls"] = json!({"nvmlDeviceGetUtilizationRates": {"error": "RESET_REQUIRED"}});
    agent.play(&machine);
    let told = until(&agent, |cards| cards.len() == 2 && cards.iter().any(|card| card.fault.is_some()));
    let ill = told.iter().find(|card| card.fault.is_some()).unwrap();
    assert_eq!(ill.name.as_deref(), Some("NVIDIA GeForce RTX 3060 Laptop GPU"));
    let fault = ill.fault.as_ref().unwrap();
    assert_eq!(fault.reason, "reset_required");
    assert!(fault.error.contains("nvidia-smi --gpu-reset"), "{}", fault.error);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_drivers_events_are_heard_also_after_a_card_was_lost_and_came_back() {
    let (lost, other) =
        ("GPU-22222222-0000-0000-0000-000000000000", "GPU-33333333-0000-0000-0000-000000000000");
    let mut machine = scenario("h100-trouble");
    machine["cards"][1]["lost_at"] = 0.into();
    machine["cards"][1]["xid"] = json!([[20, 31]]);
    let agent = Machine::new(&machine).start();
    let count = |gpu: &str, xid: u32| {
        agent.until(&format!("opsagent_gpu_xid_errors_total{{gpu=\"{gpu}\",xid=\"{xid}\"}} 1\n"));
    };
    agent.until(UP);
    let sets = |many| {
        while agent.asked("nvmlEventSetCreate") < many {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    agent.until_listening();
    agent.set_clock(6);
    for xid in [48, 63, 94, 154] {
        count(other, xid);
    }
    machine["cards"][1]["lost_at"] = Value::Null;
    agent.play(&machine);
    agent.until(&format!("opsagent_gpu_up{{gpu=\"{lost}\"}} 1\n"));
    sets(2);
    agent.set_clock(20);
    count(lost, 31);
}

/// `opsagent status` of that agent, without what this machine and its clock have a part in.
fn status(agent: &Agent) -> (i32, String) {
    let url = agent.process.url();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_opsagent"));
    let output = command.args(["status", url.trim_end_matches('/')]).env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The host's rows are those of this machine, and so are the names of programs that have the scenario's ids.
    let of_gpus = text.split("\nhost").next().unwrap().trim_end();
    let lines = of_gpus.lines().map(|line| match line.split_once(" GiB (") {
        Some((before, after)) if line.starts_with("  used by ") => {
            format!("{before} GiB{}\n", after.split_once(')').map_or("", |(_, rest)| rest))
        }
        _ => format!("{line}\n"),
    });
    let told: String = lines.collect();
    let told = match told
        .split_once("(last seen ")
        .and_then(|(before, rest)| Some((before, rest.split_once(" ago")?.1)))
    {
        Some((before, after)) => format!("{before}(last seen N s ago{after}"),
        None => told,
    };
    (output.status.code().unwrap(), told)
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_person_who_reads_the_status_knows_which_card_is_ill_and_why() {
    let agent = Machine::new(&scenario("h100-trouble")).start();
    agent.until(UP);
    let before = status(&agent).1;
    assert!(!before.contains("fell off the bus"), "{before}");
    agent.set_clock(10);
    agent.until("opsagent_gpu_up{gpu=\"GPU-22222222-0000-0000-0000-000000000000\"} 0\n");
    agent.until("sensor=\"die\"} 95\n");
    // A slowdown is a warning once two reads showed it.
    let reads = agent.asked("nvmlDeviceGetCount_v2");
    while agent.asked("nvmlDeviceGetCount_v2") < reads + 3 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (code, told) = status(&agent);
    assert_eq!(code, 2, "{told}");
    assert!(told.starts_with("CRITICAL: GPU 1 (H100 80GB HBM3) fell off the bus"), "{told}");
    assert_golden("nvml/h100-trouble.status.txt", &told);
}
