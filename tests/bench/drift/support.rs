//! Parts of the tests that the acceptance stands on too.
#![allow(dead_code)]

#[path = "../../it/support/asked.rs"]
pub mod asked;
#[path = "../../it/support/changed_model.rs"]
pub mod changed_model;
#[path = "../../it/support/changes.rs"]
pub mod changes;
#[path = "../../it/support/drill.rs"]
pub mod drill;
#[path = "../../it/support/gguf.rs"]
pub mod gguf;
#[path = "../../it/support/process.rs"]
pub mod process;
#[path = "../../it/support/random.rs"]
pub mod random;
#[path = "../../it/support/real.rs"]
pub mod real;
#[path = "../../it/support/tiny_model.rs"]
pub mod tiny_model;
