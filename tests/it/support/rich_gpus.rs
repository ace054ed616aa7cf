//! The GPUs of the rich view: a gaming card that is well, a data-centre card in deep trouble, a divided one, one of
//! another vendor that tells little, one that fell off the bus and one that was never seen.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use opsagent::sample::{
    CardFault, Clock, EccErrors, Fan, GpuSample, Mig, MigInstance, Note, NvLinks, PcieLink, Readings,
    THROTTLE_REASONS,
};
use opsagent::view::{
    BackendView, CardUser, CardView, EnergySource, Fit, GpusView, HangCount, LogView, StrayXids, Verdict,
    XidCount,
};

pub const GEFORCE: &str = "GPU-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0001";
pub const H100: &str = "GPU-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0002";
const DIVIDED: &str = "GPU-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0003";
const LOST: &str = "GPU-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0004";
const MISSING: &str = "GPU-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0005";

const GIB: u64 = 1 << 30;

/// All of them, as of `now`.
pub fn rich_gpus(now: Timestamp) -> GpusView {
    let silent = |name: &str, reason: &str, error: &str| BackendView {
        name: name.into(),
        reason: Some(reason.into()),
        error: Some(error.into()),
        ..BackendView::default()
    };
    GpusView {
        other_energy_joules: Some(1234.5),
        next_model: Some(Fit {
            bytes: 12 << 30,
            verdict: Verdict::No,
            missing_bytes: Some(3 << 30),
            text: "does not fit: 3.0 GiB too little, even with every model unloaded that may be".into(),
            ..Fit::default()
        }),
        backends: vec![
            BackendView { up: true, read_duration_seconds: Some(0.003), ..silent_free("nvml") },
            BackendView { up: true, read_duration_seconds: Some(0.0004), ..silent_free("amdgpu") },
            silent("intel", "no_driver", "no Intel driver on this machine"),
        ],
        cards: vec![geforce(), troubled(now), divided(), radeon(), lost(now), missing()],
        expected: Some(6),
        missing: Some(2),
        strays: vec![StrayXids {
            card: "pci-0000:5e:00.0".into(),
            xids: vec![xid("79", 1, Some(now - Duration::from_secs(80_000)))],
        }],
        kernel_log: Some(LogView {
            source: "/dev/kmsg".into(),
            up: true,
            error: None,
            lost: 4,
            hangs: vec![
                HangCount {
                    card: "pci-0000:03:00.0".into(),
                    count: 2,
                    last_at: Some(now - Duration::from_secs(90)),
                    ..HangCount::default()
                },
                HangCount { card: "pci-0000:06:00.0".into(), ..HangCount::default() },
            ],
        }),
    }
}

fn silent_free(name: &str) -> BackendView {
    BackendView { name: name.into(), ..BackendView::default() }
}

fn readings<const N: usize>(all: [(&str, f64); N]) -> Readings {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn clocks<const N: usize>(all: [(&str, f64, f64); N]) -> BTreeMap<String, Clock> {
    let clock = |now: f64, most: f64| Clock { hertz: Some(now * 1e6), max_hertz: Some(most * 1e6) };
    all.into_iter().map(|(name, now, most)| (name.to_owned(), clock(now, most))).collect()
}

/// All reasons, those named as holding now.
fn throttled(holding: &[&str]) -> BTreeMap<String, bool> {
    THROTTLE_REASONS.into_iter().map(|reason| (reason.to_owned(), holding.contains(&reason))).collect()
}

fn user(target: &str, gib: f64, programs: &[&str]) -> CardUser {
    CardUser {
        target: target.into(),
        memory_bytes: Some((gib * GIB as f64) as u64),
        processes: programs.len() as u32,
        programs: programs.iter().map(|program| (*program).to_owned()).collect(),
        ..CardUser::default()
    }
}

/// An XID, with the words that the agent has for it.
pub fn xid(number: &str, count: u64, last_at: Option<Timestamp>) -> XidCount {
    let known = number.parse().ok().and_then(opsagent::gpus::xid::xid);
    XidCount {
        xid: number.into(),
        count,
        before_start: 0,
        last_at,
        severity: known.map(|xid| xid.severity.name().to_owned()),
        meaning: known.map(|xid| xid.name.to_owned()),
        told: None,
    }
}

fn geforce() -> CardView {
    CardView {
        told: GpuSample {
            uuid: GEFORCE.into(),
            index: Some(0),
            name: Some("NVIDIA GeForce RTX 4090".into()),
            vendor: "nvidia".into(),
            driver: Some("570.86.15".into()),
            cuda: Some("12.8".into()),
            pci: Some("0000:01:00.0".into()),
            vbios: Some("95.02.3C.00.04".into()),
            shared_memory: Some(false),
            utilization_ratio: Some(0.83),
            memory_utilization_ratio: Some(0.41),
            memory_total_bytes: Some(25_757_220_864),
            memory_used_bytes: Some(6_999_003_136),
            memory_free_bytes: Some(18_758_217_728),
            temperatures_celsius: readings([("die", 61.0)]),
            power_watts: Some(287.54),
            power_limit_watts: Some(450.0),
            power_limit_default_watts: Some(450.0),
            energy_joules: Some(123_456_789.125),
            clocks: clocks([("graphics", 2520.0, 3105.0), ("memory", 10_501.0, 10_501.0)]),
            throttled: throttled(&["sw_power_cap"]),
            fans: vec![
                Fan { fan: 0, ratio: Some(0.42), rpm: None },
                Fan { fan: 1, ratio: Some(1.05), rpm: Some(2900) },
            ],
            untold: [("temperatures_celsius.memory".to_owned(), "not_supported".to_owned())].into(),
            ..GpuSample::default()
        },
        energy_total_joules: Some(123_456_789.125),
        energy_source: Some(EnergySource::Counter),
        throttled_total_seconds: readings([("sw_power_cap", 41.5)]),
        users: vec![user("box", 5.0, &["ollama"]), user("other", 1.25, &["Xorg", "gnome-shell"])],
        headroom_bytes: Some(18_221_346_816),
        ..CardView::default()
    }
}

fn troubled(now: Timestamp) -> CardView {
    let ago = |seconds| Some(now - Duration::from_secs(seconds));
    CardView {
        kept_energy_joules: None,
        told: troubled_readings(),
        last_seen_at: None,
        energy_total_joules: Some(987_654_321.0),
        energy_source: Some(EnergySource::Counter),
        throttled_total_seconds: readings([("hw_thermal", 612.25), ("sw_power_cap", 3600.5)]),
        xids: vec![
            xid("63", 2, ago(7200)),
            xid("79", 0, None),
            xid("94", 1, ago(300)),
            XidCount { severity: None, meaning: None, ..xid("other", 3, ago(60)) },
        ],
        users: vec![
            user("box", 60.0, &["ollama", "llama-server"]),
            CardUser { memory_bytes: None, processes_untold: 1, ..user("llama", 0.0, &["llama-server"]) },
            CardUser {
                memory_bytes: None,
                memory_at_least_bytes: Some(3 * GIB),
                processes_untold: 1,
                ..user("other", 0.0, &["python3", "Xorg"])
            },
        ],
        headroom_bytes: Some(9 * GIB),
        notes: vec![
            Note::warning(
                "row_remap_pending",
                "a faulty row of memory waits to be remapped",
                Some("move the work away, then reset the card: nvidia-smi --gpu-reset -i 1"),
            ),
            Note::info("pcie_narrow", "its PCI Express link has 8 of 16 lanes", Some("reseat the card")),
        ],
    }
}

fn troubled_readings() -> GpuSample {
    let errors =
        |kind: &str, memory: &str, count| EccErrors { kind: kind.into(), memory: memory.into(), count };
    GpuSample {
        uuid: H100.into(),
        index: Some(1),
        name: Some("NVIDIA H100 80GB HBM3".into()),
        vendor: "nvidia".into(),
        driver: Some("580.95.05".into()),
        cuda: Some("13.0".into()),
        pci: Some("0000:18:00.0".into()),
        vbios: Some("96.00.89.00.01".into()),
        shared_memory: Some(false),
        utilization_ratio: Some(1.0),
        memory_utilization_ratio: Some(0.64),
        encoder_utilization_ratio: Some(0.0),
        decoder_utilization_ratio: Some(0.02),
        memory_total_bytes: Some(85_520_809_984),
        memory_used_bytes: Some(74_088_185_856),
        memory_free_bytes: Some(10_739_519_488),
        memory_reserved_bytes: Some(693_104_640),
        bar1_used_bytes: Some(3_145_728),
        bar1_total_bytes: Some(137_438_953_472),
        temperatures_celsius: readings([("die", 91.0), ("memory", 95.0)]),
        temperature_limits_celsius: readings([
            ("slowdown", 89.0),
            ("shutdown", 92.0),
            ("memory_slowdown", 95.0),
            ("operation", 85.0),
        ]),
        temperature_margin_celsius: Some(-2.0),
        power_watts: Some(412.0),
        power_limit_watts: Some(700.0),
        power_limit_default_watts: Some(700.0),
        energy_joules: Some(987_654_321.0),
        clocks: clocks([
            ("graphics", 345.0, 1980.0),
            ("sm", 345.0, 1980.0),
            ("memory", 2619.0, 2619.0),
            ("video", 1545.0, 1545.0),
        ]),
        performance_state: Some(0),
        throttled: throttled(&["hw_slowdown", "hw_thermal", "sw_power_cap"]),
        ecc_enabled: Some(true),
        ecc_errors: vec![
            errors("corrected", "dram", 2),
            errors("corrected", "sram", 0),
            errors("uncorrected", "dram", 1),
            errors("uncorrected", "sram", 0),
        ],
        remapped_rows: readings([("correctable", 0.0), ("uncorrectable", 3.0)]),
        row_remap_pending: Some(true),
        row_remap_failed: Some(false),
        recovery_action: Some("reset".into()),
        pcie: PcieLink {
            generation: Some(5),
            generation_max: Some(5),
            width: Some(8),
            width_max: Some(16),
            replays: Some(118),
            received_bytes: Some(5_000_000_000_000),
            sent_bytes: Some(1_250_000_000_000),
        },
        nvlinks: Some(NvLinks {
            active: 17,
            inactive: 1,
            errors: readings([("crc", 4.0), ("recovery", 1.0), ("replay", 9.0)]),
            received_bytes: Some(777_000_000_000),
            sent_bytes: Some(778_000_000_000),
        }),
        fabric_state: Some("completed".into()),
        persistence: Some(true),
        mig: Some(Mig::default()),
        read_seconds: Some(0.0185),
        ..GpuSample::default()
    }
}

fn divided() -> CardView {
    let part = |nth: u32, profile: &str, gib: u64, used: u64| MigInstance {
        uuid: format!("MIG-5f1c0e52-0b1d-4c7e-9a54-2f0e6f6d0a0{nth}"),
        gpu_instance: Some(nth),
        compute_instance: Some(0),
        profile: Some(profile.into()),
        memory_total_bytes: Some(gib * GIB),
        memory_used_bytes: Some(used * GIB),
        memory_free_bytes: Some((gib - used) * GIB),
    };
    CardView {
        told: GpuSample {
            uuid: DIVIDED.into(),
            index: Some(2),
            name: Some("NVIDIA A100-SXM4-40GB".into()),
            vendor: "nvidia".into(),
            driver: Some("580.95.05".into()),
            memory_total_bytes: Some(40 * GIB),
            memory_used_bytes: Some(13 * GIB),
            memory_free_bytes: Some(27 * GIB),
            temperatures_celsius: readings([("die", 44.0), ("memory", 40.0)]),
            power_watts: Some(96.0),
            power_limit_watts: Some(400.0),
            throttled: throttled(&["idle"]),
            retired_pages: readings([("double_bit", 1.0), ("single_bit", 0.0)]),
            retired_pages_pending: Some(false),
            mig: Some(Mig {
                enabled: true,
                pending: Some(true),
                instances: vec![part(1, "3g.20gb", 19, 13), part(5, "1g.5gb", 4, 0)],
            }),
            untold: [("utilization_ratio".to_owned(), "not_supported".to_owned())].into(),
            ..GpuSample::default()
        },
        users: vec![user("llama", 13.0, &["llama-server"])],
        ..CardView::default()
    }
}

fn radeon() -> CardView {
    CardView {
        told: GpuSample {
            uuid: "pci-0000:63:00.0".into(),
            name: Some("AMD Radeon PRO W7900".into()),
            vendor: "amd".into(),
            pci: Some("0000:63:00.0".into()),
            utilization_ratio: Some(0.0),
            memory_total_bytes: Some(48 * GIB),
            memory_used_bytes: Some(27 << 20),
            temperatures_celsius: readings([("die", 38.0), ("hotspot", 45.0), ("memory", 50.0)]),
            power_watts: Some(19.0),
            ..GpuSample::default()
        },
        energy_total_joules: Some(1900.0),
        energy_source: Some(EnergySource::Integrated),
        ..CardView::default()
    }
}

fn lost(now: Timestamp) -> CardView {
    let card = GpuSample {
        uuid: LOST.into(),
        index: Some(3),
        name: Some("NVIDIA H100 80GB HBM3".into()),
        vendor: "nvidia".into(),
        pci: Some("0000:2a:00.0".into()),
        ..GpuSample::default()
    };
    CardView {
        told: card.silent(CardFault::new("lost", "it fell off the bus")),
        last_seen_at: Some(now - Duration::from_secs(242)),
        energy_total_joules: Some(55_000.0),
        energy_source: Some(EnergySource::Counter),
        xids: vec![XidCount {
            told: Some("GPU has fallen off the bus. (python3, pid 1234)".into()),
            ..xid("79", 1, Some(now - Duration::from_secs(240)))
        }],
        notes: vec![Note::warning(
            "xid",
            "XID 79 (card has fallen off the bus): the driver cannot reach it over PCI Express any more",
            Some("drain the machine and power it off and on; replace the card if it happens again"),
        )],
        ..CardView::default()
    }
}

fn missing() -> CardView {
    let fault = CardFault::new("missing", "the config expects it, and it was never seen");
    let told = GpuSample { uuid: MISSING.into(), fault: Some(fault), ..GpuSample::default() };
    CardView { told, ..CardView::default() }
}
