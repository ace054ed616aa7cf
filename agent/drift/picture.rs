//! A run as far as it helps to say what moved, how bad it is and why: in a few numbers that can be kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compare::Compared;
use super::kld::Kld;
use super::look::{Fault, Look};
use super::{Baseline, Probe};
use crate::sample::{ABSENT, AskError};

/// The most faults of one run that are kept.
const MOST_FAULTS: usize = 8;

/// A run in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Picture {
    pub at: Timestamp,
    /// Mean distance by probe.
    pub distances: Vec<(Probe, f64)>,
    /// The probes that moved.
    pub moved: Vec<Probe>,
    /// Chat canaries that exceed, and those compared.
    pub exceeding: (u32, u32),
    pub kld: Option<f64>,
    pub kld_error: Option<f64>,
    /// Chat canaries whose text is known, of those compared.
    pub texts: (u32, u32),
    /// Canaries whose text first differs where the baseline was sure. `None`: no probabilities.
    pub flips: Option<u32>,
    /// Tokens at which texts first differ, the median.
    pub first_difference: Option<u32>,
    /// Whether tokens were chosen otherwise out of the same distributions.
    pub chosen_otherwise: bool,
    /// Prompts with another count of tokens: short ones, long ones, and all compared.
    pub counts: (u32, u32, u32),
    /// Of those that moved, whether all have fewer tokens now.
    pub counts_fell: bool,
    pub faults: Vec<FaultSeen>,
    /// The baseline has log probabilities and this run has none.
    pub no_logprobs: bool,
}

/// A fault of one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FaultSeen {
    pub canary: String,
    pub kind: FaultKind,
    pub long: bool,
    /// In words.
    pub text: String,
}

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FaultKind {
    /// A log probability that is none.
    BadLogprob,
    /// An answer without a token.
    Empty,
    /// A prompt that is said to be longer than the context.
    TooLong,
    /// A status that refuses this prompt.
    Status,
    /// The server fails at this prompt, while it answers others.
    ServerError,
    /// Another count of prompt tokens.
    Count,
    /// No log probabilities, where there were some.
    NoLogprobs,
}

impl Picture {
    /// Of a run that was held against a baseline.
    pub(super) fn of(baseline: &Baseline, look: &Look<'_>, compared: &Compared, at: Timestamp) -> Picture {
        let chat: Vec<_> = compared.chat().collect();
        let kld = Kld::of(&compared.kl);
        let mut first: Vec<usize> = chat.iter().filter_map(|one| one.differs_at).collect();
        first.sort_unstable();
        let count =
            |long: bool| compared.counts_moved.iter().filter(|count| count.long == long).count() as u32;
        let mut picture = Picture {
            at,
            distances: Vec::new(),
            moved: moved(baseline, compared),
            exceeding: (chat.iter().filter(|one| one.exceeds).count() as u32, chat.len() as u32),
            kld: kld.map(|kld| kld.mean),
            kld_error: kld.and_then(|kld| kld.standard_error),
            texts: (chat.iter().filter(|one| one.known_text).count() as u32, chat.len() as u32),
            flips: (!baseline.text_mode && !chat.is_empty())
                .then(|| chat.iter().filter(|one| one.confident).count() as u32),
            first_difference: first.get(first.len() / 2).map(|at| *at as u32),
            chosen_otherwise: compared.each.iter().any(|one| one.chosen_otherwise),
            counts: (count(false), count(true), compared.counts),
            counts_fell: compared.counts_moved.iter().all(|count| count.to < count.from),
            faults: faults(look, |fault| baseline.knows(fault)),
            no_logprobs: look.text_mode && !baseline.text_mode,
        };
        for probe in Probe::ALL {
            picture.distances.extend(compared.distance(*probe).map(|distance| (*probe, distance)));
        }
        for count in &compared.counts_moved {
            let text = format!("{}: {} prompt tokens, were {}", count.canary, count.to, count.from);
            picture.fault(FaultKind::Count, &count.canary, count.long, text);
        }
        if picture.no_logprobs {
            picture.fault(FaultKind::NoLogprobs, "", false, "no log probabilities are told any more".into());
        }
        picture
    }

    /// Of a run without a baseline: only that it is broken can be known. What else fails may always have.
    pub(super) fn of_faults(look: &Look<'_>, at: Timestamp) -> Picture {
        Picture { at, faults: faults(look, |_| false), ..Picture::default() }
    }

    /// The mean distance of a probe.
    pub(super) fn distance(&self, probe: Probe) -> Option<f64> {
        self.distances.iter().find(|(of, _)| *of == probe).map(|(_, distance)| *distance)
    }

    /// The part of the texts that is not known.
    pub(super) fn unknown_texts(&self) -> Option<f64> {
        let (known, all) = self.texts;
        (all > 0).then(|| f64::from(all - known) / f64::from(all))
    }

    /// Whether a probe moved.
    pub(super) fn has_moved(&self, probe: Probe) -> bool {
        self.moved.contains(&probe)
    }

    /// Whether there is a fault of that kind.
    pub(super) fn has(&self, kind: FaultKind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }

    fn fault(&mut self, kind: FaultKind, canary: &str, long: bool, text: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(FaultSeen { canary: canary.to_owned(), kind, long, text });
        }
    }
}

/// The probes that moved: on a server that always computes the same numbers, half the tolerance is a move.
fn moved(baseline: &Baseline, compared: &Compared) -> Vec<Probe> {
    // What only medians show moved by less than a tolerance of single runs.
    let creeps = compared.score.is_some_and(|score| score > baseline.slow_tolerance);
    let part = if baseline.deterministic || creeps { 0.5 } else { 1.0 };
    let moved = |probe: &Probe| match probe {
        Probe::Chat => compared.score.is_some_and(|score| score > part * baseline.tolerance),
        Probe::Sampling => compared.sampler == Some(true),
        _ => compared.each.iter().filter(|one| one.probe == *probe).any(|one| {
            baseline.canaries.get(&one.canary).is_some_and(|known| one.distance > part * known.tolerance)
        }),
    };
    Probe::ALL.iter().copied().filter(moved).collect()
}

/// The faults that count: broken numbers always do, and others where something `worked` before.
fn faults(look: &Look<'_>, worked: impl Fn(&Fault<'_>) -> bool) -> Vec<FaultSeen> {
    let counts = |fault: &&Fault<'_>| matches!(fault.error, AskError::BadLogprob { .. }) || worked(fault);
    let one = |fault: &Fault<'_>| {
        let kind = match fault.error {
            AskError::BadLogprob { found } if found == ABSENT => FaultKind::NoLogprobs,
            AskError::BadLogprob { .. } => FaultKind::BadLogprob,
            AskError::Status { status: 500.., .. } => FaultKind::ServerError,
            AskError::Empty => FaultKind::Empty,
            AskError::TooLong { .. } => FaultKind::TooLong,
            _ => FaultKind::Status,
        };
        let text = format!("{}: {}", fault.canary, fault.error);
        FaultSeen { canary: fault.canary.to_owned(), kind, long: fault.long, text }
    };
    look.faults.iter().filter(counts).take(MOST_FAULTS).map(one).collect()
}
