//! `opsagent store check`: whether the store is whole, and what lies in it.

use jiff::Timestamp;
use serde::Serialize;

use super::{DAMAGED, Which, failure};
use crate::cli::failure::Outcome;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::out::Out;
use crate::cli::{style, text, words};
use crate::store::{Db, Report};

const AFTER: &str = "\
Examples:
  opsagent store check
  opsagent store check --json | jq .tables
  opsagent store check --file /backup/ops.db    a copy is as good as the store

It changes nothing, and may run beside the agent. It reads the whole file: some seconds a gigabyte.

Exit codes:
  0   the store is whole
  1   there is none, or none that this user and this opsagent can read
  2   it is damaged; or the config has faults
  64  wrong usage";

/// Tells whether the store is whole, what lies in it, and how large it is
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Prints what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    whole: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Checks.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let report = Db::check(&args.which.path()?).map_err(|error| failure("check the store", error))?;
    let whole = report.faults.is_empty();
    if args.json {
        out.json(&Answer { whole, report: &report })?;
    } else {
        out.text(&told(&report, Timestamp::now(), Out::screen().width))?;
    }
    Ok(if whole { 0 } else { DAMAGED })
}

/// What a person reads.
fn told(report: &Report, now: Timestamp, width: usize) -> String {
    let mut lines = vec![text::clean(&report.path.display().to_string())];
    if report.faults.is_empty() {
        let free = match report.free_bytes {
            0 => String::new(),
            free => format!(", {} of it free", words::bytes(free)),
        };
        let log = report.wal_bytes.map(|log| format!(", and a log of {}", words::bytes(log)));
        lines.push(format!("whole: {}{free}{}", words::bytes(report.bytes), log.unwrap_or_default()));
    } else {
        lines.push(format!("damaged: {}", words::count(report.faults.len(), "fault")));
        for fault in &report.faults {
            let wrapped = text::wrap(&text::clean(fault), width.saturating_sub(2).max(20));
            lines.extend(wrapped.iter().map(|line| format!("  {line}")));
        }
        let remedy = "Stop the agent, move the file aside (with -wal and -shm beside it), and put a backup in its \
                      place or let the agent begin anew.";
        lines.extend(text::wrap(remedy, width.max(20)));
    }
    let made_by = report.made_by.as_ref().map(|by| format!(", made by {}", text::clean(by)));
    let older = match report.schema {
        schema if schema < report.schema_known => {
            format!(" (the agent brings it to {} at its next start)", report.schema_known)
        }
        _ => String::new(),
    };
    lines.push(format!("schema {}{older}{}", report.schema, made_by.unwrap_or_default()));
    lines.extend(tables(report, now, width));
    lines.join("\n") + "\n"
}

fn tables(report: &Report, now: Timestamp, width: usize) -> Vec<String> {
    if report.tables.is_empty() {
        return Vec::new();
    }
    let fixed = Column::fixed;
    let mut grid = Grid::new([fixed("WHAT"), fixed("ROWS"), fixed("OLDEST"), fixed("NEWEST")]);
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| words::ago(at, now));
    for table in &report.tables {
        let cells = [table.name.to_owned(), table.rows.to_string(), time(table.oldest), time(table.newest)];
        grid.push(cells.iter().map(|cell| Cell::new(cell)).collect());
    }
    let (head, rows) = grid.lines(width, style::BOLD);
    [String::new(), head].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;

    fn report() -> Report {
        let at = |second| Timestamp::from_second(second).ok();
        let table = |name, rows, oldest, newest| Table { name, rows, oldest, newest };
        Report {
            path: "/s/opsagent.db".into(),
            faults: Vec::new(),
            schema: 1,
            schema_known: 1,
            made_by: Some("opsagent 0.1.0".into()),
            bytes: 2 << 20,
            free_bytes: 4096,
            wal_bytes: Some(0),
            tables: vec![table("models", 2, None, None), table("runs", 812, at(0), at(259_000))],
        }
    }

    #[test]
    fn a_store_is_told_in_few_lines_that_fit_the_screen() {
        let now = Timestamp::from_second(259_200).unwrap();
        let shown = anstream::adapter::strip_str(&told(&report(), now, 80)).to_string();
        let expected = "\
/s/opsagent.db
whole: 2.0 MiB, 4.0 KiB of it free, and a log of 0 B
schema 1, made by opsagent 0.1.0

WHAT    ROWS  OLDEST   NEWEST
models  2     -        -
runs    812   3 d ago  3 min ago
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn damage_is_told_with_what_to_do_and_an_older_store_with_what_will_happen() {
        let faults = vec!["row 7 missing from index run_at and more ".repeat(4)];
        let damaged = Report { faults, tables: Vec::new(), schema: 1, schema_known: 2, ..report() };
        let shown = told(&damaged, Timestamp::UNIX_EPOCH, 80);
        assert!(shown.contains("\ndamaged: 1 fault\n  row 7 missing"), "{shown}");
        assert!(shown.contains("Stop the agent") && shown.contains("brings it to 2"), "{shown}");
        assert!(shown.lines().all(|line| text::width(line) <= 80), "{shown}");
    }
}
