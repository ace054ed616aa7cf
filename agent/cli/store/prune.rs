//! `opsagent store prune`: deletes what is old, now.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::{Which, failure};
use crate::cli::failure::Outcome;
use crate::cli::out::Out;
use crate::cli::words;
use crate::config::duration;
use crate::store::{Cut, Db, Pruned};

const AFTER: &str = "\
Examples:
  opsagent store prune --dry-run                    what is older than the config keeps it
  opsagent store prune --older-than 30d --dry-run   what would go
  opsagent store prune --older-than 30d

The agent does this by itself, by keep_runs, keep_events and keep_hourly of [store]; this is for a
disk that is nearly full. It may run beside the agent. Baselines, what is watched of each model, and
totals are never deleted.

Exit codes:
  0   done
  1   it failed; what went so far is gone
  2   the store is damaged; or the config has faults
  64  wrong usage";

/// Deletes runs, events and history that are old, and gives their room back to the disk
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// Deletes all that is older than this, such as 30d; by the config when left out
    #[arg(long, value_name = "TIME", value_parser = older_than)]
    older_than: Option<Duration>,
    /// Only tells what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    which: Which,
    /// Prints what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    deleted: Pruned,
    freed_bytes: u64,
}

fn older_than(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 12h, 30d or 1y".to_owned();
    duration::parse(text).ok_or_else(wrong)
}

/// Deletes.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let now = Timestamp::now();
    let cut = match args.older_than {
        Some(span) => Cut::all(now.checked_sub(span).context("cannot reckon so far back")?),
        None => args.which.plan()?.retention.cut(now),
    };
    let path = args.which.path()?;
    let mut freed_bytes = 0;
    let deleted = Db::open_existing(&path).and_then(|mut db| {
        if args.dry_run {
            return db.would_prune(&cut);
        }
        let deleted = db.prune(&cut)?;
        freed_bytes = db.compact()?;
        Ok(deleted)
    });
    let deleted = deleted.map_err(|error| failure("prune the store", error))?;
    let answer = Answer { dry_run: args.dry_run, deleted, freed_bytes };
    if args.json {
        out.json(&answer)?;
    } else {
        out.text(&format!("{}\n", told(&answer)))?;
    }
    Ok(0)
}

fn told(answer: &Answer) -> String {
    let Pruned { runs, answers, events, hourly } = answer.deleted;
    let counts = [(runs, "run"), (answers, "answer"), (events, "event"), (hourly, "hour")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| words::count(*count as usize, what))
        .collect();
    match (answer.dry_run, counts.is_empty()) {
        (true, true) => "nothing would be deleted".into(),
        (true, false) => format!("would delete {}", counts.join(", ")),
        (false, nothing) => {
            let what = if nothing { "nothing".into() } else { counts.join(", ") };
            format!("deleted {what}; {} given back to the disk", words::bytes(answer.freed_bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_told_in_a_line() {
        let some = Pruned { runs: 2, answers: 0, events: 1, hourly: 0 };
        let said = |dry_run, deleted| told(&Answer { dry_run, deleted, freed_bytes: 8192 });
        assert_eq!(said(true, some), "would delete 2 runs, 1 event");
        assert_eq!(said(true, Pruned::default()), "nothing would be deleted");
        assert_eq!(said(false, some), "deleted 2 runs, 1 event; 8.0 KiB given back to the disk");
        assert_eq!(said(false, Pruned::default()), "deleted nothing; 8.0 KiB given back to the disk");
    }

    #[test]
    fn a_time_is_written_as_in_the_config() {
        assert_eq!(older_than("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert!(older_than("soon").unwrap_err().contains("30d"));
    }
}
