//! Real traffic of one target, as of now: what is under way and how the last minutes were.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub mod words;

/// What passes by a target. Rates and quantiles are over [`TrafficView::window_seconds`], exact, of warm requests
/// with text (no embeddings); what no request told is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrafficView {
    /// The proxy in front of it, where the config asks for one.
    pub tap: Option<TapView>,
    /// Its log, where the config says where it is.
    pub log: Option<LogTailView>,
    /// Requests in flight through the tap. `None`: no tap.
    pub in_flight: Option<u64>,
    /// Those of them of which tokens have come.
    pub decoding: Option<u64>,
    /// Output tokens a second of all requests together, those in flight too, over the last 10 s.
    pub output_tokens_per_second: Option<f64>,
    /// What the following are over: seconds until now.
    pub window_seconds: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Those that failed, by reason (`sample::Failure`), the most frequent first.
    pub failures: Vec<(String, u64)>,
    /// Those whose client left first.
    pub cancelled: u64,
    /// Those that were cut by a limit.
    pub truncated: u64,
    /// Those that had to wait for their model to load.
    pub cold: u64,
    /// The tap's, or the log's where there is no tap: who saw them.
    pub source: Option<String>,
    /// To the first token, seconds.
    pub time_to_first_token: Option<Quantiles>,
    /// Time per output token, seconds.
    pub time_per_output_token: Option<Quantiles>,
    /// To the last byte, complete ones alone, seconds.
    pub duration: Option<Quantiles>,
    /// Output tokens a second of one request, the median: what one reader sees.
    pub decode_tokens_per_second: Option<f64>,
    /// Prompt tokens a second, uncached ones over the server's own time on them.
    pub prefill_tokens_per_second: Option<f64>,
    /// The longest gap within one answer, seconds.
    pub longest_gap_seconds: Option<f64>,
    /// When the last one ended.
    pub last_end_at: Option<Timestamp>,
    /// The objectives that were judged.
    pub slos: Vec<SloView>,
}

/// Some values, sorted, in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 95 of 100 were no more.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

/// A tap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapView {
    /// Where it listens, or should.
    pub listen: String,
    /// Whether other machines may reach it: it listens beyond loopback.
    #[serde(default)]
    pub open: bool,
    /// Why it does not. `None`: it does.
    pub error: Option<String>,
    /// Connections of clients.
    pub connections: u64,
}

/// A server's log that is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTailView {
    /// Which, such as `/var/log/ollama.log` or `journal of ollama.service`.
    pub place: String,
    /// Why it is not read. `None`: it is.
    pub error: Option<String>,
    /// When the last line was understood.
    pub last_line_at: Option<Timestamp>,
}

/// An objective, and how it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloView {
    /// Its name in the config.
    pub name: String,
    /// Requests that it was judged on.
    pub requests: u64,
    /// Those that missed it.
    pub missed: u64,
}
