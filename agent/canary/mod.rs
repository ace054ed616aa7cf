//! Asks canaries: the questions to a server, the runs, and their beat.

mod agenda;
pub mod asker;
mod beat;
mod follow;
pub mod ground;
mod keeper;
pub mod left;
mod left_out;
mod model;
mod plan;
mod questions;
pub mod records;
pub mod reload;
pub mod remembered;
mod room;
mod rotation;
mod round;
pub mod run;
mod setup;
mod spent;
mod tell;

pub use beat::{Beat, Memory, RUNS_AT_ONCE, TICK};
pub use follow::Follow;
pub use left_out::{LeftOut, left_out};
pub use plan::{Budget, Plan, Quiet};
pub use questions::{Asking, SEED};
pub use rotation::Rotation;
pub use round::{Asked, ask_all};
pub use run::{Done, Ended, Order, Speed};
pub use setup::Beats;
pub use spent::{Ledger, Spent};
