//! A fake of NVIDIA's management library (NVML), loaded in its place. What it answers stands in a scenario, a
//! JSON file named by `OPSAGENT_FAKE_NVML_SCENARIO`; `scenario.rs` says what may stand in it.
//!
//! It exports every function of NVIDIA's `nvml.h`. Those that a monitor asks answer from the scenario; the rest
//! are not supported. `tests/fake-nvml/check` holds names, layouts and numbers to that header;
//! `tests/fake-nvml/record` writes what real cards answer as a scenario.

#[macro_use]
mod macros;

mod abi;
mod calls;
mod clocks;
mod describe;
mod events;
mod field_table;
mod fields;
mod health;
mod identity;
mod layout;
mod links;
mod machine;
mod memory;
mod mig;
mod names;
mod processes;
mod readings;
mod scenario;
mod stubs;
mod system;
mod value;
