//! Asks canaries: the questions to a server, the runs, and their beat.

pub mod asker;
pub mod left;
mod plan;

pub use plan::{Budget, Plan, Quiet};
