//! What the tests stand on: fake servers, real ones, a started agent.

pub mod gguf;
pub mod process;
pub mod real;
pub mod tiny_model;
