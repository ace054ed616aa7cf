//! `opsagent store backup`: a copy of the store as of now.

use std::path::PathBuf;

use serde::Serialize;

use super::{Which, failure};
use crate::cli::failure::Outcome;
use crate::cli::out::Out;
use crate::cli::{text, words};
use crate::store::Db;

const AFTER: &str = "\
Examples:
  opsagent store backup /backup/opsagent.db
  opsagent store backup --force /backup/opsagent.db    over the copy of yesterday

The copy is of one instant, also while the agent writes. It is looked through and on the disk before
it gets its name: a file of that name is always whole.

To put it back: stop the agent, copy it over the store, remove the files beside the store that end
in -wal and -shm, start the agent.

Exit codes:
  0   done
  1   it failed; nothing of that name was left or changed
  2   the store is damaged; or the config has faults
  64  wrong usage";

/// Copies the store to a file, also while the agent runs
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// The copy
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Replaces a file of that name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
    /// Prints what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    from: &'a std::path::Path,
    to: &'a std::path::Path,
    bytes: u64,
}

/// Copies.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let from = args.which.path()?;
    let copied = Db::open_existing(&from).and_then(|db| db.backup(&args.to, args.force));
    let bytes = copied.map_err(|error| failure("copy the store", error))?;
    if args.json {
        out.json(&Answer { from: &from, to: &args.to, bytes })?;
    } else {
        let said = format!("{} copied to {} ({})", from.display(), args.to.display(), words::bytes(bytes));
        out.text(&format!("{}\n", text::clean(&said)))?;
    }
    Ok(0)
}
