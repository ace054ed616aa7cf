//! Drift: whether a model still answers as it did, decided with a bound on false alarms. Pure.
//!
//! One [`Run`](crate::sample::Run) in, one [`Report`] out; no clock, no I/O. What outlives a restart is serialisable.

pub mod bound;
pub mod budget;
pub mod distance;
pub mod evidence;
pub mod kld;
pub mod random;
pub mod rate;
mod words;

pub use words::{
    Alarm, BaselineInfo, Capability, CategoryResult, Cause, Change, CheckLost, Learning, Probe, Proportion,
    Report, Severity, Stream, StreamState, Verdict,
};
