//! `opsagent baseline`: what models are compared with: made, listed, shown, taken, gone back to.

use std::path::PathBuf;

use clap::Subcommand;

use super::canary::now;
use super::failure::{Failure, Outcome};
use super::kept::Kept;
use super::out::Out;
use crate::drift::{Baseline, Refused, Seen};
use crate::store::{Key, Reason, StoreError};
use which::Stored;

mod capture;
mod diff;
mod made;
mod show;
pub(super) mod which;

const AFTER: &str = "\
Examples:
  opsagent baseline list                       all there are
  opsagent baseline show llm-a/qwen3:8b        what is in the one in force; a number after it takes another
  opsagent baseline capture llm-a/qwen3:8b     a full one now: 300 runs, a part of them under load
  opsagent baseline accept llm-a/qwen3:8b      what it does since it moved is right: alarms end
  opsagent baseline rollback llm-a/qwen3:8b    back to the one before; or to a number
  opsagent baseline diff llm-a/qwen3:8b 1 3    what differs between two

Baselines make themselves while all is quiet: the first after 20 runs. None is ever changed or deleted. A running
agent takes what is decided here before its next run.

Exit codes:
  0   done
  1   it failed: the store cannot be used, or there is nothing to accept
  2   the config has faults
  3   of capture: the model could not be asked
  64  wrong usage, or a model that nothing is stored of
  130 interrupted by Ctrl-C: nothing was kept";

const AFTER_ACCEPT: &str = "\
Examples:
  opsagent baseline accept llm-a/qwen3:8b    as the alarm's text prints it

What the model did since it moved becomes its baseline; the former one stays: rollback goes back to it.";

const AFTER_ROLLBACK: &str = "\
Examples:
  opsagent baseline rollback llm-a/qwen3:8b      to the one before that in force
  opsagent baseline rollback llm-a/qwen3:8b 1    to number 1";

/// Shows and decides what models are compared with
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a full baseline now: many runs, a part of them under load
    Capture(Box<capture::Args>),
    /// Lists the baselines of one model, or of all
    List(show::ListArgs),
    /// Shows what is in a baseline
    Show(show::Args),
    /// Takes what the model does since it moved as its baseline: alarms end
    #[command(after_long_help = AFTER_ACCEPT)]
    Accept(Named),
    /// Goes back to an earlier baseline
    #[command(after_long_help = AFTER_ROLLBACK)]
    Rollback(Numbered),
    /// Tells what differs between two baselines
    Diff(diff::Args),
}

/// A model of the store.
#[derive(Debug, clap::Args)]
struct Named {
    /// The model, as TARGET/MODEL
    #[arg(value_name = "TARGET/MODEL")]
    name: String,
    /// The config: where the store lies
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    config: Option<PathBuf>,
}

/// The same with the number of a baseline.
#[derive(Debug, clap::Args)]
struct Numbered {
    #[command(flatten)]
    named: Named,
    /// The baseline's number; the one before that in force when left out
    number: Option<u32>,
}

/// Does it.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    match &args.verb {
        Verb::Capture(args) => capture::run(args, out),
        Verb::List(args) => show::list(args, out),
        Verb::Show(args) => show::show(args, out),
        Verb::Accept(args) => accept(args, out),
        Verb::Rollback(args) => rollback(args, out),
        Verb::Diff(args) => diff::run(args, out),
    }
}

fn accept(args: &Named, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.config.as_deref())?;
    let key = which::key(&stored.keys()?, &args.name)?;
    let seen = change(&stored, &key, |kept| Ok((kept.watch.accept(now())?, None)))?;
    told(&seen, out)
}

fn rollback(args: &Numbered, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.named.config.as_deref())?;
    let key = which::key(&stored.keys()?, &args.named.name)?;
    let to = baseline(&stored, &key, args.number, Pick::Before)?;
    let number = to.number;
    let seen = change(&stored, &key, |kept| Ok((kept.watch.rollback(to.clone(), now())?, Some(number))))?;
    told(&seen, out)
}

/// What happened, in the words of the event.
fn told(seen: &Seen, out: &mut Out) -> Outcome {
    for event in &seen.events {
        out.text(&format!("{}\n", super::text::clean(&event.text)))?;
    }
    Ok(0)
}

/// Does it to the watch and writes what came of it; anew where another process wrote in between.
fn change(
    stored: &Stored,
    key: &Key,
    mut what: impl FnMut(&mut Kept) -> Result<(Seen, Option<u32>), Refused>,
) -> Result<Seen, Failure> {
    /// So often it is tried anew.
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        let mut kept = Kept::reopen(key.clone(), &stored.config)?;
        let (seen, active) = what(&mut kept)
            .map_err(|refused| Failure::say(1, format!("cannot do that for {}: {refused}", kept.name())))?;
        match kept.write_seen(&seen, active, now()) {
            Ok(()) => return Ok(seen),
            Err(error) if error.kind() == Reason::Changed => {}
            Err(error) => return Err(which::failed(error)),
        }
    }
    Err(Failure::say(1, "others write to the store all the time; try again"))
}

/// Which baseline is meant where no number is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    /// The one in force.
    Active,
    /// The one before it.
    Before,
}

/// One of a model's baselines.
fn baseline(stored: &Stored, key: &Key, number: Option<u32>, else_: Pick) -> Result<Baseline, Failure> {
    let name = which::name(key);
    let none = |why: String| Failure::say(64, format!("cannot take a baseline of {name}: {why}"));
    let all: Vec<u32> =
        stored.db.baselines(key).map_err(which::failed)?.iter().map(|record| record.number).collect();
    let active = stored.db.active(key).map_err(which::failed)?.map(|record| record.number);
    let there = || all.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let number = match (number, else_, active.or(all.last().copied())) {
        (_, _, None) => {
            return Err(none(format!("there is none yet; opsagent baseline capture {name} makes one")));
        }
        (Some(number), ..) => number,
        (None, Pick::Active, Some(active)) => active,
        (None, Pick::Before, Some(active)) => {
            let before = all.iter().rev().find(|number| **number < active);
            *before
                .ok_or_else(|| none(format!("there is none before number {active}; there is {}", there())))?
        }
    };
    let record = stored.db.baseline(key, number).map_err(which::failed)?;
    let record = record.ok_or_else(|| none(format!("there is no number {number}; there is {}", there())))?;
    Baseline::of_json(&record.json)
        .map_err(|error| Failure::say(1, format!("cannot read baseline {number} of {name}: {error}")))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        which::failed(error)
    }
}
