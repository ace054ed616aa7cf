//! A baseline, made of runs: tolerances by how far runs lie apart, and what is too unsteady to be watched dropped.

use std::collections::BTreeMap;

use super::baseline::{Baseline, Known};
use super::dictionary::{Dictionary, FLOOR, MOST_STATES, TOO_WIDE};
use super::learning::Learning;
use super::margin;
use super::performance::Band;
use super::tolerance;
use super::{FORMAT, Probe};
use crate::suite::Asked;

/// States that a short canary has at most, where the numbers are called always the same.
const FEW_STATES: usize = 3;

/// Canaries that a fingerprint needs at least: a mean over fewer is that of its worst.
const LEAST_CANARIES: usize = 6;

/// Checks that should be watched at least: with fewer, a loss of quality shows in none of them.
const LEAST_CHECKS: usize = 12;

/// Why no baseline can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to make it of.
    #[error("{0}")]
    Nothing(String),
    /// Too few canaries answer alike each time.
    #[error(
        "only {kept} of {asked} fingerprint canaries answer alike often enough, at least {LEAST_CANARIES} are needed ({why}): \
         look at the server's noise (batching, speculative decoding, several replicas behind one address), \
         or ask canaries of your own"
    )]
    TooNoisy {
        /// Canaries that were kept.
        kept: usize,
        /// Canaries that were asked.
        asked: usize,
        /// What is wrong with one of the others.
        why: String,
    },
}

/// Makes a baseline under that number, of answers to what was `asked`, which all together have the hash `suite`. `all`:
/// of the last runs too, which else may be part of a change not yet found.
pub(super) fn make(
    learning: &Learning,
    (suite, asked): (&str, &Asked),
    number: u32,
    all: bool,
) -> Result<Baseline, Refused> {
    let settled = if all { learning.all() } else { learning.settled.clone() };
    if settled.runs == 0 {
        return Err(Refused::Nothing("no run could be learned from yet".into()));
    }
    let last = settled.passes;
    let deterministic = is_deterministic(learning, last);
    let factor = if deterministic { tolerance::DETERMINISTIC } else { tolerance::NOISY };
    let mut baseline = Baseline {
        format: FORMAT,
        number,
        from: settled.from,
        at: settled.at,
        suite: suite.to_owned(),
        asked: asked.clone(),
        facts: learning.facts.clone(),
        runs: settled.runs,
        exceeding: settled.exceeding,
        long_exceeding: settled.long_exceeding,
        loaded_runs: settled.loaded_runs,
        long_runs: settled.long_runs,
        deterministic,
        text_mode: learning.text_mode,
        prompt_tokens: told(learning),
        checks: settled.checks.clone(),
        band: Band::of(&settled.paces),
        idle_runs: settled.paces.len() as u64,
        ..Baseline::default()
    };
    for (name, dictionary) in &learning.canaries {
        match known(dictionary, factor, last, learning.text_mode) {
            Ok(Some(known)) => drop(baseline.canaries.insert(name.clone(), known)),
            Ok(None) => {}
            Err(why) => drop(baseline.dropped.insert(name.clone(), why)),
        }
    }
    let failing = leave_out(&mut baseline, learning);
    let own = margin::learned(&baseline.canaries);
    (baseline.margin, baseline.margin_learned) = (own.unwrap_or(margin::USUAL), own.is_some());
    tolerances(&mut baseline, learning, factor, last);
    screen(&mut baseline, chat(learning).count() + failing)?;
    Ok(baseline)
}

/// Leaves out what is answered with faults; tells how many short canaries gave no other answer.
fn leave_out(baseline: &mut Baseline, learning: &Learning) -> usize {
    let mut without = 0;
    for (name, failures, why) in learning.unwatched() {
        baseline.canaries.remove(name);
        baseline.dropped.insert(name.to_owned(), why.to_owned());
        without += usize::from(failures.chat && !learning.canaries.contains_key(name));
    }
    for (name, why) in learning.unwatched_checks() {
        baseline.checks.remove(name);
        baseline.dropped.entry(name.to_owned()).or_insert_with(|| why.to_owned());
    }
    without
}

fn told(learning: &Learning) -> BTreeMap<String, u64> {
    let counts = learning.prompt_tokens.iter();
    counts.filter_map(|(canary, tokens)| Some((canary.clone(), (*tokens)?))).collect()
}

fn chat(learning: &Learning) -> impl Iterator<Item = (&String, &Dictionary)> {
    learning.canaries.iter().filter(|(_, dictionary)| dictionary.probe == Probe::Chat)
}

/// Whether each short canary has few states, none of them new in the last half.
fn is_deterministic(learning: &Learning, last: u64) -> bool {
    let has_chat = chat(learning).next().is_some();
    let is_short = |probe: Probe| match probe {
        Probe::Chat => has_chat,
        // Where no chat can be compared, they are all there is.
        Probe::P0 | Probe::P1 => !has_chat,
        Probe::Long | Probe::Sampling => false,
    };
    let mut short = learning.canaries.values().filter(|dictionary| is_short(dictionary.probe));
    short.all(|dictionary| is_steady(dictionary, last))
}

fn is_steady(dictionary: &Dictionary, last: u64) -> bool {
    let newest = dictionary.newest(last);
    let is_settled = newest <= 1 || newest <= last / 2;
    dictionary.states(last).len() <= FEW_STATES && is_settled && !dictionary.scattered
}

/// What is kept of a canary. `Ok(None)`: it was not seen in these runs.
fn known(dictionary: &Dictionary, factor: f64, last: u64, text_mode: bool) -> Result<Option<Known>, String> {
    let states = dictionary.states(last);
    let is_drawn = dictionary.probe == Probe::Sampling && dictionary.has_texts();
    if is_drawn && !is_steady(dictionary, last) {
        return Err("what the server draws with the same seed is another text each time".to_owned());
    }
    if dictionary.scattered {
        return Err(format!("it answered in more than {MOST_STATES} ways"));
    }
    if states.is_empty() {
        return Ok(None);
    }
    let tolerance = (factor * dictionary.leave_one_out(last)).max(FLOOR);
    if tolerance > TOO_WIDE && !text_mode {
        return Err(format!("its answers lie {:.2} nat apart", tolerance / factor));
    }
    Ok(Some(Known { probe: dictionary.probe, raw: dictionary.raw, states, tolerance }))
}

/// τ of the run's score: the largest mean distance of a run to what the other runs showed, times the factor.
fn tolerances(baseline: &mut Baseline, learning: &Learning, factor: f64, last: u64) {
    let kept: Vec<&Dictionary> = chat(learning)
        .filter(|(name, _)| baseline.canaries.contains_key(*name))
        .map(|(_, known)| known)
        .collect();
    let count = kept.len().max(1) as f64;
    let usual: Vec<f64> = kept.iter().map(|known| known.within(last)).collect();
    let of_run = |run: u64| -> f64 {
        let each =
            kept.iter().zip(&usual).map(|(known, usual)| known.left_out_by(run, last).unwrap_or(*usual));
        each.sum::<f64>() / count
    };
    let most = (1..=last).map(of_run).fold(0.0, f64::max);
    if baseline.text_mode {
        baseline.tolerance = tolerance::of_texts(most, count, baseline.deterministic);
        baseline.slow_tolerance = baseline.tolerance;
    } else {
        baseline.tolerance = (factor * most).max(FLOOR);
        baseline.slow_tolerance = (tolerance::SLOW * most).max(FLOOR);
    }
}

/// Refuses a fingerprint of too few canaries, and says what else is weak. A suite that is small by its owner's will is
/// not refused for it.
fn screen(baseline: &mut Baseline, asked: usize) -> Result<(), Refused> {
    let kept = baseline.canaries.values().filter(|known| known.probe == Probe::Chat).count();
    let none = kept == 0 && (asked > 0 || baseline.canaries.is_empty());
    if kept < LEAST_CANARIES.min(asked) && asked >= LEAST_CANARIES || none {
        let why = baseline.dropped.iter().next().map_or_else(
            || "the others were not answered".to_owned(),
            |(name, why)| format!("{name}: {why}"),
        );
        return Err(Refused::TooNoisy { kept, asked, why });
    }
    if kept < LEAST_CANARIES && asked > 0 {
        baseline.weak.push(format!(
            "{kept} fingerprint {} are few: at {LEAST_CANARIES} or more, what moved is told better",
            if kept == 1 { "canary" } else { "canaries" }
        ));
    }
    let stable = baseline.checks.values().filter(|record| record.is_stable()).count();
    let unstable = baseline.checks.values().filter(|record| record.is_unstable()).count();
    if stable < LEAST_CHECKS && unstable > 0 {
        baseline.weak.push(format!(
            "only {stable} of {} checks pass reliably: this suite is too hard for the model, and a loss of quality \
             shows late or not at all",
            stable + unstable
        ));
    }
    if baseline.loaded_runs == 0 {
        baseline.weak.push(
            "the server was never busy in it: numbers that move under load may look like a change".to_owned(),
        );
    }
    Ok(())
}
