//! `opsagent canary history`: what was found lately, out of the store.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::now;
use crate::cli::baseline::which::{self, Stored};
use crate::cli::failure::Outcome;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::out::Out;
use crate::cli::{style, text, words};
use crate::store::{StoredEvent, StoredRun, Wanted};
use crate::view::canary_words::nats;
use crate::view::traffic_words::number;

mod said;

const AFTER: &str = "\
Examples:
  opsagent canary history                      the last runs and events of all models
  opsagent canary history llm-a/qwen3:8b       of one model
  opsagent canary history --since 2d --json    for programs
  opsagent canary history --answers --limit 5  what models said, where store_answers keeps it

Exit codes:
  0   told, also where nothing was found
  1   the store cannot be read
  64  wrong usage";

/// Shows what canaries found lately: runs and events, out of the store
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// The model, as TARGET/MODEL; all when left out
    #[arg(value_name = "TARGET/MODEL")]
    name: Option<String>,
    /// At most so many runs, and so many events
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Not older than this, such as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<SignedDuration>,
    /// The stored answers of these runs in place of the runs, and with --json beside them
    #[arg(long)]
    answers: bool,
    /// Prints them as JSON
    #[arg(long)]
    json: bool,
    /// The config: where the store lies
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    config: Option<PathBuf>,
}

/// A length of time, with days.
fn span(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "expected a time above zero, such as 90m, 2h or 7d".to_owned();
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let span = match days {
        Some(days) => SignedDuration::from_hours(i64::from(days) * 24),
        None => text.parse().map_err(|_| wrong())?,
    };
    if span.is_positive() { Ok(span) } else { Err(wrong()) }
}

/// Shows them.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.config.as_deref())?;
    let mut wanted = match &args.name {
        Some(name) => Wanted::of(&which::key(&stored.keys()?, name)?),
        None => Wanted::default(),
    }
    .newest(args.limit);
    let now = now();
    wanted.since = args.since.and_then(|since| now.checked_sub(since).ok());
    let (runs, events) =
        (stored.db.runs(&wanted).map_err(which::failed)?, stored.db.events(&wanted).map_err(which::failed)?);
    let answers = if args.answers { said::of(&stored.db, &runs)? } else { Vec::new() };
    if args.json {
        let mut told = json!({ "schema_version": 1, "runs": runs, "events": events });
        if args.answers {
            told["answers"] = answers.iter().map(said::json).collect::<Vec<Value>>().into();
        }
        out.json(&told)?;
        return Ok(0);
    }
    let width = Out::screen().width;
    if args.answers {
        out.text(&(said::lines(&answers, now, width).join("\n") + "\n"))?;
        return Ok(0);
    }
    let mut lines = runs_of(&runs, now, width);
    if !events.is_empty() {
        lines.push(String::new());
        lines.extend(events_of(&events, now, width));
    }
    out.text(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

fn runs_of(runs: &[StoredRun], now: Timestamp, width: usize) -> Vec<String> {
    if runs.is_empty() {
        return vec!["no run is stored: the agent keeps its own, opsagent canary --save yours".into()];
    }
    let mut grid = Grid::new([
        Column::fixed("RUN"),
        Column::flexible("MODEL", 12),
        Column::fixed("FOR").goes(3),
        Column::fixed("RESULT"),
        Column::fixed("VERDICT"),
        Column::fixed("KLD"),
        Column::fixed("PASSED").goes(2),
        Column::fixed("TOKENS/S").goes(1),
    ]);
    for stored in runs {
        let run = &stored.run;
        let passed = run.passed.zip(run.graded).map(|(of, all)| format!("{of}/{all}"));
        let looks = match run.result.as_str() {
            "exceed" => style::WARNING,
            "error" => style::CRITICAL,
            _ => style::PLAIN,
        };
        grid.push(vec![
            Cell::new(&words::ago(run.at, now)),
            Cell::new(&format!("{}/{}", stored.key.target, stored.key.model)),
            Cell::new(&run.purpose),
            Cell::styled(&run.result, looks),
            Cell::new(&run.verdict),
            Cell::new(&run.kld.map(nats).unwrap_or_default()),
            Cell::new(&passed.unwrap_or_default()),
            Cell::new(&run.tokens_per_second.map(number).unwrap_or_default()),
        ]);
    }
    grid.drop_columns_of("");
    grid.drop_columns_to_fit(width);
    let (head, rows) = grid.lines(width, style::BOLD);
    std::iter::once(head).chain(rows).collect()
}

fn events_of(events: &[StoredEvent], now: Timestamp, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for stored in events {
        let event = &stored.event;
        let looks = match event.severity.as_str() {
            "critical" => style::CRITICAL,
            "warning" => style::WARNING,
            _ => style::PLAIN,
        };
        let begin = format!("{}  ", words::ago(event.at, now));
        let sentence = text::clean(&event.words);
        for (nth, line) in text::wrap(&sentence, width.saturating_sub(4).max(1)).into_iter().enumerate() {
            if nth == 0 {
                lines.push(text::fit(
                    &format!("{begin}{} {}", text::clean(&event.kind), text::clean(&event.severity)),
                    width,
                ));
            }
            lines.push(format!("    {looks}{line}{looks:#}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_days() {
        assert_eq!(span("7d"), Ok(SignedDuration::from_hours(168)));
        assert_eq!(span("90m"), Ok(SignedDuration::from_mins(90)));
        for bad in ["", "0d", "-1h", "soon", "d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
