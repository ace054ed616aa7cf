//! Asks canaries: the questions to a server, the runs, and their beat.

mod plan;

pub use plan::{Budget, Plan, Quiet};
