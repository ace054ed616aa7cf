//! A server that tells no log probabilities: texts alone are compared.

use crate::support::changes::change;
use crate::support::drill::{Drill, Served};
use crate::support::real::smollm2;
use crate::{progress, shown};

/// What is to be found by texts.
const FOUND: [&str; 4] = ["weights Q4_0", "K cache q4_0", "system prompt, pirate", "repeat penalty 1.3"];

/// Runs within which each is to be found.
const WITHIN: u32 = 6;

const MOST: u32 = 12;

/// Tokens that a run may generate.
const TOKENS: u64 = 160;

pub async fn text(runs: u64) -> bool {
    let mut drill = Drill::new(11);
    let base = Served::with(&smollm2(), &[]).await;
    let (folder, template) = (tempfile::tempdir().unwrap(), base.template());
    let base = base.telling_texts_alone();
    progress(&format!("baseline of {runs} runs by texts alone"));
    let watch = drill.learned(&base, runs).await;
    let runs = watch.baseline().unwrap().runs;
    println!("\nRuns to the alarm by texts alone, after a baseline of {runs} runs:\n");
    println!(
        "| change | runs | texts as they were | tokens a run | severity | cause |\n| --- | --- | --- | --- | --- | --- |"
    );
    let mut fine = true;
    for name in FOUND {
        progress(name);
        let (name, change, _) = change(name);
        let (model, args) = change.made(folder.path(), &template);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let served = Served::with(&model, &args).await.telling_texts_alone();
        let found = drill.find(&served, &watch, MOST).await;
        let tokens = found.tokens / u64::from(found.runs);
        println!(
            "| {name} | {} | {} | {tokens} | {} | {} |",
            if found.alarm.is_some() { found.after.to_string() } else { format!("none in {}", found.runs) },
            shown(found.report.text_match_ratio),
            found.report.severity.map_or("–", |severity| severity.name()),
            found.cause().map_or("–", |cause| cause.name()),
        );
        fine &= found.alarm.is_some() && found.after <= WITHIN && tokens <= TOKENS;
    }
    fine
}
