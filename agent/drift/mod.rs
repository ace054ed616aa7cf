//! Drift: whether a model still answers as it did, decided with a bound on false alarms. Pure.
//!
//! One [`Run`](crate::sample::Run) in, one [`Report`] out; no clock, no I/O. What outlives a restart is serialisable.

mod baseline;
pub mod bound;
pub mod budget;
mod capabilities;
mod cause;
mod compare;
mod dictionary;
pub mod distance;
pub mod evidence;
mod failures;
mod held;
pub mod kld;
mod learning;
mod look;
mod making;
mod margin;
mod oncall;
pub mod performance;
mod picture;
mod plan;
pub mod quality;
pub mod random;
pub mod rate;
mod recovery;
mod seen;
mod severity;
pub mod slow;
mod text;
pub mod tolerance;
mod watch;
mod words;

pub use baseline::{Baseline, Known, Record, Unreadable};
pub use dictionary::Numbers;
pub use making::Refused;
pub use plan::Plan;
pub use seen::{Event, Judged, Seen, Wants, What};
pub use text::Text;
pub use watch::{LEAST_LONG_RUNS, Watch};
pub use words::{
    Alarm, BaselineInfo, Capability, CategoryResult, Cause, Change, CheckLost, Learning, Probe, Proportion,
    Report, Severity, Stream, StreamState, Verdict,
};

/// The format of what is stored of baselines and watches. A newer version raises it when an older one would misread
/// what it writes; a field more needs no other format.
pub const FORMAT: u32 = 1;
