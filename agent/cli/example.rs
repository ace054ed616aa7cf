//! `opsagent config`: a config to begin with.

use super::failure::Outcome;
use super::out::Out;
use crate::config;

const AFTER: &str = "\
Examples:
  opsagent config > opsagent.toml
  opsagent check --config opsagent.toml";

/// Prints a commented config with every key and its default
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {}

/// Prints it.
pub(super) fn run(_: &Args, out: &mut Out) -> Outcome {
    out.raw(config::EXAMPLE.as_bytes())?;
    Ok(0)
}
