//! Each change, made of a running server by a restart: runs to the alarm, and what it is put down to.

use opsagent::drift::{Cause, Probe, Severity, Watch};

use crate::support::changes::CHANGES;
use crate::support::drill::{Drill, Found, Served};
use crate::{progress, shown};

/// Runs within which each is to be found.
const WITHIN: u32 = 4;

/// Runs that are made at the most.
const MOST: u32 = 12;

/// Tokens that a run may generate.
const TOKENS: u64 = 40;

/// Changes that may be put down to something else.
const WRONG: usize = 2;

pub async fn found(drill: &mut Drill, base: &Served, watch: &Watch) -> bool {
    let (folder, template) = (tempfile::tempdir().unwrap(), base.template());
    let runs = watch.baseline().unwrap().runs;
    println!("\nRuns to the alarm after a baseline of {runs} runs:\n");
    println!(
        "| change | runs | KLD | p0 / p1 / chat / sampler | severity | cause | where the server tells facts |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (mut late, mut wrong, mut wrong_told, mut dear) = (0, 0, 0, 0);
    for (name, change, cause) in CHANGES {
        progress(name);
        let (model, args) = change.made(folder.path(), &template);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let served = Served::with(&model, &args).await;
        let found = drill.find(&served, watch, MOST).await;
        row(name, &found);
        late += u32::from(found.alarm.is_none() || found.after > WITHIN);
        wrong += usize::from(found.cause() != Some(cause));
        let told = found.told.as_ref();
        wrong_told += usize::from(told.is_none_or(|told| told.alarmed && told.cause != Some(cause)));
        dear += u32::from(found.tokens > TOKENS * u64::from(found.runs));
    }
    let all = CHANGES.len();
    println!(
        "\n{all} changes: {late} later than {WITHIN} runs, {dear} for more than {TOKENS} tokens a run, {} put down \
         rightly by answers alone, {} where the server tells facts.",
        all - wrong,
        all - wrong_told
    );
    late == 0 && dear == 0 && wrong <= WRONG && wrong_told <= WRONG
}

fn row(name: &str, found: &Found) {
    let runs =
        if found.alarm.is_some() { found.after.to_string() } else { format!("none in {}", found.runs) };
    let far = |probe: Probe| {
        let of = found.report.distances.iter().find(|(of, _)| *of == probe);
        shown(of.map(|(_, distance)| *distance))
    };
    let far = [Probe::P0, Probe::P1, Probe::Chat, Probe::Sampling].map(far).join(" / ");
    let told = match &found.told {
        None => format!("nothing in {}", found.runs),
        Some(told) if !told.alarmed => format!("told and small: taken over after {}", told.after),
        Some(told) => format!("{}, after {}", told.cause.map_or("–", Cause::name), told.after),
    };
    println!(
        "| {name} | {runs} | {} | {far} | {} | {} | {told} |",
        shown(found.report.kld),
        found.report.severity.map_or("–", Severity::name),
        found.cause().map_or("–", Cause::name),
    );
}
