//! `opsagent store`: looks through what outlives a restart, copies it, deletes what is old.

use std::path::PathBuf;

use super::failure::{Failure, Outcome};
use super::out::Out;
use crate::config::{Config, StorePlan};
use crate::store::{self, Reason, StoreError};

mod backup;
mod check;
mod prune;

/// The store is damaged.
const DAMAGED: u8 = 2;

const AFTER: &str = "\
Examples:
  opsagent store check                     is it whole, what lies in it, how large is it?
  opsagent store backup /backup/ops.db     a copy as of now, also while the agent runs
  opsagent store prune --older-than 30d    delete what is older

The store is one file: baselines, runs of canaries, events, totals, the history by hours. Where it
lies: [store] path of the config, else opsagent.db in STATE_DIRECTORY, in /var/lib/opsagent if a
service has one there, or in ~/.local/state/opsagent. Run this as the agent's user:
sudo -u opsagent opsagent store check

Each of these has its own help and exit codes: opsagent store check --help";

/// Checks, copies and prunes what outlives a restart: baselines, runs, events
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Backup(backup::Args),
    Prune(prune::Args),
}

/// Does what was asked.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    match &args.verb {
        Verb::Check(args) => check::run(args, out),
        Verb::Backup(args) => backup::run(args, out),
        Verb::Prune(args) => prune::run(args, out),
    }
}

/// Which store is meant.
#[derive(Debug, clap::Args)]
struct Which {
    /// The store's file, instead of the one that the config or the environment says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The config; /etc/opsagent/opsagent.toml if it exists, else the defaults
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    config: Option<PathBuf>,
}

impl Which {
    /// What the config says of it. A config that was not named matters only where the store's file was not.
    fn plan(&self) -> Result<StorePlan, Failure> {
        let named = self.file.is_some() && self.config.is_none();
        match Config::load(self.config.as_deref()) {
            Ok(config) => Ok(StorePlan { path: self.file.clone().or(config.store.path), ..config.store }),
            Err(_) if named => Ok(StorePlan { path: self.file.clone(), ..StorePlan::default() }),
            Err(faults) => {
                Err(Failure::faults(super::failure::BAD_CONFIG, &faults, "tell where the store lies"))
            }
        }
    }

    /// Where it lies.
    fn path(&self) -> Result<PathBuf, Failure> {
        let plan = self.plan()?;
        store::of_command(plan.path.as_deref(), |name| std::env::var_os(name))
            .map_err(|error| failure("tell where the store lies", error))
    }
}

/// What does not happen, and why.
fn failure(cannot: &str, error: StoreError) -> Failure {
    let code = if error.kind() == Reason::Damaged { DAMAGED } else { 1 };
    Failure::new(code, anyhow::Error::new(error).context(format!("cannot {cannot}")))
}
