//! Through every scenario of a driver: whatever it does, the page is one that Prometheus takes, the JSON is one
//! that the command line reads, and the table fits a terminal.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use crate::support::golden;
use crate::support::nvml::{Agent, Machine, scenario};
use crate::support::promtool;

/// Scenarios whose driver cannot be opened, or hangs at once: nothing of a card is told.
const SILENT: [&str; 4] = ["driver-mismatch", "driver-not-loaded", "hang", "no-permission"];

/// Seconds of a scenario at which it is looked at: its beginning, its middle and after its last event.
const SECONDS: [u32; 3] = [0, 12, 60];

fn names() -> BTreeSet<String> {
    let folder = golden::file("tests/fake-nvml/scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// `opsagent status` in a terminal of 80 columns.
fn status(agent: &Agent) -> (i32, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_opsagent"))
        .args(["status", &agent.process.url()])
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    (done.status.code().expect("it ends by itself"), said)
}

#[test]
#[ignore = "real parts: run tests/run"]
fn through_every_scenario_the_page_is_clean_and_the_table_fits() {
    let names = names();
    assert!(names.len() > 15, "the scenarios are found: {names:?}");
    let names: Vec<&String> = names.iter().collect();
    // They mostly wait for the next read; four at once wait together.
    std::thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(4)) {
            scope.spawn(move || part.iter().for_each(|name| look(name)));
        }
    });
}

fn look(name: &str) {
    let agent = Machine::new(&scenario(name)).start();
    for second in SECONDS {
        agent.set_clock(second);
        let reads = agent.asked("nvmlDeviceGetCount_v2");
        // So that what is looked at was read at that second.
        for _ in 0..100 {
            if agent.asked("nvmlDeviceGetCount_v2") > reads + 1 || SILENT.contains(&name) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        promtool::lint(&agent.process.get("/metrics"));
        let (code, said) = status(&agent);
        assert!((1..=3).contains(&code), "{name} at {second} s: no target, and yet {code}\n{said}");
        let wide = said.lines().find(|line| line.width() > 80);
        assert_eq!(wide, None, "{name} at {second} s");
    }
}

#[test]
fn every_scenario_that_tells_of_cards_has_its_golden_page() {
    for name in names().iter().filter(|name| !SILENT.contains(&name.as_str())) {
        for kind in ["txt", "json"] {
            let path = golden::file("tests/golden/nvml").join(format!("{name}.{kind}"));
            // A list of eight like cards adds nothing to the page of them.
            assert!(path.exists() || (name == "h200-8" && kind == "json"), "{} is missing", path.display());
        }
    }
}
