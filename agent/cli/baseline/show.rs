//! `opsagent baseline list` and `show`.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::which::{self, Stored};
use super::{Numbered, Pick};
use crate::cli::canary::now;
use crate::cli::failure::Outcome;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::out::Out;
use crate::cli::{style, text, words};
use crate::drift::{Baseline, Probe};
use crate::view::canary_words::nats;

/// Letters of a suite's hash that tell two apart.
const HASH: usize = 12;

const AFTER_LIST: &str = "\
Examples:
  opsagent baseline list                   of all models
  opsagent baseline list llm-a/qwen3:8b    of one";

const AFTER_SHOW: &str = "\
Examples:
  opsagent baseline show llm-a/qwen3:8b      the one in force
  opsagent baseline show llm-a/qwen3:8b 2    number 2";

/// What is listed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_LIST)]
pub(super) struct ListArgs {
    /// The model, as TARGET/MODEL; all when left out
    #[arg(value_name = "TARGET/MODEL")]
    name: Option<String>,
    /// Prints them as JSON
    #[arg(long)]
    json: bool,
    /// The config: where the store lies
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    config: Option<PathBuf>,
}

/// What is shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_SHOW)]
pub(super) struct Args {
    #[command(flatten)]
    which: Numbered,
    /// Prints the whole as JSON, with every state
    #[arg(long)]
    json: bool,
}

/// Lists the baselines of one model, or of all.
pub(super) fn list(args: &ListArgs, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.config.as_deref())?;
    let keys = stored.keys()?;
    let keys = match &args.name {
        Some(name) => vec![which::key(&keys, name)?],
        None => keys,
    };
    let now = now();
    let mut grid = Grid::new([
        Column::flexible("MODEL", 16),
        Column::fixed("NUMBER"),
        Column::fixed("IN FORCE"),
        Column::fixed("RUNS"),
        Column::fixed("MADE"),
        Column::fixed("SUITE").goes(1),
    ]);
    let (mut all, mut without) = (Vec::new(), Vec::new());
    for key in &keys {
        let active = stored.db.active(key)?.map(|record| record.number);
        let records = stored.db.baselines(key)?;
        if records.is_empty() {
            without.push(which::name(key));
        }
        for record in records {
            let in_force = active == Some(record.number);
            grid.push(vec![
                Cell::styled(&which::name(key), style::BOLD),
                Cell::new(&record.number.to_string()),
                Cell::new(if in_force { "yes" } else { "" }),
                Cell::new(&record.runs.to_string()),
                Cell::new(&words::ago(record.at, now)),
                Cell::styled(
                    record.suite.trim_start_matches("sha256:").get(..HASH).unwrap_or(&record.suite),
                    style::DIM,
                ),
            ]);
            all.push(
                json!({ "target": key.target, "model": key.model, "in_force": in_force, "baseline": record }),
            );
        }
    }
    if args.json {
        out.json(&json!({ "schema_version": 1, "baselines": all }))?;
        return Ok(0);
    }
    let width = Out::screen().width;
    let mut lines = Vec::new();
    if !all.is_empty() {
        grid.drop_columns_to_fit(width);
        let (head, rows) = grid.lines(width, style::BOLD);
        lines.push(head);
        lines.extend(rows);
    }
    for name in without {
        lines.extend(text::wrap(&format!("{name} has none yet: opsagent baseline capture {name}"), width));
    }
    if lines.is_empty() {
        lines.push("nothing is stored yet".into());
    }
    out.text(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

/// Shows one.
pub(super) fn show(args: &Args, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.which.named.config.as_deref())?;
    let key = which::key(&stored.keys()?, &args.which.named.name)?;
    let baseline = super::baseline(&stored, &key, args.which.number, Pick::Active)?;
    if args.json {
        out.json(&baseline)?;
        return Ok(0);
    }
    let width = Out::screen().width;
    let mut lines = vec![format!(
        "{}{}{:#}",
        style::BOLD,
        text::fit(&format!("{}, baseline {}", which::name(&key), baseline.number), width),
        style::BOLD
    )];
    for (head, value) in facts(&baseline, now()) {
        lines.extend(said(&head, &value, width));
    }
    out.text(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

/// `head          value`, on as many lines as it takes.
pub(super) fn said(head: &str, value: &str, width: usize) -> Vec<String> {
    const HEAD: usize = 14;
    let wrapped = text::wrap(&text::clean(value), width.saturating_sub(HEAD).max(8));
    let one = |(nth, line): (usize, String)| {
        let head = if nth == 0 { text::fit(&text::clean(head), HEAD - 1) } else { String::new() };
        let pad = " ".repeat(HEAD.saturating_sub(text::width(&head)));
        text::fit(&format!("{head}{pad}{line}"), width.max(HEAD + 8))
    };
    wrapped.into_iter().enumerate().map(one).collect()
}

fn facts(baseline: &Baseline, now: Timestamp) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut say = |head: &str, value: String| all.push((head.to_owned(), value));
    let made = baseline.at.map(|at| words::ago(at, now)).unwrap_or_default();
    say(
        "runs",
        format!(
            "{}, {} of them with several questions at once, {} with long prompts; the last {made}",
            baseline.runs, baseline.loaded_runs, baseline.long_runs
        ),
    );
    let same = if baseline.deterministic { "the same each time" } else { "not the same each time" };
    say(
        "numbers",
        if baseline.text_mode { "not told by the server: texts are compared".into() } else { same.into() },
    );
    let of = |probe: Probe| {
        let known = baseline.canaries.values().filter(|known| known.probe == probe);
        known.fold((0, 0), |sum, known| (sum.0 + 1, sum.1 + known.states.len()))
    };
    for probe in Probe::ALL {
        let (asked, states) = of(*probe);
        if asked > 0 {
            say(probe.name(), format!("{asked} compared, {states} states known"));
        }
    }
    let unit = if baseline.text_mode { "of the texts" } else { "nat" };
    say(
        "tolerance",
        format!("{} {unit}; of medians {}", nats(baseline.tolerance), nats(baseline.slow_tolerance)),
    );
    if !baseline.text_mode {
        let of =
            if baseline.margin_learned { "by this model's own noise" } else { "its own noise is not known" };
        say(
            "sure",
            format!(
                "of a token that leads by {} nat: another in its place is told ({of})",
                nats(baseline.margin)
            ),
        );
    }
    let stable: Vec<&str> = baseline
        .checks
        .iter()
        .filter(|(_, record)| record.is_stable())
        .map(|(name, _)| name.as_str())
        .collect();
    let unstable: Vec<&str> = baseline
        .checks
        .iter()
        .filter(|(_, record)| record.is_unstable())
        .map(|(name, _)| name.as_str())
        .collect();
    say("checks", format!("{} watched: {}", stable.len(), stable.join(", ")));
    if !unstable.is_empty() {
        say("not watched", format!("passed too seldom: {}", unstable.join(", ")));
    }
    for (canary, why) in &baseline.dropped {
        say("dropped", format!("{canary}: {why}"));
    }
    for (fact, value) in &baseline.facts.of {
        say(fact.name(), value.clone());
    }
    for (note, value) in &baseline.facts.notes {
        say(note, value.clone());
    }
    for weak in &baseline.weak {
        say("weak", weak.clone());
    }
    all
}
