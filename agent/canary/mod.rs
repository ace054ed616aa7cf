//! Asks canaries: the questions to a server, the runs, and their beat.

pub mod asker;
pub mod left;
mod plan;
mod questions;
mod round;

pub use plan::{Budget, Plan, Quiet};
pub use questions::{Asking, SAMPLER, SEED};
pub use round::ask_all;
