//! `opsagent baseline capture`: a full baseline at once, a part of its runs under load.

use std::time::Duration;

use super::{made, which};
use crate::canary::{Asking, SEED};
use crate::cli::canary::ready::{Ready, Wanted};
use crate::cli::canary::{Picked, Progress, Which, asking, now, pick};
use crate::cli::failure::{Failure, Outcome, UNKNOWN};
use crate::cli::kept::Kept;
use crate::cli::out::Out;
use crate::cli::{screen, source, text, words};
use crate::drift::LEAST_LONG_RUNS;
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::{Purpose, Question, Run, Sampling};
use crate::store::{Key, Reason};
use crate::suite::Suite;

/// Runs that ask for whole answers, too: the first by greed, the others by the server's own defaults. As many as it
/// takes to trust a check.
const GRADED: u32 = 6;

/// Runs that ask the long prompts, too: as many as it takes to compare them.
const LONG: u32 = LEAST_LONG_RUNS as u32;

/// The least that a baseline is made of.
const LEAST: i64 = 20;

const AFTER: &str = "\
Examples:
  opsagent baseline capture llm-a/qwen3:8b              300 runs, half of them under load
  opsagent baseline capture llm-a/qwen3:8b --runs 40    sooner done; a change then takes 8 runs to be found
  opsagent baseline capture --url http://box:8080       of a server that nobody knows yet

It asks some 11,000 tokens of answers for the fingerprint, six times all whole answers (some 700 tokens each time),
and twelve times the long prompts (some 4,000 tokens each time): a small model on one processor takes 5 to 20
minutes, few runs not much less than many. Say it while the model is as it should be: what it does now is what it is held
against. Nothing is kept before the end; a model that is replaced, leaves memory or falls silent ends it.";

/// How it is made.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// The model, as TARGET/MODEL; the only one in memory when left out
    #[arg(value_name = "TARGET/MODEL", conflicts_with_all = ["url", "model", "target"])]
    name: Option<String>,
    /// Runs; with fewer, a change takes longer to be found (opsagent explain drift)
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(LEAST..=2000))]
    runs: u32,
    /// Gives up what was learned of the model by other canaries; a running agent must ask these, too
    #[arg(long)]
    anew: bool,
    #[command(flatten)]
    which: Which,
}

/// Captures.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    source::block_on_as_told(capture(args, out))
}

async fn capture(args: &Args, out: &mut Out) -> Outcome {
    let (clients, machine) = (Clients::new(), Machine::here());
    let mut asked = args.which.clone();
    if let Some(name) = &args.name {
        let (target, model) = name.split_once('/').ok_or_else(|| {
            Failure::say(
                64,
                format!(
                    "cannot capture {:?}: expected TARGET/MODEL, such as box/qwen3:8b",
                    text::clean(name)
                ),
            )
        })?;
        (asked.target, asked.model) = (Some(target.to_owned()), Some(model.to_owned()));
    }
    let picked = pick(&asked, &clients, &machine).await?;
    let suite = asking::suite(&picked);
    let key = Key::new(&picked.target.name, &picked.model);
    let name = which::name(&key);
    // Before minutes are spent on it.
    let mut kept = fitting(args, &picked, &key, &suite)?;
    let mut ready = Ready::new(&asked, &picked, Purpose::Capture, &mut kept, &clients, &machine).await?;
    screen::note(&format!(
        "captures {name}: {} of some {} tokens each, {GRADED} of them with all whole answers and {LONG} with the long \
         prompts; Ctrl-C ends it and keeps nothing",
        words::count(args.runs as usize, "run"),
        ready.asking.fingerprint(&suite).iter().map(|question| question.max_tokens).sum::<u32>()
    ));
    let runs = ask(args, &name, &mut ready, &mut kept, &suite).await?;
    // Somebody may write meanwhile: what is captured is put upon what is stored then.
    let mut tries = 4;
    let (seen, report) = loop {
        let mut kept = fitting(args, &picked, &key, &suite)?;
        let seen = kept.watch.capture(&runs, &suite, now());
        let seen =
            seen.map_err(|refused| Failure::say(1, format!("cannot make a baseline of {name}: {refused}")))?;
        match kept.write_seen(&seen, None, now()) {
            Ok(()) => break (seen, kept.watch.report(now())),
            Err(error) if error.kind() == Reason::Changed && tries > 1 => tries -= 1,
            Err(error) => return Err(which::failed(error)),
        }
    };
    let Some(made) = &seen.made else { return Ok(0) };
    for (head, sentence) in made::told(&name, made, &report) {
        for line in super::show::said(head, &sentence, Out::screen().width) {
            out.text(&format!("{line}\n"))?;
        }
    }
    Ok(0)
}

/// What is stored of the model, if it was learned by these canaries, or may be given up for them.
fn fitting(args: &Args, picked: &Picked, key: &Key, suite: &Suite) -> Result<Kept, Failure> {
    let kept = Kept::make(key.clone(), &picked.config)?;
    match kept.fits(suite) {
        Err(why) if !args.anew => {
            Err(Failure::say(1, format!("cannot make a baseline of {}: {why}", which::name(key))))
        }
        _ => Ok(kept),
    }
}

async fn ask(
    args: &Args,
    name: &str,
    ready: &mut Ready<'_>,
    kept: &mut Kept,
    suite: &Suite,
) -> Result<Vec<Run>, Failure> {
    let plan: Vec<(Vec<Question>, u8)> =
        (0..args.runs).map(|nth| questions(nth, args.runs, &ready.asking, suite)).collect();
    let mut progress = Progress::of(plan.iter().map(|(questions, _)| questions.len()).sum());
    let mut runs: Vec<Run> = Vec::with_capacity(plan.len());
    for (questions, at_once) in plan {
        let wanted = Wanted { purpose: Purpose::Capture, questions, at_once };
        let made = ready.round(wanted, suite, kept, &mut progress).await;
        let run = made.inspect_err(|_| nothing_kept(runs.len(), args.runs))?.run;
        if let Some(why) = spoiled(runs.first(), &run) {
            drop(progress);
            let (nth, all) = (runs.len() + 1, args.runs);
            return Err(Failure::say(
                UNKNOWN,
                format!("cannot capture {name}: in run {nth} of {all} {why}; nothing was kept"),
            ));
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Says how far it came, beside why it came no farther.
fn nothing_kept(made: usize, all: u32) {
    screen::note(&format!("{made} of {all} runs were made; nothing was kept"));
}

/// Why a run cannot be part of a baseline with the first one, if it cannot: no more is asked then.
fn spoiled(first: Option<&Run>, run: &Run) -> Option<String> {
    let last = run.answers.iter().filter_map(|answer| answer.result.as_ref().err()).next_back();
    if let Some(error) = last.filter(|_| run.answers.iter().all(|answer| answer.result.is_err())) {
        return Some(format!("no question was answered: {}", text::clean(&error.to_string())));
    }
    // A baseline of two models is that of none.
    let (fact, was) =
        first?.facts.of.iter().find(|(fact, was)| run.facts.of.get(fact).is_some_and(|is| is != *was))?;
    let is = &run.facts.of[fact];
    Some(text::clean(&format!("the model is another than it was: {} {was} -> {is}", fact.name())))
}

/// What run `nth` asks, and how many questions at once. Each second run is under load: two or four at once, with the
/// prompt cache used or not; those with whole answers and long prompts lie far apart.
fn questions(nth: u32, all: u32, asking: &Asking, suite: &Suite) -> (Vec<Question>, u8) {
    let loaded = nth % 2 == 1;
    let cache = match nth / 2 % 3 {
        0 => None,
        1 => Some(true),
        _ => Some(false),
    };
    let asking = Asking { cache, timeout: asking.timeout.max(Duration::from_secs(1)), ..*asking };
    let mut questions = asking.fingerprint(suite);
    // Another order each time, so that slots and caches meet each prompt after another one.
    let turn = nth as usize % questions.len().max(1);
    questions.rotate_left(turn);
    let graded = every(nth, all, GRADED);
    if let Some(pass) = graded {
        let sampling =
            if pass == 0 { Sampling::Greedy } else { Sampling::Default { seed: SEED.wrapping_add(pass) } };
        questions.extend(suite.graded().map(|canary| asking.graded(canary, sampling)));
    }
    if every(nth, all, LONG).is_some() {
        questions.extend(asking.long(suite));
    }
    let at_once = match (loaded, nth / 2 % 2) {
        (false, _) => 1,
        (true, 0) => 2,
        (true, _) => 4,
    };
    (questions, at_once)
}

/// Whether run `nth` is one of `times` that lie evenly among `all`; which.
fn every(nth: u32, all: u32, times: u32) -> Option<u32> {
    (0..times).find(|pass| pass * all / times == nth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::asker::Abilities;

    #[test]
    fn half_of_the_runs_are_under_load_and_checks_are_asked_often_enough_to_be_trusted() {
        let abilities = Abilities { logprobs: true, raw: true, sampler: true };
        let asking = Asking { abilities, cache: None, timeout: Duration::from_secs(10) };
        let suite = Suite::builtin();
        for all in [20, 300] {
            let runs: Vec<_> = (0..all).map(|nth| questions(nth, all, &asking, &suite)).collect();
            let at_once = |count| runs.iter().filter(|(_, at_once)| *at_once == count).count();
            assert_eq!((at_once(1), at_once(2) + at_once(4)), (all as usize / 2, all as usize / 2));
            assert!(at_once(4) >= all as usize / 5);
            let asked = |name: &str, part| {
                let all = runs.iter().flat_map(|(questions, _)| questions);
                all.filter(|question| question.canary == name && question.part == part).count()
            };
            assert_eq!(asked("js1", crate::sample::Part::Graded), 6);
            assert_eq!(asked("p3", crate::sample::Part::Fingerprint), LONG as usize);
            assert_eq!(asked("p0", crate::sample::Part::Fingerprint), all as usize);
        }
    }
}
