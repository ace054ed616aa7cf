//! Logs of others: where they are, and how they are followed. A log is asked on a beat and never waited for.

mod follow;
mod journal;
mod lines;
mod place;
mod position;
mod tail;
mod tries;

pub use follow::{Follower, Look, Written};
pub use journal::{Entry, Journal, cannot_start};
pub use place::LogPlace;
pub use position::{Position, Positions, state_folder};
pub use tail::{From, Mark, Tail, cannot_read};
pub use tries::Tries;
