//! Reads what servers write. Pure: bytes in, values out, and any bytes give an answer.

pub mod exposition;
mod meter;
mod paths;

pub use meter::{Close, Head, Meter, Progress};
pub use paths::dialect_of;
