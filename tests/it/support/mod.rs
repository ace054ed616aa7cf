//! What the tests stand on: fake servers, real ones, a started agent.

pub mod agent;
pub mod authority;
pub mod clock;
pub mod counted_traffic;
pub mod eye;
pub mod fake;
pub mod fixture;
pub mod gguf;
pub mod golden;
pub mod machine;
pub mod nvml;
pub mod page_view;
pub mod presets;
pub mod process;
pub mod promtool;
pub mod raw;
pub mod real;
pub mod rich_gpus;
pub mod rich_traffic;
pub mod rich_view;
pub mod served;
pub mod stopwatch;
pub mod tiny_model;
pub mod tree;
pub mod wire;
