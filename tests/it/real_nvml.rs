//! NVIDIA's cards as their library tells of them: the real agent loads a fake library and is held to what the
//! scenario states, no more and no less.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::golden::assert_golden;
use crate::support::nvml::{Agent, Machine, scenario};
use crate::support::process::free_port;

const UP: &str = "opsagent_gpu_backend_up{backend=\"nvml\"} 1\n";
const DOWN: &str = "opsagent_gpu_backend_up{backend=\"nvml\"} 0\n";

const FIRST: &str = "GPU-11111111-0000-0000-0000-000000000000";
const SECOND: &str = "GPU-22222222-0000-0000-0000-000000000000";

/// The real time, as a person at the screen has it.
#[expect(clippy::disallowed_methods, reason = "see above")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// The backend among those of the view.
fn nvml(view: &Value) -> &Value {
    let backends = view["gpus"]["backends"].as_array().unwrap();
    backends.iter().find(|backend| backend["name"] == "nvml").unwrap()
}

/// The reason and the words with which the backend fails.
fn failure(agent: &Agent) -> (String, String) {
    let view: Value = serde_json::from_str(&agent.process.get("/api/v1/view")).unwrap();
    let backend = nvml(&view);
    let text = |key: &str| backend[key].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("error"))
}

fn of<'a>(told: &'a str, uuid: &str) -> Vec<&'a str> {
    told.lines().filter(|line| line.contains(&format!("gpu=\"{uuid}\""))).collect()
}

#[test]
#[ignore = "real parts: run tests/run"]
fn each_card_tells_what_its_driver_tells_and_nothing_else() {
    for name in [
        "a100-mig",
        "a100-mig-unprivileged",
        "b200",
        "gb10",
        "geforce",
        "geforce-4090",
        "h100-trouble",
        "h200-8",
        "jetson-orin",
        "jetson-thor",
        "jetson-zeros",
        "v100-retired",
        "vgpu",
        "wsl2",
    ] {
        let agent = Machine::new(&scenario(name)).start();
        assert_golden(&format!("nvml/{name}.txt"), &agent.until(UP));
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_driver_too_old_for_a_function_tells_the_rest() {
    let agent = Machine::new(&scenario("old-driver")).start();
    assert_golden("nvml/old-driver.txt", &agent.until(UP));
    assert_eq!(agent.asked("nvmlDeviceGetMemoryInfo_v2"), 0);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_library_of_a_driver_is_found_where_the_loader_looks() {
    let agent = Machine::new(&scenario("gb10")).by_the_loader().start();
    assert_golden("nvml/gb10.txt", &agent.until(UP));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_driver_that_cannot_be_opened_has_its_reason() {
    for (name, reason, remedy) in [
        ("driver-not-loaded", "driver_not_loaded", "load its kernel module"),
        ("driver-mismatch", "driver_mismatch", "restart the machine"),
        ("no-permission", "no_permission", "/dev/nvidia"),
    ] {
        let agent = Machine::new(&scenario(name)).start();
        assert_eq!(agent.until(DOWN), DOWN, "{name}: nothing but that");
        let (told, error) = failure(&agent);
        assert_eq!(told, reason);
        assert!(error.contains(remedy), "{error}");
        let counted = format!("opsagent_gpu_read_errors_total{{backend=\"nvml\",reason=\"{reason}\"}} ");
        let page = agent.process.get("/metrics");
        let count = page.lines().find_map(|line| line.strip_prefix(&counted)).unwrap();
        assert!(count.parse::<f64>().unwrap() >= 1.0, "{count}");
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_driver_that_is_loaded_later_is_found() {
    let agent = Machine::new(&scenario("driver-not-loaded")).start();
    agent.until(DOWN);
    agent.play(&scenario("gb10"));
    let told = agent.until(UP);
    assert_golden("nvml/gb10.txt", &told);
    assert!(agent.asked("nvmlInit_v2") >= 2);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_card_that_falls_off_the_bus_is_down_and_the_other_goes_on() {
    let agent = Machine::new(&scenario("h100-trouble")).start();
    agent.until(UP);
    agent.until_listening();
    agent.set_clock(10);
    agent.until(&format!("opsagent_gpu_up{{gpu=\"{SECOND}\"}} 0\n"));
    agent.until("xid=\"154\"} 1\n");
    let told = agent.until("sensor=\"die\"} 95\n"); // the first may have been read before the clock was set
    let lines = told.split_inclusive('\n').filter(|line| !line.contains("_timestamp_seconds{"));
    let told: String = lines.collect();
    assert_golden("nvml/h100-lost.txt", &told);
    // What it is, that it is down, why, its XID, and what was counted of it; nothing that is read.
    for line in of(&told, SECOND) {
        let stays = ["_info{", "_up{", "_total{", "memory_shared{"].iter().any(|part| line.contains(part));
        assert!(stays, "{line}");
    }
    assert!(of(&told, FIRST).len() > 8, "{told}");

    let mut reset = scenario("h100-trouble");
    reset["cards"][1]["lost_at"] = Value::Null;
    agent.play(&reset);
    let told = agent.until(&format!("opsagent_gpu_up{{gpu=\"{SECOND}\"}} 1\n"));
    assert!(
        told.contains(&format!("opsagent_gpu_temperature_celsius{{gpu=\"{SECOND}\",sensor=\"die\"}} 41"))
    );
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_card_lost_in_the_middle_of_a_read_does_not_become_another_card() {
    let mut lost = scenario("h100-trouble");
    let questions = ["UUID", "PciInfo_v3", "Name", "Temperature", "PowerUsage", "MemoryInfo_v2"];
    for question in questions.iter().chain(&["UtilizationRates", "EnforcedPowerLimit", "VbiosVersion"]) {
        lost["cards"][1]["calls"][format!("nvmlDeviceGet{question}")] = json!({"error": "GPU_IS_LOST"});
    }
    lost["cards"][1]["calls"]["nvmlDeviceGetTotalEnergyConsumption"] = json!({"error": "GPU_IS_LOST"});
    let agent = Machine::new(&scenario("h100-trouble")).start();
    agent.until(UP);
    agent.play(&lost);
    let told = agent.until(&format!("opsagent_gpu_up{{gpu=\"{SECOND}\"}} 0\n"));
    let cards: Vec<&str> = told.lines().filter(|line| line.starts_with("opsagent_gpu_up{")).collect();
    assert_eq!(cards.len(), 4, "{told}");
    assert!(!told.contains("index-"), "{told}");
}

#[test]
#[ignore = "real parts: run tests/run"]
fn with_every_card_lost_the_driver_is_down_with_the_reason_and_is_opened_anew() {
    let mut lost = scenario("gb10");
    lost["cards"][0]["lost_at"] = 5.into();
    let agent = Machine::new(&lost).start();
    agent.until(UP);
    agent.set_clock(5);
    let told = agent.until(DOWN);
    assert!(told.contains("reason=\"lost\"} 1\n"), "{told}");
    for reading in ["temperature", "power_watts", "utilization", "clock_hertz"] {
        assert!(!told.contains(reading), "nothing old is shown:\n{told}");
    }
    let (reason, error) = failure(&agent);
    assert_eq!(reason, "gpu_lost");
    assert!(error.contains("fell off the bus"), "{error}");
    let before = agent.asked("nvmlInit_v2");
    agent.set_clock(0);
    assert_golden("nvml/gb10.txt", &agent.until(UP));
    assert!(agent.asked("nvmlInit_v2") > before);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn cards_in_another_order_keep_their_series() {
    let mut machine = scenario("h100-trouble");
    let agent = Machine::new(&machine).start();
    let before = agent.until(UP);
    let cards = machine["cards"].as_array_mut().unwrap();
    cards.swap(0, 1);
    agent.play(&machine);
    let after = agent.until(&format!("opsagent_gpu_info{{gpu=\"{SECOND}\",index=\"0\""));
    let readings = |told: &str, uuid| -> Vec<String> {
        let lines = of(told, uuid).into_iter().filter(|line| !line.starts_with("opsagent_gpu_info"));
        lines.map(str::to_owned).collect()
    };
    for uuid in [FIRST, SECOND] {
        assert!(readings(&before, uuid).len() > 8, "{before}");
        assert_eq!(readings(&before, uuid), readings(&after, uuid));
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_driver_that_hangs_is_told_and_holds_nothing_up() {
    let target = format!(
        "every = \"1s\"\n[[target]]\nname = \"nobody\"\nkind = \"openai\"\nurl = \"http://127.0.0.1:{}\"\n",
        free_port()
    );
    let mut agent = Machine::new(&scenario("hang")).with(&target).start();
    let polls = |agent: &Agent| -> f64 {
        let page = agent.process.get("/metrics");
        let count =
            page.lines().find_map(|line| line.strip_prefix("opsagent_polls_total{target=\"nobody\"} "));
        count.unwrap().parse().unwrap()
    };
    let before = polls(&agent);
    let mut slowest = Duration::ZERO;
    let (told, _) = timed(|| {
        loop {
            let (told, took) = timed(|| agent.gpus());
            slowest = slowest.max(took);
            if told.contains(DOWN) {
                return told;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(slowest < Duration::from_secs(1), "a scrape took {slowest:?}");
    assert_eq!(told, DOWN, "nothing is known of the card");
    assert_eq!(failure(&agent).0, "timeout");
    assert!(polls(&agent) >= before + 5.0, "the servers are polled all the while");
    assert_eq!(agent.asked("nvmlDeviceGetPowerUsage"), 1, "it is not asked again while it owes an answer");
    let ((), took) = timed(|| agent.process.stop());
    assert!(took < Duration::from_secs(3), "the end waits {took:?} for a driver");
}

#[test]
#[ignore = "real parts: run tests/run"]
fn status_beside_no_agent_waits_no_longer_for_a_driver_than_it_was_told() {
    let machine = Machine::new(&scenario("hang"));
    let (config, env) = machine.prepare(free_port());
    let mut status = Command::new(env!("CARGO_BIN_EXE_opsagent"));
    status.args(["status", "--json", "--timeout", "2s", "--config", &config]).envs(env);
    let (output, took) = timed(|| status.output().unwrap());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(nvml(&view)["reason"], "timeout", "{view}");
}

#[test]
#[ignore = "real parts: run tests/run"]
fn what_the_config_expects_is_told_from_the_start_and_after_a_reload() {
    let never = "GPU-99999999-0000-0000-0000-000000000000";
    let expected = format!("expected = [\"{SECOND}\", \"{never}\"]\nnext_model = \"40GiB\"\n");
    let agent = Machine::new(&scenario("h100-trouble")).with_gpu(&expected).start();
    agent.until("opsagent_gpus_missing 1\n");
    let page = agent.process.get("/metrics");
    assert!(page.contains("\nopsagent_gpus_expected 2\n"), "{page}");
    assert!(page.contains(&format!("\nopsagent_gpu_up{{gpu=\"{never}\"}} 0\n")), "{page}");
    let view: Value = serde_json::from_str(&agent.process.get("/api/v1/view")).unwrap();
    assert_eq!(view["gpus"]["next_model"]["bytes"], 40_u64 << 30, "{}", view["gpus"]["next_model"]);
    // The second card falls off the bus at some second of the scenario.
    agent.set_clock(60);
    agent.until("opsagent_gpus_missing 2\n");
    let path = agent.process.folder().join("opsagent.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace(&expected, "expected = 3\n")).unwrap();
    agent.process.hang_up();
    agent.until("opsagent_gpus_expected 3\n");
    agent.until("opsagent_gpus_missing 0\n");
}
