//! Canaries that are answered with a fault while a baseline is learned: a prompt that is longer than the context, an
//! answer that is always empty. That is how the model is set up, and no change of it: they are told, and not watched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::learning::Learning;
use super::look::{Fault, Look, SAMPLER};
use crate::sample::AskError;

/// Canaries whose faults are remembered at most: of a suite of 200 own ones each could fail in both its parts.
const MOST: usize = 500;

/// A canary that failed in more than one of so many of its answers is not watched: a fault needs no statistics, so that
/// one which comes by itself now and then would be an alarm.
const ONE_OF: u64 = 20;

/// Sound answers in a row after which it is watched all the same: what made it fail was mended.
const MENDED: u64 = 6;

/// How a canary failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Failures {
    /// Answers that were faults.
    times: u64,
    /// Sound answers, since the first of these.
    sound: u64,
    /// Sound answers in a row, by now.
    in_a_row: u64,
    /// How the last failed, as it goes after "not watched:".
    why: String,
    /// Whether it is a short canary of the fingerprint.
    pub chat: bool,
}

impl Failures {
    /// Why the canary is not to be watched, if so. `answered`: its sound answers, also those before the first fault.
    pub(super) fn why(&self, answered: u64) -> Option<&str> {
        let often = self.times * ONE_OF > self.times + answered.max(self.sound);
        (often && self.in_a_row < MENDED).then_some(self.why.as_str())
    }

    fn fail(&mut self, fault: &Fault<'_>) {
        self.times += 1;
        self.in_a_row = 0;
        self.why = why(fault.error);
        self.chat = fault.chat;
    }

    fn pass(&mut self) {
        self.sound += 1;
        self.in_a_row += 1;
    }
}

impl Learning {
    /// Takes in which canaries of a run failed, and which answered.
    pub(super) fn take_faults(&mut self, look: &Look<'_>) {
        let sampler = look.sampler.as_ref().map(|_| SAMPLER);
        let asked = look.prints.iter().map(|print| print.canary).chain(sampler);
        let is_first = |fault: &&Fault<'_>| fault.of_first_tokens || fault.canary == SAMPLER;
        take(&mut self.failed, look.faults.iter().filter(is_first), asked);
        let graded = look.graded.iter().map(|graded| graded.canary);
        let faults = look.faults.iter().filter(|fault| !is_first(fault));
        take(&mut self.failed_checks, faults, graded);
    }

    /// Canaries of which the first tokens are not to be watched, since they fail, each with why.
    pub(super) fn unwatched(&self) -> impl Iterator<Item = (&str, &Failures, &str)> {
        self.failed.iter().filter_map(|(name, failures)| {
            let answered = self.canaries.get(name).map_or(0, |known| known.passes);
            let why = failures.why(answered)?;
            Some((name.as_str(), failures, why))
        })
    }

    /// The same of whole answers.
    pub(super) fn unwatched_checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.failed_checks.iter().filter_map(|(name, failures)| {
            let asked = self.settled.checks.get(name).map_or(0, |record| record.asked);
            Some((name.as_str(), failures.why(asked)?))
        })
    }
}

/// Takes in how the canaries of a run failed, and which answered. One that never failed has no entry.
fn take<'a>(
    all: &mut BTreeMap<String, Failures>,
    faults: impl Iterator<Item = &'a Fault<'a>>,
    answered: impl Iterator<Item = &'a str>,
) {
    for canary in answered {
        if let Some(known) = all.get_mut(canary) {
            known.pass();
        }
    }
    for fault in faults {
        if all.len() < MOST || all.contains_key(fault.canary) {
            all.entry(fault.canary.to_owned()).or_default().fail(fault);
        }
    }
}

/// What is not watched, a sentence for each reason.
pub(super) fn said<'a>(unwatched: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (canary, why) in unwatched {
        let name = if canary == SAMPLER { "the sampler's probe" } else { canary };
        let names = by_reason.entry(why).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    by_reason.into_iter().map(|(why, names)| format!("{}: {why}", names.join(", "))).collect()
}

/// A reason that is the same for all canaries that fail alike: what the server said of one goes to its own line.
fn why(error: &AskError) -> String {
    match error {
        AskError::TooLong { .. } => "the prompt is longer than the context of a slot".to_owned(),
        AskError::Status { status, .. } => format!("the server refuses it with HTTP {status}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answers: impl IntoIterator<Item = bool>) -> Failures {
        let fault =
            Fault { canary: "lc3", long: true, chat: false, of_first_tokens: true, error: &AskError::Empty };
        let mut all = Failures::default();
        answers.into_iter().for_each(|sound| if sound { all.pass() } else { all.fail(&fault) });
        all
    }

    #[test]
    fn one_that_fails_always_or_often_is_not_watched_and_one_that_failed_once_is() {
        assert_eq!(of([false; 3]).why(0), Some("the answer is empty"));
        assert_eq!(of([false, true]).why(1), Some("the answer is empty"));
        assert_eq!(of([false]).why(40), None, "once in forty");
        assert_eq!(of([false, true, true, true, true, true, true]).why(6), None, "mended since");
        assert_eq!(of([true, false]).why(10), Some("the answer is empty"), "once in eleven, and lately");
    }

    #[test]
    fn those_that_fail_alike_are_told_together() {
        let told = said(
            [("lc3", "too long"), ("p3", "too long"), ("lc3", "too long"), (SAMPLER, "empty")].into_iter(),
        );
        assert_eq!(told, ["the sampler's probe: empty", "lc3, p3: too long"]);
    }
}
