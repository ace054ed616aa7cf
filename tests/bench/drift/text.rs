//! A server that tells no log probabilities: texts alone are compared.

use opsagent::drift::Watch;

use crate::support::changes::CHANGES;
use crate::support::drill::{Drill, Served};
use crate::support::real::smollm2;
use crate::{control, progress, shown};

/// What is to be found by texts; the others are tried, and nothing is promised of them.
const FOUND: [&str; 4] = ["weights Q4_0", "K cache q4_0", "system prompt, pirate", "repeat penalty 1.3"];

/// Runs within which each is to be found.
const WITHIN: u32 = 6;

const MOST: u32 = 12;

/// Tokens that a run may generate.
const TOKENS: u64 = 160;

/// Runs after the baseline in which nothing changes.
const CONTROL: u64 = 200;

pub async fn text(runs: u64) -> bool {
    let mut drill = Drill::new(11);
    let base = Served::with(&smollm2(), &[]).await;
    let template = base.template();
    let mut base = base.telling_texts_alone();
    progress(&format!("baseline of {runs} runs by texts alone"));
    let watch = drill.learned(&base, runs).await;
    let runs = watch.baseline().unwrap().runs;
    println!("\nRuns to the alarm by texts alone, after a baseline of {runs} runs:\n");
    println!(
        "| change | runs | texts as they were | parts at token | drawn text | tokens a run | severity | cause |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut fine = true;
    for name in FOUND {
        fine &= found(&mut drill, &watch, &template, name).await;
    }
    let others = CHANGES.iter().map(|(name, ..)| *name).filter(|name| !FOUND.contains(name));
    for name in others {
        found(&mut drill, &watch, &template, name).await;
    }
    control::head();
    let control =
        control::quiet(&mut drill, &mut base, watch, "SmolLM2-135M, texts alone", runs, runs + CONTROL);
    control.await && fine
}

/// Whether a change is found as soon, and for as few tokens, as is promised.
async fn found(drill: &mut Drill, watch: &Watch, template: &str, name: &str) -> bool {
    progress(name);
    let folder = tempfile::tempdir().unwrap();
    let (name, change, _) = crate::support::changes::change(name);
    let (model, args) = change.made(folder.path(), template);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let served = Served::with(&model, &args).await.telling_texts_alone();
    let found = drill.find(&served, watch, MOST).await;
    let tokens = found.tokens / u64::from(found.runs);
    let drawn = found.report.distances.iter().find(|(probe, _)| probe.name() == "sampling");
    println!(
        "| {name} | {} | {} | {} | {} | {tokens} | {} | {} |",
        if found.alarm.is_some() { found.after.to_string() } else { format!("none in {}", found.runs) },
        shown(found.report.text_match_ratio),
        found.report.first_difference.map_or("–".to_owned(), |at| (at + 1).to_string()),
        drawn.map_or("–", |(_, far)| if *far > 0.0 { "another" } else { "the same" }),
        found.report.severity.map_or("–", |severity| severity.name()),
        found.cause().map_or("–", |cause| cause.name()),
    );
    found.alarm.is_some() && found.after <= WITHIN && tokens <= TOKENS
}
