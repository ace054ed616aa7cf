//! `opsagent canary`: asks a model what is known, shows the answers beside their checks, and says whether it answers
//! as it did.

use super::failure::{Failure, Outcome as Exit, UNKNOWN};
use super::kept::Kept;
use super::out::Out;
use super::{source, text};
use crate::http::Clients;
use crate::procs::Machine;
use crate::store::Key;
use crate::suite::Suite;
use outcome::{Outcome, Standing};
use silence::Silence;

mod answers;
pub(super) mod asking;
mod history;
mod json;
mod outcome;
mod pick;
mod progress;
pub(super) mod ready;
mod silence;
mod summary;

pub(super) use pick::{Picked, Which, now, pick};
pub(super) use progress::Progress;

const AFTER: &str = "\
Examples:
  opsagent canary                          the model in memory, by the agent or the config
  opsagent canary --quick                  its first tokens alone: seconds, and compared
  opsagent canary --url http://box:8080    any server, with nothing else; its kind is found
  opsagent canary --model qwen3:8b         one of several
  opsagent canary --only json,ar1          some of it; --show answers shows them whole
  opsagent canary --save                   kept for the baseline, also without an agent
  opsagent canary --json                   for programs, without the answers' text
  opsagent canary history                  what was found lately

It asks the 30 built-in canaries and those of the config, some 1,000 tokens of answers; --quick takes
35. No model is loaded for it unless --load is said. What moved is looked at again at once. Answers
are shown to you and stored nowhere (but by store_answers in the config).

Exit codes:
  0   it answers as it did; without a baseline: it answers
  1   something moved and it is not sure, the numbers alone drifted, canaries of the config fail, or a part of the
      questions got no answer
  2   it drifted, or fails: most answers are empty or broken; without a baseline: not one of them is right
  3   it could not be asked, or most questions got no answer; or wrong usage
  130 interrupted by Ctrl-C: the server stops generating";

/// Asks a model known prompts now, and tells whether it still answers as it did
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    which: Which,
    /// These canaries or categories alone, such as ar1,json; they are not compared with the baseline
    #[arg(long, value_name = "ID|CATEGORY", value_delimiter = ',')]
    only: Vec<String>,
    /// How often all is asked, one after another
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// First tokens alone: answers in seconds, and is compared with the baseline
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// Keeps the run in the store, where it counts for the baseline
    #[arg(long, conflicts_with = "only")]
    save: bool,
    /// Prints what was found as JSON
    #[arg(long)]
    json: bool,
    /// Shows whole answers below their checks, and with --json their text
    #[arg(long, value_name = "WHAT", value_parser = ["answers"])]
    show: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    History(history::Args),
}

/// Asks, or tells what was asked before.
pub(super) fn run(args: &Args, out: &mut Out) -> Exit {
    match &args.verb {
        Some(Verb::History(args)) => history::run(args, out),
        None => source::block_on(ask(args, out)),
    }
}

async fn ask(args: &Args, out: &mut Out) -> Exit {
    let (clients, machine) = (Clients::new(), Machine::here());
    let picked = pick(&args.which, &clients, &machine).await?;
    let whole = asking::suite(&picked);
    let asked = part(args, &whole)?;
    // Before a token is spent: that it cannot be kept is worth knowing first.
    let key = Key::new(&picked.target.name, &picked.model);
    let url = picked.alone.then(|| picked.target.shown_url());
    let mut kept = Kept::open(key, &picked.config, url, &whole, args.save)?;
    let done = asking::ask(args, &picked, &asked, &whole, &mut kept, &clients, &machine).await?;
    let answers = || done.all.iter().flat_map(|done| &done.run.answers);
    let silence = Silence::of(answers(), &whole);
    if let Some(why) = silence.is_whole() {
        return Err(Failure::say(
            UNKNOWN,
            format!(
                "cannot ask {} of {}: {}",
                text::clean(&picked.model),
                picked.target.name,
                text::clean(why)
            ),
        ));
    }
    let graded = answers::graded(answers(), &asked);
    let mut outcome = Outcome {
        target: &picked.target.name,
        model: &picked.model,
        kind: picked.kind.name,
        version: picked.version.as_deref(),
        url: picked.target.shown_url(),
        suite: whole.hash(),
        standing: match kept.standing(!args.only.is_empty()) {
            Ok(compared) => Standing::Compared(compared),
            Err(why) => Standing::None { why },
        },
        speed: done.speed(),
        spent: done.spent(),
        busy: done.busy,
        own_fails: answers::own_fails(&graded),
        passed: answers::passed(&graded),
        silence,
        saved: None,
        code: 0,
    };
    if args.save {
        outcome.saved = Some(kept.save(&whole)?);
    }
    outcome.code = outcome.code();
    if args.json {
        out.raw(&json::json(&outcome, &graded, done.last_answers(), args.show.is_some())?)?;
        return Ok(outcome.code);
    }
    let width = Out::screen().width;
    let head = format!("{} / {}", outcome.target, outcome.model);
    let about: Vec<&str> =
        [Some(outcome.kind), outcome.version, Some(&*outcome.url)].into_iter().flatten().collect();
    let mut lines = headline(&text::clean(&head), &text::clean(&format!("({})", about.join(", "))), width);
    lines.push(String::new());
    if !graded.is_empty() {
        lines.extend(answers::lines(&graded, args.show.is_some(), width));
        lines.push(String::new());
    }
    lines.extend(summary::lines(&outcome, &graded, now(), width));
    out.text(&(lines.join("\n") + "\n"))?;
    Ok(outcome.code)
}

/// Who was asked, and what is known of its server beside it, or below where the name alone fills the line.
fn headline(name: &str, about: &str, width: usize) -> Vec<String> {
    let both = format!("{name}  {about}");
    if text::width(&both) <= width {
        return vec![both];
    }
    [name, about].map(|line| text::fit(line, width)).into()
}

/// What of the suite is asked.
fn part(args: &Args, whole: &Suite) -> Result<Suite, Failure> {
    if args.quick {
        return Ok(whole.quick());
    }
    if args.only.is_empty() {
        return Ok(whole.clone());
    }
    let names: Vec<&str> = args.only.iter().map(String::as_str).collect();
    whole.only(&names).map_err(|why| Failure::say(UNKNOWN, format!("cannot ask: {}", text::clean(&why))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_a_long_name_leaves_its_server_a_line() {
        let about = "(llama_cpp, http://localhost:8080)";
        assert_eq!(
            headline("box / qwen3:8b", about, 80),
            ["box / qwen3:8b  (llama_cpp, http://localhost:8080)"]
        );
        let path = format!("box / /srv/{}", "models/".repeat(8));
        assert_eq!(headline(&path, about, 80), [path.as_str(), about]);
        assert!(headline(&path, about, 20).iter().all(|line| text::width(line) <= 20));
    }
}
