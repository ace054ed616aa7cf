//! `opsagent status`: how all fares, from the running agent or by looking oneself.

use std::time::Duration;

use anyhow::Context as _;

use super::failure::Outcome;
use super::out::Out;
use super::source::{self, Told, Whom};
use super::{flags, screen, table};

const AFTER: &str = "\
Examples:
  opsagent status                          the running agent's word, else a look of its own
  opsagent status --watch                  again every 2 s, until Ctrl-C
  opsagent status --target box             one target only
  opsagent status gpu1 gpu2:9000           several agents in one table
  opsagent status --json | jq .targets     for programs; see schema_version

The columns: LOADED is models in memory / on disk, SLOTS requests at work / at once, QUEUE requests
that wait; - is not told by the server, never zero. The lines of traffic, of targets with a tap or a
log: what is under way, how the last 5 minutes were, and what was odd (opsagent explain tap, ttft).

Exit codes, as of monitoring plugins:
  0   OK
  1   WARNING: somebody should look
  2   CRITICAL: a target is down or hung
  3   UNKNOWN: no target, not polled yet, no answer, or wrong usage
  130 interrupted by Ctrl-C";

/// Shows how servers, models and GPUs fare; exit code as of a monitoring plugin
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(flatten)]
    whom: Whom,
    /// Prints the whole view as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Looks again every 2 s, or as often as said (--watch=10s), until Ctrl-C
    #[arg(
        long,
        value_name = "EVERY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = flags::time
    )]
    watch: Option<Duration>,
    /// This target only
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// Looks once, or again and again.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    source::block_on(look(args, out))
}

async fn look(args: &Args, out: &mut Out) -> Outcome {
    let source = args.whom.source(&args.whom.agents)?;
    let Some(every) = args.watch else {
        let told = source.look().await.and_then(|told| told.only(args.target.as_deref()))?;
        screen::note(&told.by);
        return show(&told, args, out);
    };
    let mut screen = screen::Watch::default();
    loop {
        let told = source.look().await.and_then(|told| told.only(args.target.as_deref()));
        match told {
            Ok(told) if args.json => {
                screen.note_if_new(&told.by);
                show(&told, args, out)?;
            }
            Ok(told) => {
                let room = Out::screen();
                let table = table::render(&told.view, &told.lost, room.width);
                screen.draw(&table, &told.by, room, out)?;
            }
            // The next look may do better: that is what one watches for.
            Err(failure) => screen.draw("", failure.text().trim_end(), Out::screen(), out)?,
        }
        if out.gone() {
            return Ok(0);
        }
        tokio::time::sleep(every).await;
    }
}

/// Prints what was told once, and gives the exit code that says the same.
fn show(told: &Told, args: &Args, out: &mut Out) -> Outcome {
    if args.json {
        let json = if args.watch.is_some() {
            serde_json::to_string(&told.view)
        } else {
            serde_json::to_string_pretty(&told.view)
        };
        out.raw(format!("{}\n", json.context("cannot write the view as JSON")?).as_bytes())?;
        for lost in &told.lost {
            screen::note(&format!("{} does not answer: {}", lost.agent, lost.why));
        }
    } else {
        out.text(&table::render(&told.view, &told.lost, Out::screen().width))?;
    }
    Ok(table::health(&told.view, &told.lost).exit_code())
}
