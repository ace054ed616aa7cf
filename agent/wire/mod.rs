//! Reads what servers write. Pure: bytes in, values out, and any bytes give an answer.

mod answer;
pub mod asking;
mod dialects;
mod ending;
pub mod exposition;
mod frames;
mod json;
mod meter;
mod pace;
mod paths;
mod place;
mod request;
mod scalars;
pub mod server_log;
mod shape;
mod tally;
mod unpack;
mod words;

pub use meter::{Close, Head, Meter, Progress};
pub use paths::dialect_of;
