//! XIDs in the whole agent: from a driver's library and from the kernel's log at once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::nvml::{Agent, Machine};

const GPU: &str = "GPU-33333333-0000-0000-0000-000000000000";

/// One card that falls off the bus in the fifth second, and whose driver says so or not.
fn falls(xids: &Value) -> Value {
    json!({ "driver": "570.86.15", "cards": [{
        "uuid": GPU, "name": "NVIDIA L4", "pci": "00000000:3B:00.0", "temperature": 40, "event_types": 8, "xid": xids,
    }]})
}

fn series(xid: u32) -> String {
    format!("opsagent_gpu_xid_errors_total{{gpu=\"{GPU}\",xid=\"{xid}\"}} ")
}

/// The count on the page, once it is there.
fn count(agent: &Agent, xid: u32) -> String {
    for _ in 0..1500 {
        let page = agent.process.get("/metrics");
        if let Some(count) = page.lines().find_map(|line| line.strip_prefix(&series(xid))) {
            return count.to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no count of {xid}; the agent's log:\n{}", agent.process.log());
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_kernels_log_alone_tells_of_a_card_at_its_place() {
    let agent = Machine::new(&falls(&json!([]))).with_kernel_log().start();
    assert_eq!(count(&agent, 79), "0", "there from the start, so that a first one is an increase");
    agent.kernel_says(
        "Nov 22 12:00:01 box kernel: NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
    );
    agent.until(&format!("{}1\n", series(79)));
    agent.until(&format!("opsagent_gpu_last_xid_timestamp_seconds{{gpu=\"{GPU}\",xid=\"79\"}} "));
    assert!(agent.process.log().contains("card has fallen off the bus"), "{}", agent.process.log());
}

#[test]
#[ignore = "real parts: run tests/run"]
fn an_event_that_driver_and_kernel_both_tell_counts_once() {
    let agent = Machine::new(&falls(&json!([[5, 79], [6, 94]]))).with_kernel_log().start();
    assert_eq!(count(&agent, 79), "0");
    // What happens before somebody listens is nobody's.
    agent.until_listening();
    agent.set_clock(6);
    // The driver alone tells of 94, so when it is there the driver was heard.
    agent.until(&format!("{}1\n", series(94)));
    assert_eq!(count(&agent, 79), "1", "the driver told it");
    agent
        .kernel_says("NVRM: Xid (PCI:0000:3b:00): 79, pid=7, name=llama-server, GPU has fallen off the bus.");
    agent.kernel_says("NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)");
    // The log alone tells of 154.
    agent.until(&format!("{}1\n", series(154)));
    assert_eq!(count(&agent, 79), "1", "the log told the same one");
    let view: Value = serde_json::from_str(&agent.process.get("/api/v1/view")).unwrap();
    let xids = view["gpus"]["cards"][0]["xids"].as_array().unwrap();
    let fallen = xids.iter().find(|xid| xid["xid"] == "79").unwrap();
    assert_eq!(fallen["severity"], "critical");
    assert_eq!(fallen["told"], "GPU has fallen off the bus. (llama-server, pid 7)");
    assert_eq!(agent.process.log().matches("card has fallen off the bus").count(), 1, "it is logged once");
}
