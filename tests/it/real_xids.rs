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

fn counts(agent: &Agent, xid: u32) -> String {
    let line = format!("opsagent_gpu_xid_errors_total{{gpu=\"{GPU}\",xid=\"{xid}\"}} ");
    for _ in 0..1500 {
        // The whole page: zeros are left out of what is told of the GPUs elsewhere.
        let page = agent.process.get("/metrics");
        if let Some(count) = page.lines().find_map(|told| told.strip_prefix(&line)) {
            return count.to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {line}\nits log:\n{}", agent.process.log());
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_kernels_log_alone_tells_of_a_card_at_its_place() {
    let agent = Machine::new(&falls(&json!([]))).with_kernel_log().start();
    assert_eq!(counts(&agent, 79), "0", "there from the start, so that a first one is an increase");
    agent.kernel_says(
        "Nov 22 12:00:01 box kernel: NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
    );
    agent.until(&format!("opsagent_gpu_xid_errors_total{{gpu=\"{GPU}\",xid=\"79\"}} 1\n"));
    agent.until(&format!("opsagent_gpu_last_xid_timestamp_seconds{{gpu=\"{GPU}\",xid=\"79\"}} "));
    assert!(agent.process.log().contains("card has fallen off the bus"), "{}", agent.process.log());
}
