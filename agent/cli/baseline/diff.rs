//! `opsagent baseline diff`: what differs between two baselines of a model.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::show::said;
use super::which::{self, Stored};
use super::{Named, Pick};
use crate::cli::failure::Outcome;
use crate::cli::out::Out;
use crate::cli::style;
use crate::drift::{Baseline, Known, Probe};
use crate::sample::Fact;
use crate::suite::Asked;
use crate::view::canary_words::nats;

const AFTER: &str = "\
Examples:
  opsagent baseline diff llm-a/qwen3:8b        the one in force against the one before
  opsagent baseline diff llm-a/qwen3:8b 1 3    two by their numbers";

/// Which two.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// The older one; the one before that in force when left out
    from: Option<u32>,
    /// The newer one; that in force when left out
    to: Option<u32>,
    /// Prints it as JSON
    #[arg(long)]
    json: bool,
}

/// Tells what differs.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let stored = Stored::open(args.named.config.as_deref())?;
    let key = which::key(&stored.keys()?, &args.named.name)?;
    let to = super::baseline(&stored, &key, args.to, Pick::Active)?;
    let from = super::baseline(&stored, &key, args.from, Pick::Before)?;
    let differences = differences(&from, &to);
    if args.json {
        let all: Vec<_> = differences.iter().map(|(what, how)| json!({ "what": what, "how": how })).collect();
        out.json(&json!({ "schema_version": 1, "from": from.number, "to": to.number, "differences": all }))?;
        return Ok(0);
    }
    let width = Out::screen().width;
    let head = format!("{}, baseline {} -> {}", which::name(&key), from.number, to.number);
    let mut lines = vec![format!("{}{}{:#}", style::BOLD, crate::cli::text::fit(&head, width), style::BOLD)];
    if differences.is_empty() {
        lines.push("nothing differs".into());
    }
    for (what, how) in differences {
        lines.extend(said(&what, &how, width));
    }
    out.text(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

/// What differs, the facts first.
fn differences(from: &Baseline, to: &Baseline) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut say = |what: &str, how: String| all.push((what.to_owned(), how));
    for fact in Fact::ALL {
        let (was, is) = (from.facts.of.get(&fact), to.facts.of.get(&fact));
        if was != is {
            let told = |value: Option<&String>| value.map_or("not told", String::as_str).to_owned();
            say(fact.name(), format!("{} -> {}", told(was), told(is)));
        }
    }
    if let Some(others) = others(from, to) {
        say("canaries", others);
    }
    for probe in Probe::ALL {
        if let Some((asked, far)) = distance(from, to, *probe).filter(|(_, far)| *far > 0.0) {
            let unit = if from.text_mode || to.text_mode { "of the texts" } else { "nat" };
            say(probe.name(), format!("mean distance {} {unit}, over {asked} compared", nats(far)));
        }
    }
    let moved = from
        .prompt_tokens
        .iter()
        .filter(|(canary, tokens)| to.prompt_tokens.get(*canary).is_some_and(|now| now != *tokens))
        .filter(|(canary, _)| alike(from, to, |asked| &asked.prompts, canary));
    let moved: Vec<&str> = moved.map(|(canary, _)| canary.as_str()).collect();
    if !moved.is_empty() {
        say("prompt tokens", format!("counted otherwise: {}", moved.join(", ")));
    }
    let names: BTreeSet<&String> = from.checks.keys().chain(to.checks.keys()).collect();
    for name in names.into_iter().filter(|name| alike(from, to, |asked| &asked.graded, name)) {
        let stable = |of: &Baseline| of.checks.get(name).is_some_and(crate::drift::Record::is_stable);
        let rate = |of: &Baseline| {
            of.checks.get(name).map_or("not asked".into(), |one| format!("{} of {}", one.passed, one.asked))
        };
        if stable(from) != stable(to) {
            let watched = if stable(to) { "watched now" } else { "watched no more" };
            say(&format!("check {name}"), format!("{watched}: passed {} -> {}", rate(from), rate(to)));
        }
    }
    if from.deterministic != to.deterministic {
        say(
            "numbers",
            if to.deterministic { "the same each time now" } else { "not the same each time now" }.into(),
        );
    }
    all
}

/// Which canaries are others. What an earlier version made tells no more than that some are.
fn others(from: &Baseline, to: &Baseline) -> Option<String> {
    if from.suite == to.suite {
        return None;
    }
    if from.asked.is_empty() || to.asked.is_empty() {
        return Some("some are others: what is below compares only what both asked".into());
    }
    let (was, is) = (&from.asked, &to.asked);
    let parts = [(&was.prompts, &is.prompts), (&was.compared, &is.compared), (&was.graded, &is.graded)];
    let all = |name: &&String| parts.iter().any(|(was, is)| was.get(*name) != is.get(*name));
    let names: BTreeSet<&String> = was.prompts.keys().chain(is.prompts.keys()).filter(all).collect();
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("others, and not compared below: {}", names.join(", ")))
}

/// Canaries of that probe that both know and were asked alike, and the mean of their distances: of each between its
/// nearest states.
fn distance(from: &Baseline, to: &Baseline, probe: Probe) -> Option<(usize, f64)> {
    let both = from
        .canaries
        .iter()
        .filter(|(name, known)| known.probe == probe && alike(from, to, |asked| &asked.compared, name));
    let far: Vec<f64> = both.filter_map(|(name, known)| nearest(known, to.canaries.get(name)?)).collect();
    (!far.is_empty()).then(|| (far.len(), far.iter().sum::<f64>() / far.len() as f64))
}

/// Whether both were asked that alike, as far as it is known.
fn alike(from: &Baseline, to: &Baseline, part: fn(&Asked) -> &BTreeMap<String, String>, name: &str) -> bool {
    let is_known = from.suite != to.suite && !from.asked.is_empty() && !to.asked.is_empty();
    !is_known || part(&from.asked).get(name) == part(&to.asked).get(name)
}

fn nearest(from: &Known, to: &Known) -> Option<f64> {
    let pairs = from.states.iter().flat_map(|a| to.states.iter().map(move |b| a.distance(b, from.raw)));
    pairs.flatten().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Record;

    #[test]
    fn facts_and_checks_that_differ_are_told_and_nothing_else() {
        let mut from = Baseline { number: 1, ..Baseline::default() };
        from.facts.of.insert(Fact::Quantization, "Q4_1".into());
        from.facts.of.insert(Fact::Context, "2048".into());
        from.checks.insert("co1".into(), Record { category: "code".into(), asked: 10, passed: 10 });
        assert!(differences(&from, &from).is_empty());
        let mut to = from.clone();
        to.facts.of.insert(Fact::Quantization, "Q2_K".into());
        to.checks.insert("co1".into(), Record { category: "code".into(), asked: 10, passed: 1 });
        let told = differences(&from, &to);
        assert_eq!(told[0], ("quantization".into(), "Q4_1 -> Q2_K".into()));
        assert_eq!(told[1], ("check co1".into(), "watched no more: passed 10 of 10 -> 1 of 10".into()));
        assert_eq!(told.len(), 2);
    }
}
