//! Asks canaries: the questions to a server, the runs, and their beat.

pub mod asker;
mod beat;
mod follow;
pub mod ground;
mod keeper;
pub mod left;
mod model;
mod plan;
mod questions;
pub mod records;
pub mod reload;
pub mod remembered;
mod rotation;
mod round;
pub mod run;
mod setup;
mod spent;
mod tell;

pub use beat::{Beat, Memory, RUNS_AT_ONCE, TICK};
pub use plan::{Budget, Plan, Quiet};
pub use questions::{Asking, SEED};
pub use rotation::Rotation;
pub use round::{Asked, ask_all};
pub use run::{Done, Ended, Order, Speed};
pub use setup::Beats;
pub use spent::{Ledger, Spent};
