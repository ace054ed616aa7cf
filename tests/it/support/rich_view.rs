//! A fixed view with something of everything: what the pages are made of in golden files.

use jiff::Timestamp;
use opsagent::fleet::label;
use opsagent::sample::{Note, ServerState};
use opsagent::view::{
    AgentView, CgroupSample, ChildSample, CpuSeconds, DiscoveryView, Disk, EnergyView, FolderSample,
    HostMemory, HostView, KeptView, ModelView, PressureSample, Resource, SCHEMA_VERSION, StoreView,
    TargetGpus, TargetView, Totals, Tried, View,
};

use super::rich_gpus::{self, rich_gpus};
use super::{rich_canaries, rich_traffic};

/// A view at a fixed time: servers up, busy, asleep, down, hung, simulated and not yet polled;
/// models with odd names; GPUs of every sort.
pub fn rich_view() -> View {
    View {
        schema_version: SCHEMA_VERSION,
        at: at(0),
        agent: AgentView {
            version: "0.1.0".into(),
            started_at: at(-86_400),
            demo: false,
            config_file: Some("/etc/opsagent/opsagent.toml".into()),
            config_ok: false,
            config_at: at(-3600),
            config_errors: vec!["opsagent.toml:3: target[0].kind: unknown kind \"olama\"".into()],
        },
        discovery: DiscoveryView {
            enabled: true,
            last_scan_at: Some(at(-4)),
            tried: vec![Tried {
                address: "127.0.0.1:1234".into(),
                why: "default port of lm_studio".into(),
                outcome: "connection refused".into(),
            }],
        },
        targets: vec![
            ollama(),
            llama_cpp(),
            asleep(),
            down(),
            hung(),
            TargetView {
                demo: true,
                up: Some(true),
                state: Some(ServerState::Ready),
                ..target("demo", "ollama")
            },
            TargetView { last_poll_at: None, poll_duration_seconds: None, ..target("new", "unknown") },
        ],
        gpus: rich_gpus(at(0)),
        hosts: vec![host()],
        store: Some(StoreView {
            path: Some("/var/lib/opsagent/opsagent.db".into()),
            up: true,
            error: None,
            size_bytes: Some(1_572_864),
            writes_lost: 2,
        }),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn target(name: &str, kind: &str) -> TargetView {
    TargetView {
        name: name.into(),
        kind: kind.into(),
        url: format!("http://{name}.example:8080"),
        discovered: false,
        demo: false,
        up: None,
        state: None,
        state_since: None,
        reason: None,
        error: None,
        version: None,
        build: None,
        every_seconds: 15.0,
        last_poll_at: Some(at(-3)),
        last_success_at: None,
        poll_duration_seconds: Some(0.0125),
        models_installed: None,
        orphans: None,
        models: Vec::new(),
        models_left_out: 0,
        gpus: None,
        traffic: None,
        canaries: Vec::new(),
        kept: None,
        notes: Vec::new(),
    }
}

fn ollama() -> TargetView {
    let plain = |name: &str| ModelView { name: label(name), loaded: Some(false), ..ModelView::default() };
    TargetView {
        url: "http://127.0.0.1:11434".into(),
        discovered: true,
        up: Some(true),
        state: Some(ServerState::Busy),
        state_since: Some(at(-20)),
        version: Some("0.34.0".into()),
        last_success_at: Some(at(-3)),
        models_installed: Some(6),
        orphans: Some(1),
        models: vec![
            ModelView {
                digest: Some("1d3f2a".repeat(10)),
                quantization: Some("Q4_K_M".into()),
                parameters: Some("8.0B".into()),
                format: Some("gguf".into()),
                family: Some("llama".into()),
                loaded: Some(true),
                size_bytes: Some(4_920_753_328),
                memory_bytes: Some(6_654_289_920),
                vram_bytes: Some(4_990_717_440),
                offload_ratio: Some(0.75),
                context_tokens: Some(4096),
                context_trained_tokens: Some(131_072),
                expires_at: Some(at(250)),
                stays: Some(false),
                slots: Some(4),
                slots_busy: Some(1),
                queue_depth: Some(2),
                loads: 3,
                totals: Totals {
                    requests: None,
                    prompt_tokens: Some(1_234_570.0),
                    cached_tokens: Some(0.0),
                    output_tokens: Some(98_765.0),
                    prompt_seconds: Some(152.431),
                    decode_seconds: Some(2001.25),
                    draft_tokens: None,
                    draft_accepted_tokens: None,
                },
                child: Some(ChildSample { pid: Some(812), up: true, metrics: Some(true) }),
                ..plain("llama3.1:8b")
            },
            ModelView {
                loaded: Some(true),
                // Far away, as Ollama tells it of a model that stays.
                expires_at: Some(at(9_000_000_000)),
                stays: Some(true),
                child: Some(ChildSample { pid: None, up: false, metrics: None }),
                ..plain("größe-模型:1b")
            },
            plain("say \"hi\" c:\\models"),
            plain("two\nlines"),
            plain("\u{202e}backwards"),
            ModelView { family: Some("\\".into()), ..plain(&"long-".repeat(100)) },
        ],
        gpus: Some(TargetGpus {
            memory_bytes: [
                (rich_gpus::GEFORCE.to_owned(), 5_368_709_120),
                (rich_gpus::H100.to_owned(), 64_424_509_440),
            ]
            .into(),
            energy_joules: Some(1_234_567.5),
        }),
        traffic: Some(rich_traffic::busy(at(0))),
        canaries: vec![
            rich_canaries::steady(at(0)),
            rich_canaries::drifting(at(0)),
            rich_canaries::learning(at(0)),
        ],
        kept: Some(kept()),
        notes: vec![Note::warning("orphans", "a llama-server outlived its Ollama", Some("kill it"))],
        ..target("box", "ollama")
    }
}

fn kept() -> KeptView {
    let mut kept = KeptView { since: at(-8_640_000), ..KeptView::default() };
    kept.take(Some("llama3.1:8b"), "server_output_tokens", 1_234_567.0);
    kept.take(Some("llama3.1:8b"), "tap_output_tokens", 1_200_000.0);
    kept.take(Some("llama3.1:8b"), "tap_requests", 4321.0);
    kept.take(None, "energy_joules", 12_240_000.0);
    kept
}

fn llama_cpp() -> TargetView {
    TargetView {
        up: Some(true),
        state: Some(ServerState::Ready),
        version: Some("b11434-1a2b3c4".into()),
        build: Some("b11434-1a2b3c4".into()),
        last_success_at: Some(at(-3)),
        models: vec![ModelView {
            name: "/srv/models/qwen.gguf".into(),
            loaded: Some(true),
            slots: Some(4),
            slots_busy: Some(0),
            queue_depth: Some(0),
            context_tokens: Some(8192),
            totals: Totals {
                requests: Some(12.0),
                draft_tokens: Some(1000.0),
                draft_accepted_tokens: Some(640.0),
                ..Totals::default()
            },
            ..ModelView::default()
        }],
        traffic: Some(rich_traffic::idle(at(0))),
        ..target("llama", "llama_cpp")
    }
}

fn asleep() -> TargetView {
    TargetView {
        up: Some(true),
        state: Some(ServerState::Sleeping),
        last_success_at: Some(at(-3)),
        traffic: Some(rich_traffic::from_log(at(0))),
        ..target("llama-asleep", "llama_cpp")
    }
}

fn down() -> TargetView {
    TargetView {
        up: Some(false),
        state: Some(ServerState::Down),
        reason: Some("refused".into()),
        error: Some("connection refused".into()),
        last_success_at: Some(at(-600)),
        ..target("studio", "lm_studio")
    }
}

fn hung() -> TargetView {
    TargetView {
        up: Some(false),
        state: Some(ServerState::Hung),
        reason: Some("timeout".into()),
        error: Some("connected, but no whole answer within 10s".into()),
        poll_duration_seconds: Some(10.001),
        traffic: Some(rich_traffic::blind()),
        ..target("stuck", "openai")
    }
}

fn host() -> HostView {
    const GIB: u64 = 1 << 30;
    let count = |seconds: [f64; 8]| CpuSeconds::of_modes(seconds.map(Some));
    HostView {
        name: Some("gpu-box".into()),
        read_at: Some(at(-4)),
        read_duration_seconds: Some(0.004),
        booted_at: Some(at(-864_000)),
        cpus: Some(64),
        cpu_seconds: count([8_100_000.5, 12.25, 900_000.0, 40_000.0, 0.0, 3000.0, 0.0, 46_000_000.0]),
        cpu_use_ratio: Some(0.125),
        memory: HostMemory {
            total_bytes: Some(252 * GIB),
            available_bytes: Some(181 * GIB),
            free_bytes: Some(12 * GIB),
            page_cache_bytes: Some(160 * GIB),
            zfs_cache_bytes: Some(9 * GIB),
            swap_total_bytes: Some(8 * GIB),
            swap_free_bytes: Some(7 * GIB),
            swapped_in_bytes: Some(4096),
            swapped_out_bytes: Some(GIB),
            oom_kills: Some(3),
        },
        oom_killed_at: Some(at(-240)),
        pressure: vec![
            PressureSample {
                resource: Resource::Cpu,
                waiting_seconds: Some(5370.75),
                stalled_seconds: None,
                waiting_ratio: Some(0.021),
                stalled_ratio: None,
            },
            PressureSample {
                resource: Resource::Memory,
                waiting_seconds: Some(182.5),
                stalled_seconds: Some(59.25),
                waiting_ratio: Some(0.0),
                stalled_ratio: Some(0.0),
            },
        ],
        cgroups: vec![CgroupSample {
            cgroup: "/system.slice/ollama.service".into(),
            limit_bytes: Some(128 * GIB),
            high_bytes: Some(120 * GIB),
            used_bytes: Some(96 * GIB),
            page_cache_bytes: Some(80 * GIB),
            oom_kills: Some(1),
        }],
        folders: vec![
            FolderSample {
                folder: "/usr/share/ollama/.ollama/models".into(),
                why: "ollama, pid 812".into(),
                disk: Some(Disk {
                    size_bytes: 1832 * GIB,
                    used_bytes: 1601 * GIB,
                    available_bytes: 138 * GIB,
                }),
                error: None,
                hangs: false,
            },
            FolderSample {
                folder: "/srv/models".into(),
                why: "configured".into(),
                disk: None,
                error: Some("there is no such folder".into()),
                hangs: false,
            },
        ],
        energy: vec![
            EnergyView { domain: "package-0".into(), joules: 81_234_567.5, watts: Some(88.4) },
            EnergyView { domain: "package-0-dram".into(), joules: 9_000_000.0, watts: None },
        ],
        notes: vec![Note::warning(
            "oom_kill",
            "killed for want of memory (OOM) in the last 10 minutes: 1 process",
            Some("see which by `journalctl -k --grep 'Killed process'`"),
        )],
        ..HostView::default()
    }
}
