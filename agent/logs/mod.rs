//! Logs of others: where they are, and how they are followed.

mod place;

pub use place::LogPlace;
