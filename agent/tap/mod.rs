//! The tap: a reverse proxy in front of a target that measures what its clients get. It changes no byte of a body,
//! waits for none, keeps no text, and its worst failure is a missing measurement.

use std::sync::Arc;

use arc_swap::ArcSwap;

mod alarm;
mod answer;
mod body;
mod clients;
mod connection;
mod exchange;
mod head;
mod network;
mod outbox;
mod plan;
mod refusal;
mod request;
mod scratch;
mod serve;
mod site;
mod tunnel;
mod upstream;
mod watch;

pub use network::Network;
pub use plan::{Client, Limits, Plan};
pub use serve::serve;

/// What a tap is told; a new one holds from the next request on.
pub type SharedPlan = Arc<ArcSwap<Plan>>;
