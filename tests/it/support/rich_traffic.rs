//! Traffic of every sort: under way with all that can go wrong, none, out of a log, and a tap that cannot listen.

use std::time::Duration;

use jiff::Timestamp;
use opsagent::view::{LogTailView, Quantiles, SloView, TapView, TrafficView};

/// Requests under way through a tap, and some of everything in the last minutes.
pub fn busy(now: Timestamp) -> TrafficView {
    let times = |p50, p95, max| Some(Quantiles { count: 41, p50, p95, max });
    TrafficView {
        tap: Some(TapView { listen: "127.0.0.1:11435".into(), open: false, error: None, connections: 5 }),
        in_flight: Some(3),
        decoding: Some(2),
        output_tokens_per_second: Some(71.34),
        window_seconds: 300.0,
        requests: 48,
        failures: vec![("overloaded".into(), 2), ("reset".into(), 1)],
        cancelled: 2,
        truncated: 1,
        cold: 1,
        source: Some("tap".into()),
        time_to_first_token: times(0.4237, 1.834, 4.02),
        time_per_output_token: times(0.0261, 0.0402, 0.0913),
        duration: times(5.41, 19.7, 31.2),
        decode_tokens_per_second: Some(38.31),
        prefill_tokens_per_second: Some(1391.0),
        longest_gap_seconds: Some(4.2),
        last_end_at: Some(now - Duration::from_secs(1)),
        slos: vec![
            SloView { name: "chat".into(), requests: 46, missed: 3 },
            SloView { name: "größe \"long\"".into(), requests: 0, missed: 0 },
        ],
        ..TrafficView::default()
    }
}

/// A tap that nobody uses just now.
pub fn idle(now: Timestamp) -> TrafficView {
    TrafficView {
        tap: Some(TapView { listen: "127.0.0.1:8081".into(), open: false, error: None, connections: 1 }),
        in_flight: Some(0),
        decoding: Some(0),
        output_tokens_per_second: Some(0.0),
        window_seconds: 300.0,
        source: Some("tap".into()),
        last_end_at: Some(now - Duration::from_secs(7200)),
        ..TrafficView::default()
    }
}

/// What a log tells: no first tokens, nothing under way.
pub fn from_log(now: Timestamp) -> TrafficView {
    TrafficView {
        log: Some(LogTailView {
            place: "journal of ollama.service".into(),
            error: None,
            last_line_at: Some(now - Duration::from_secs(59)),
        }),
        window_seconds: 300.0,
        requests: 1204,
        source: Some("log".into()),
        duration: Some(Quantiles { count: 1204, p50: 0.0213, p95: 0.0871, max: 0.44 }),
        last_end_at: Some(now - Duration::from_secs(59)),
        ..TrafficView::default()
    }
}

/// A tap whose address another program has.
pub fn blind() -> TrafficView {
    TrafficView {
        tap: Some(TapView {
            listen: "0.0.0.0:8001".into(),
            open: false,
            error: Some("the address is in use".into()),
            connections: 0,
        }),
        in_flight: Some(0),
        decoding: Some(0),
        window_seconds: 300.0,
        ..TrafficView::default()
    }
}
