//! Real traffic of a target: what is under way, what ended, and what is promised.

mod live;
mod slo;

pub use live::{Connected, InFlight, Live};
pub use slo::Slo;

/// What the config says of real traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficPlan {
    /// What is promised.
    pub slos: Vec<Slo>,
}
