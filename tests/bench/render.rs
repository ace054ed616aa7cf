//! How long a metrics page takes, by its number of series: `cargo bench --bench render`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use opsagent::http::HttpError;
use opsagent::metrics::{Counted, Format, render};
use opsagent::usage::ProcessStats;
use opsagent::view::View;
use tokio::time::Instant;

/// Pages that are timed of each size.
const ROUNDS: usize = 400;

fn main() {
    println!(
        "{:>8} {:>8} {:>12} {:>9} {:>8} {:>9} {:>8} {:>8}",
        "series", "targets", "format", "bytes", "CPU ms", "median ms", "p99 ms", "max ms"
    );
    // Two models a target, as on real ones: 66 series each.
    for targets in [1, 15, 151, 1000] {
        let (view, counted) = fleet(targets);
        for format in [Format::Text, Format::OpenMetrics] {
            let page = render(&view, &counted, Some(&ProcessStats::read()), format);
            let series = page.lines().filter(|line| !line.starts_with('#')).count();
            let before = cpu();
            let mut times: Vec<Duration> = (0..ROUNDS).map(|_| once(&view, &counted, format)).collect();
            let cpu = cpu().saturating_sub(before) / ROUNDS as u32;
            times.sort_unstable();
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            println!(
                "{series:>8} {targets:>8} {:>12} {:>9} {:>8.3} {:>9.3} {:>8.3} {:>8.3}",
                format!("{format:?}"),
                page.len(),
                ms(cpu),
                ms(times[ROUNDS / 2]),
                ms(times[ROUNDS * 99 / 100]),
                ms(times[ROUNDS - 1]),
            );
        }
    }
}

fn once(view: &View, counted: &Counted, format: Format) -> Duration {
    let start = Instant::now();
    black_box(render(black_box(view), counted, Some(&ProcessStats::read()), format));
    start.elapsed()
}

/// Time that this process was on a processor: unlike the clock's, it does not grow with what else
/// the machine does.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// A view of so many targets, and what was counted of them.
fn fleet(targets: usize) -> (View, Counted) {
    let counted = Counted::new();
    let all: Vec<_> = (0..targets).map(target).collect();
    for target in &all {
        let name = target["name"].as_str().unwrap();
        counted.touch_target(name);
        counted.count_poll(name, HttpError::Refused.reason().into(), 0);
    }
    let now = "2026-11-22T10:00:00Z";
    let view = serde_json::json!({
        "schema_version": 1, "at": now, "targets": all,
        "agent": {"version": "0.1.0", "started_at": now, "demo": false, "config_file": null, "config_ok": true,
            "config_at": now, "config_errors": []},
        "discovery": {"enabled": false, "last_scan_at": null, "tried": []},
        "gpus": {"backends": [], "cards": []},
    });
    (serde_json::from_value(view).unwrap(), counted)
}

fn target(number: usize) -> serde_json::Value {
    let now = "2026-11-22T10:00:00Z";
    serde_json::json!({
        "name": format!("server-{number:04}"), "kind": "ollama", "discovered": false, "demo": false,
        "url": format!("http://10.1.{}.{}:11434", number / 250, number % 250), "up": true, "state": "busy",
        "state_since": now, "reason": null, "error": null, "version": "0.34.0", "build": null,
        "every_seconds": 15.0, "last_poll_at": now, "last_success_at": now, "poll_duration_seconds": 0.012_345,
        "models_installed": 12, "orphans": 0, "models_left_out": 0, "notes": [],
        "models": [model("llama3.1:8b-instruct-q4_K_M", number), model("qwen2.5-coder:7b", number)],
    })
}

fn model(name: &str, number: usize) -> serde_json::Value {
    let total = 1_234.567 * number as f64;
    serde_json::json!({
        "name": name, "loaded": number.is_multiple_of(2), "state": null, "digest": "1d3f2a".repeat(10),
        "quantization": "Q4_K_M", "parameters": "8.0B", "format": "gguf", "family": "llama",
        "size_bytes": 4_920_753_328_u64, "memory_bytes": 6_654_289_920_u64, "vram_bytes": 4_990_717_440_u64,
        "offload_ratio": 0.75, "context_tokens": 4096, "context_trained_tokens": 131_072,
        "expires_at": "2026-11-22T10:05:00.25Z", "stays": false, "slots": 4, "slots_busy": 1, "queue_depth": 0,
        "loads": 3, "child": {"pid": 812, "up": true, "metrics": true},
        "totals": {"requests": null, "prompt_tokens": total, "cached_tokens": 0.0, "output_tokens": total,
            "prompt_seconds": total / 300.0, "decode_seconds": total / 7.0, "draft_tokens": null,
            "draft_accepted_tokens": null},
    })
}
