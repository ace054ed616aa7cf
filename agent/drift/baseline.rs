//! What a model did while all was well: an immutable record under a number.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::dictionary::Numbers;
use super::look::{Fault, SAMPLER};
use super::performance::Band;
use super::{BaselineInfo, FORMAT, Probe};
use crate::sample::Facts;
use crate::suite::Asked;

/// What a model did while all was well. It never changes; a later one has a number of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// [`FORMAT`] of the version that wrote it.
    pub format: u32,
    /// Its number for this target and model, from 1.
    pub number: u32,
    /// When its first run began.
    pub from: Option<Timestamp>,
    /// When its last run began.
    pub at: Option<Timestamp>,
    /// [`crate::suite::Suite::hash`] of all that was asked.
    pub suite: String,
    /// What was asked, each thing for itself: what of it is asked as it was can be compared. Empty: an earlier version
    /// made it, and `suite` tells.
    pub asked: Asked,
    /// What the server told of itself and the model.
    pub facts: Facts,
    /// Runs in it.
    pub runs: u64,
    /// Runs of the same time that exceeded the baseline before it, and that are not in it.
    pub exceeding: u64,
    /// The same of its runs with the long prompts.
    pub long_exceeding: u64,
    /// Those of its runs with several questions at once.
    pub loaded_runs: u64,
    /// Those of them with the long prompts.
    pub long_runs: u64,
    /// Whether the model was found to compute the same numbers each time: at most three states for each short canary,
    /// none of them new in the last half.
    pub deterministic: bool,
    /// The server tells no log probabilities: texts are compared.
    pub text_mode: bool,
    /// What each canary, probe and the sampler were seen to answer; those that were dropped are not in it.
    pub canaries: BTreeMap<String, Known>,
    /// Tokens of each canary's prompt as the server counts them, where it always told the same number.
    pub prompt_tokens: BTreeMap<String, u64>,
    /// What was dropped from the fingerprint, and why.
    pub dropped: BTreeMap<String, String>,
    /// τ: a run whose mean distance over the chat canaries is above this exceeds. Nats; in text mode, a part of texts.
    pub tolerance: f64,
    /// The same for the median of a block of runs.
    pub slow_tolerance: f64,
    /// Nats between the two likeliest tokens from which on a change of the token is a confident flip.
    pub margin: f64,
    /// Whether that is of this model's own noise, and not the usual value.
    pub margin_learned: bool,
    /// How often each canary's checks were passed.
    pub checks: BTreeMap<String, Record>,
    /// The slowest that is still as it was. `None`: too few runs had the server for themselves.
    pub band: Option<Band>,
    /// Runs that had the server for themselves.
    pub idle_runs: u64,
    /// What is weak about it, a sentence each.
    pub weak: Vec<String>,
}

/// What a canary was seen to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Which distance it counts to.
    pub probe: Probe,
    /// Whether it is a raw prompt, of which the first token alone counts.
    #[serde(default)]
    pub raw: bool,
    /// Its states, at most 8.
    pub states: Vec<Numbers>,
    /// τ of this canary: a run in which it is farther than this exceeds.
    pub tolerance: f64,
}

/// How often a canary's checks were passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its category.
    pub category: String,
    /// Times asked.
    pub asked: u64,
    /// Those of them in which all its checks were passed.
    pub passed: u64,
}

/// Times that a canary is to be asked before its checks are trusted.
pub(super) const LEAST_PASSES: u64 = 6;

/// The part of them, in percent, that is to be passed.
const LEAST_PASSED: u64 = 80;

impl Record {
    /// Times that a canary is to be asked before its checks are trusted.
    pub const LEAST: u64 = LEAST_PASSES;

    /// Whether it was asked often enough to tell, and passed often enough to be watched.
    pub fn is_stable(&self) -> bool {
        self.asked >= LEAST_PASSES && self.passed * 100 >= self.asked * LEAST_PASSED
    }

    /// Whether it was asked often enough to tell that it is not to be watched.
    pub fn is_unstable(&self) -> bool {
        self.asked >= LEAST_PASSES && !self.is_stable()
    }

    /// Whether each answer so far passed.
    pub fn is_clean(&self) -> bool {
        self.asked > 0 && self.passed == self.asked
    }

    pub(super) fn count(&mut self, passed: bool) {
        self.asked += 1;
        self.passed += u64::from(passed);
    }
}

impl Baseline {
    /// Reads one that was stored.
    ///
    /// # Errors
    ///
    /// It is none, or was written by a newer version of opsagent.
    pub fn of_json(json: &str) -> Result<Baseline, Unreadable> {
        Unreadable::check(json, "baseline")?;
        serde_json::from_str(json)
            .map_err(|error| Unreadable::Damaged { what: "baseline", text: error.to_string() })
    }

    /// It as JSON.
    pub fn to_json(&self) -> String {
        // Maps have text keys and floats that are not finite become null, so that nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it saw a sound answer where there is a fault now: only then did something change.
    pub(super) fn knows(&self, fault: &Fault<'_>) -> bool {
        if fault.of_first_tokens || fault.canary == SAMPLER {
            return self.canaries.contains_key(fault.canary);
        }
        self.checks.contains_key(fault.canary)
    }

    /// Whether the sampler's settings are watched by a text that is drawn, and not by their probabilities.
    pub(super) fn knows_drawn_text(&self) -> bool {
        let known = self.canaries.get(SAMPLER);
        known.is_some_and(|known| known.states.iter().any(|state| matches!(state, Numbers::Text(_))))
    }

    /// Chat canaries that were kept.
    pub(super) fn chat_canaries(&self) -> usize {
        self.canaries.values().filter(|known| known.probe == Probe::Chat).count()
    }

    /// It in a few numbers; the bound is not part of it, but of what was seen since.
    pub fn info(&self, exceedance_bound: f64) -> BaselineInfo {
        BaselineInfo {
            number: self.number,
            at: self.at.unwrap_or_default(),
            runs: self.runs,
            states: self.canaries.values().map(|known| known.states.len() as u64).sum(),
            canaries: self.chat_canaries() as u32,
            checks: self.checks.values().filter(|record| record.is_stable()).count() as u32,
            exceedance_bound,
            deterministic: self.deterministic,
            text_mode: self.text_mode,
            under_load: self.loaded_runs > 0,
        }
    }
}

/// Why something stored cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer version wrote it.
    #[error(
        "the {what} was written by a newer opsagent (format {found}, this one reads up to {FORMAT}): \
         run that version, or begin anew with `opsagent baseline capture`"
    )]
    Newer {
        /// What it is.
        what: &'static str,
        /// Its format.
        found: u64,
    },
    /// It is none.
    #[error("the {what} cannot be read: {text}")]
    Damaged {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl Unreadable {
    /// Whether this version may read it at all: that is asked before the rest is, whose shape may be another.
    pub(super) fn check(json: &str, what: &'static str) -> Result<(), Unreadable> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
        }
        match serde_json::from_str::<Head>(json) {
            Err(error) => Err(Unreadable::Damaged { what, text: error.to_string() }),
            Ok(head) if head.format > u64::from(FORMAT) => {
                Err(Unreadable::Newer { what, found: head.format })
            }
            Ok(_) => Ok(()),
        }
    }
}
