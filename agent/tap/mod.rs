//! The tap: a reverse proxy in front of a target that measures what its clients get. It changes no byte of a body,
//! waits for none, keeps no text, and its worst failure is a missing measurement.

mod plan;

pub use plan::{Client, Limits, Network, Plan};
