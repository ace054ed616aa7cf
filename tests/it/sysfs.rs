//! The cards of AMD and Intel, as the kernel tells of them, on paper machines: what is told of each is golden, and
//! what changes from one read to the next is tried.

use std::sync::Arc;
use std::time::Duration;

use opsagent::gpus::{BACKENDS, CardError, GpuError, Gpus};
use opsagent::sample::GpuSample;
use opsagent::wire::exposition::parse;
use serde_json::{Map, Value, json};

use crate::support::agent::{Agent, config, value};
use crate::support::golden::{assert_golden, file};
use crate::support::tree::Tree;

const GPU: &str = "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0";

fn open(backend: &str, tree: &Tree) -> Result<Arc<dyn Gpus>, GpuError> {
    let backend = BACKENDS.iter().find(|row| row.name == backend).unwrap();
    (backend.open)(&tree.options())
}

fn read(gpus: &dyn Gpus) -> Vec<Result<GpuSample, CardError>> {
    (0..gpus.places().unwrap()).map(|place| gpus.read(place)).collect()
}

/// The one card.
fn card(gpus: &dyn Gpus) -> GpuSample {
    let mut cards = read(gpus);
    assert_eq!(cards.len(), 1);
    cards.remove(0).unwrap()
}

/// A reading without what is not told, so that a golden file is as long as what is.
fn told(value: Value) -> Option<Value> {
    let value = match value {
        Value::Null => return None,
        Value::Object(object) => {
            Value::Object(object.into_iter().filter_map(|(key, value)| Some((key, told(value)?))).collect())
        }
        Value::Array(array) => Value::Array(array.into_iter().filter_map(told).collect()),
        other => other,
    };
    let empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    (!empty).then_some(value)
}

#[test]
fn each_machine_tells_what_its_files_tell_and_nothing_else() {
    for entry in std::fs::read_dir(file("tests/fixtures/sysfs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let tree = Tree::of(name);
        let mut whole = Map::new();
        for backend in ["amdgpu", "intel"] {
            let said = match open(backend, &tree) {
                Err(error) => json!({ "reason": error.reason(), "error": error.to_string() }),
                Ok(gpus) => {
                    let cards = read(&*gpus).into_iter().map(|card| match card {
                        Ok(card) => told(serde_json::to_value(card).unwrap()).unwrap(),
                        Err(error) => json!({ "failed": format!("{error:?}") }),
                    });
                    cards.collect()
                }
            };
            whole.insert(backend.to_owned(), said);
        }
        let text = serde_json::to_string_pretty(&Value::Object(whole)).unwrap() + "\n";
        assert_golden(&format!("sysfs/{name}.json"), &text);
    }
}

#[test]
fn a_machine_without_such_cards_has_no_driver_and_that_is_all() {
    for name in ["empty", "nvidia"] {
        let tree = Tree::of(name);
        for backend in ["amdgpu", "intel"] {
            assert_eq!(open(backend, &tree).err().unwrap().reason(), "no_driver", "{name}, {backend}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_intels_drivers_only_count_is_told_from_the_second_read_on() {
    for (name, meter, before, after, fdinfo) in [
        (
            "arc-a770",
            "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:03:00.0/hwmon/hwmon5/energy1_input",
            "drm-engine-compute:\t81000000000 ns",
            "drm-engine-compute:\t85000000000 ns",
            "proc/3120/fdinfo/21",
        ),
        (
            "arc-b580",
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0/0000:03:00.0/hwmon/hwmon2/energy1_input",
            "drm-cycles-ccs:\t2500000000\ndrm-total-cycles-ccs:\t7655183225",
            "drm-cycles-ccs:\t2580000000\ndrm-total-cycles-ccs:\t7755183225",
            "proc/5150/fdinfo/30",
        ),
    ] {
        let tree = Tree::of(name);
        let gpus = open("intel", &tree).unwrap();
        let first = card(&*gpus);
        assert_eq!(
            (first.utilization_ratio, first.power_watts),
            (None, None),
            "{name}: nothing to compare with"
        );
        let text = std::fs::read_to_string(tree.file(fdinfo)).unwrap();
        assert!(text.contains(before), "{text}");
        tree.write(fdinfo, text.replace(before, after));
        let joules = first.energy_joules.unwrap();
        tree.write(meter, format!("{}\n", ((joules + 750.0) * 1e6) as u64));
        tokio::time::advance(Duration::from_secs(5)).await;
        let second = card(&*gpus);
        assert_eq!(second.utilization_ratio, Some(0.8), "{name}");
        assert!((second.power_watts.unwrap() - 150.0).abs() < 0.001, "{name}: {:?}", second.power_watts);
        let server =
            second.processes.unwrap().into_iter().find(|process| process.memory_bytes > Some(4 << 30));
        assert_eq!(server.unwrap().utilization_ratio, Some(0.8), "{name}");

        // A counter that wrapped, or began anew with its driver, is not a power.
        tree.write(meter, "5\n");
        tokio::time::advance(Duration::from_secs(5)).await;
        let third = card(&*gpus);
        assert_eq!((third.power_watts, third.energy_joules), (None, Some(0.000_005)));
        assert_eq!(third.utilization_ratio, Some(0.0), "{name}: it did nothing more");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_card_that_may_sleep_is_left_alone_until_it_could_and_never_woken() {
    let tree = Tree::of("rx-7900-xtx");
    let gpus = open("amdgpu", &tree).unwrap();
    let edge = format!("{GPU}/hwmon/hwmon5/temp1_input");
    tree.write(&format!("{GPU}/gpu_busy_percent"), "0\n");
    let degrees = |gpus: &dyn Gpus| card(gpus).temperatures_celsius.get("die").copied();
    assert_eq!(degrees(&*gpus), Some(58.0));
    tree.write(&edge, "41000\n");
    assert_eq!(degrees(&*gpus), Some(41.0), "a program of ROCm keeps it awake");
    std::fs::remove_dir_all(tree.file("sys/class/kfd/kfd/proc/4711")).unwrap();
    tree.write(&edge, "40000\n");
    tree.write(&format!("{GPU}/mem_info_vram_used"), "12000000000\n");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(degrees(&*gpus), Some(41.0), "a read now would keep it awake");
    assert_eq!(
        card(&*gpus).memory_used_bytes,
        Some(12_000_000_000),
        "the kernel's books are read all the same"
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(degrees(&*gpus), Some(40.0), "it had its time");

    tree.write(&format!("{GPU}/power/runtime_status"), "suspended\n");
    let asleep = card(&*gpus);
    assert_eq!((asleep.fault, asleep.utilization_ratio, asleep.power_watts), (None, None, None));
    assert_eq!(asleep.untold["power_watts"], "suspended");
    assert_eq!(asleep.uuid, "GPU-6f1b7d0a3c2e9d48", "it stays who it is");
    assert_eq!(asleep.memory_used_bytes, Some(12_000_000_000));

    tree.write(&format!("{GPU}/power/runtime_status"), "active\n");
    tree.write(&format!("{GPU}/gpu_busy_percent"), "90\n");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(card(&*gpus).utilization_ratio, Some(0.9));
    tree.write(&format!("{GPU}/gpu_busy_percent"), "95\n");
    assert_eq!(card(&*gpus).utilization_ratio, Some(0.95), "a busy one is read each time");
}

#[test]
fn a_card_that_goes_keeps_its_place_and_one_that_comes_takes_the_next() {
    let tree = Tree::of("laptop");
    let gpus = open("amdgpu", &tree).unwrap();
    let uuids = |gpus: &dyn Gpus| -> Vec<String> {
        let cards = read(gpus).into_iter().map(|card| match card {
            Ok(card) => card.uuid,
            Err(CardError::Card(fault)) => fault.reason,
            Err(CardError::Driver(error)) => panic!("{error}"),
        });
        cards.collect()
    };
    assert_eq!(uuids(&*gpus), ["GPU-9c4e7b21aa55d013", "pci-0000:08:00.0"]);
    std::fs::remove_file(tree.file("sys/class/drm/card0/device")).unwrap();
    assert_eq!(uuids(&*gpus), ["gone", "pci-0000:08:00.0"]);
    let uevent = "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:01:00.0\n";
    tree.write("sys/class/drm/card7/device/uevent", uevent);
    assert_eq!(uuids(&*gpus), ["gone", "pci-0000:08:00.0", "pci-0000:01:00.0"]);
    tree.link("sys/class/drm/card2/device", format!("../../../../{GPU}"));
    assert_eq!(uuids(&*gpus)[0], "GPU-9c4e7b21aa55d013", "back, under another number");
}

#[test]
fn a_card_that_answers_nothing_and_fails_is_ill_and_the_reason_is_the_kernels() {
    let tree = Tree::of("rx-7900-xtx");
    let gpus = open("amdgpu", &tree).unwrap();
    let sensors =
        ["temp1_input", "temp2_input", "temp3_input", "power1_average", "power1_cap", "freq1_input"];
    for sensor in sensors
        .iter()
        .map(|sensor| format!("hwmon/hwmon5/{sensor}"))
        .chain(["gpu_busy_percent", "mem_busy_percent"].map(str::to_owned))
    {
        tree.fail(&format!("{GPU}/{sensor}"));
    }
    for absent in ["pp_dpm_sclk", "pp_dpm_mclk", "hwmon/hwmon5/freq2_input"] {
        std::fs::remove_file(tree.file(&format!("{GPU}/{absent}"))).unwrap();
    }
    let Err(CardError::Card(fault)) = gpus.read(0) else { panic!("it is told as well") };
    assert_eq!(fault.reason, "other");
    assert!(fault.error.starts_with("it answers nothing: "), "{}", fault.error);
}

/// The whole agent on each machine: a page that a scraper takes, with the cards that the machine has.
#[tokio::test]
async fn the_agent_serves_each_machines_cards() {
    for (name, cards) in [("mi300x", 2), ("laptop", 2), ("arc-b580", 1), ("garbage", 2), ("nvidia", 0)] {
        let tree = Tree::of(name);
        let mut config = config(Vec::new());
        (config.paths.sysfs, config.paths.procfs) = (tree.file("sys"), tree.file("proc"));
        config.nvml_library = Some(tree.file("no-library.so"));
        let agent = Agent::start(config).await;
        let view = agent.until("all backends were tried", |view| view.gpus.backends.len() == 3).await;
        let page = agent.page().await;
        let samples = parse(&page);
        assert_eq!(samples.len(), page.lines().filter(|line| !line.starts_with('#')).count(), "{name}");
        let up = samples.iter().filter(|sample| sample.name == "opsagent_gpu_up").count();
        assert_eq!((up, view.gpus.cards.len()), (cards, cards), "{name}");
        let faults: Vec<_> = view.gpus.cards.iter().filter_map(|card| card.told.fault.as_ref()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        if name == "mi300x" {
            let first = [("gpu", "GPU-8b41f3c0de9a1177")];
            assert_eq!(value(&samples, "opsagent_gpu_memory_used_bytes", &first), Some(171_798_691_840.0));
            assert_eq!(value(&samples, "opsagent_gpu_power_watts", &first), Some(612.0));
            assert_eq!(value(&samples, "opsagent_gpu_backend_up", &[("backend", "amdgpu")]), Some(1.0));
        }
        agent.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_rocm_is_not_idle_because_the_desktop_is_all_that_the_kernel_counts() {
    let tree = Tree::of("rx-7900-xtx");
    let gpus = open("amdgpu", &tree).unwrap();
    card(&*gpus);
    let fdinfo = "proc/1633/fdinfo/14";
    let text = std::fs::read_to_string(tree.file(fdinfo)).unwrap();
    tree.write(fdinfo, text.replace("91234567890 ns", "91734567890 ns"));
    tokio::time::advance(Duration::from_secs(5)).await;
    let shares = |card: GpuSample| -> Vec<(u32, Option<f64>)> {
        card.processes.unwrap().into_iter().map(|process| (process.pid, process.utilization_ratio)).collect()
    };
    assert_eq!(shares(card(&*gpus)), [(1633, None), (4711, None)]);

    std::fs::remove_dir_all(tree.file("sys/class/kfd/kfd/proc/4711")).unwrap();
    tree.write(fdinfo, text.replace("91234567890 ns", "92234567890 ns"));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(shares(card(&*gpus)), [(1633, Some(0.1)), (4711, None)], "of one no engine is told");
}

#[tokio::test(start_paused = true)]
async fn who_sees_not_all_processes_tells_no_sum_of_them() {
    let tree = Tree::of("arc-a770");
    // As in a container, where the list begins with its own first process.
    std::fs::remove_dir_all(tree.file("proc/2")).unwrap();
    let card = card(&*open("intel", &tree).unwrap());
    assert_eq!((card.memory_used_bytes, card.untold["memory_used_bytes"].as_str()), (None, "no_permission"));
    assert_eq!(card.processes.unwrap().len(), 2, "those that are seen are told");
}

#[tokio::test(start_paused = true)]
async fn another_file_under_the_number_of_one_that_was_closed_hides_nothing() {
    let tree = Tree::of("arc-a770");
    let gpus = open("intel", &tree).unwrap();
    let before = card(&*gpus).memory_used_bytes.unwrap();
    tree.link("proc/1201/fd/33", "/home/someone/notes");
    tree.write("proc/1201/fdinfo/33", "pos:\t0\nflags:\t0100000\n");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(card(&*gpus).memory_used_bytes, Some(before - (256 << 20)));
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_fails_for_a_moment_is_not_changed_for_another() {
    let tree = Tree::of("arc-b580");
    let meters = "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0/0000:03:00.0/hwmon/hwmon2";
    tree.write(&format!("{meters}/energy2_input"), "7000000\n");
    let gpus = open("intel", &tree).unwrap();
    let first = card(&*gpus).energy_joules.unwrap();
    tree.fail(&format!("{meters}/energy1_input"));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!((first - 7.0).abs() > 1.0, "{first}");
    assert_eq!(card(&*gpus).energy_joules, None);
}

#[test]
fn a_card_that_refuses_its_number_during_a_reset_stays_who_it_is() {
    let tree = Tree::of("rx-7900-xtx");
    let gpus = open("amdgpu", &tree).unwrap();
    let uuid = card(&*gpus).uuid;
    tree.fail(&format!("{GPU}/unique_id"));
    assert_eq!(card(&*gpus).uuid, uuid);
}
