//! What of a run can be compared: its answers sorted by what they are for, its faults, and whether it can be judged.

use std::collections::BTreeMap;

use crate::checks;
use crate::sample::{Answer, AskError, Part, Position, Purpose, Reply, Run};
pub(super) use crate::suite::SAMPLER;
use crate::suite::Suite;

use super::Probe;
use super::dictionary::Numbers;
use super::performance::Pace;
use super::text::Text;

/// One run, sorted.
#[derive(Debug, Default)]
pub(super) struct Look<'a> {
    /// First tokens of canaries and probes.
    pub prints: Vec<Print<'a>>,
    /// What shows the sampler's settings: the first token's probabilities after it, else a text that it drew.
    pub sampler: Option<Numbers>,
    /// Whole answers held against their checks.
    pub graded: Vec<Graded<'a>>,
    /// Answers that fail in a way that tells of the model or its set-up.
    pub faults: Vec<Fault<'a>>,
    /// Tokens of each canary's prompt, as the server counts them.
    pub prompt_tokens: BTreeMap<&'a str, u64>,
    /// The canaries and probes of them whose prompts are long.
    pub long: Vec<&'a str>,
    /// Questions that the server gave no answer to: it was away, or refused all of them alike.
    pub unanswered: usize,
    /// Why the last of these got none.
    pub why: Option<&'a AskError>,
    /// How fast it was, if nobody else used the server.
    pub pace: Option<Pace>,
    /// Whether first tokens came, and none of them with log probabilities.
    pub text_mode: bool,
    /// Whether the template puts today's date into each prompt: of what went through it, only checks are looked at.
    pub dated: bool,
}

/// The first tokens of a canary or probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Print<'a> {
    /// Whose.
    pub canary: &'a str,
    /// Which distance it counts to.
    pub probe: Probe,
    /// Whether it is a raw prompt, of which the first token alone counts.
    pub raw: bool,
    /// Its distributions; empty in text mode.
    pub positions: &'a [Position],
    /// Its text.
    pub text: &'a str,
    /// Tokens of it, as the server counts them.
    pub tokens: Option<u64>,
}

impl Print<'_> {
    /// It as it is compared; its text alone where `texts` says so, or where there is no more.
    pub(super) fn numbers(&self, texts: bool) -> Numbers {
        if texts || self.positions.is_empty() {
            return Numbers::Text(Text::of(self.text, self.tokens));
        }
        Numbers::Positions(self.positions.to_vec())
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Graded<'a> {
    /// Whose.
    pub canary: &'a str,
    /// Its category.
    pub category: &'static str,
    /// The checks it fails, each with why, in words that quote nothing of the answer.
    pub failed: Vec<String>,
    /// Whether it should be refused (`true`), or answered. `None`: neither is asked for.
    pub refuse: Option<bool>,
    /// Whether it was, where that is asked for.
    pub refused: bool,
}

/// An answer that fails in a way that tells of the model or its set-up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault<'a> {
    /// Whose.
    pub canary: &'a str,
    /// Whether its prompt is long.
    pub long: bool,
    /// Whether it is a short canary of the fingerprint, asked for its first tokens.
    pub chat: bool,
    /// Whether it was asked for its first tokens.
    pub of_first_tokens: bool,
    /// How it fails.
    pub error: &'a AskError,
}

impl<'a> Look<'a> {
    /// Sorts a run by what its suite says of each canary. Answers to what the suite does not know are left out.
    pub(super) fn of(run: &'a Run, suite: &'a Suite) -> Look<'a> {
        let mut look = Look { dated: run.facts.is_dated(), ..Look::default() };
        // Of a part of the questions a refusal of all tells of that part: the others were answered a moment ago.
        let of_all = !matches!(run.purpose, Purpose::Long | Purpose::Confirm);
        let whole = of_all && whole_refusal(&run.answers);
        for answer in &run.answers {
            match &answer.result {
                Ok(reply) => look.take(answer, reply, suite),
                Err(error) if error.is_hard() && !whole => {
                    let is = |which| probe(&answer.canary, suite).is_some_and(|(probe, _)| probe == which);
                    let of_first_tokens = answer.part == Part::Fingerprint;
                    let (long, chat) = (is(Probe::Long), is(Probe::Chat) && of_first_tokens);
                    look.faults.push(Fault { canary: &answer.canary, long, chat, of_first_tokens, error });
                }
                Err(error) => {
                    look.unanswered += 1;
                    look.why = Some(error);
                }
            }
        }
        look.pace = pace(run, |_| true);
        look.text_mode =
            !look.prints.is_empty() && look.prints.iter().all(|print| print.positions.is_empty());
        look
    }

    /// Whether there is enough of it to compare: at least half of what was asked was answered, or failed in a way that
    /// tells of the model.
    pub(super) fn can_be_judged(&self) -> bool {
        let told =
            self.prints.len() + self.graded.len() + self.faults.len() + usize::from(self.sampler.is_some());
        told > 0 && told >= self.unanswered
    }

    /// Whether a log probability in it is none: then nothing of it is to be learned.
    pub(super) fn is_broken(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault.error, AskError::BadLogprob { .. }))
    }

    /// Whether it has the short prompts of a beat.
    pub(super) fn is_short(&self) -> bool {
        let of = |probe| self.of_probe(probe).next().is_some();
        of(Probe::Chat) || self.dated && (of(Probe::P0) || of(Probe::P1))
    }

    /// The prints of a kind.
    pub(super) fn of_probe(&self, probe: Probe) -> impl Iterator<Item = &Print<'a>> {
        self.prints.iter().filter(move |print| print.probe == probe)
    }

    fn take(&mut self, answer: &'a Answer, reply: &'a Reply, suite: &'a Suite) {
        let known = probe(&answer.canary, suite);
        let raw = if answer.part == Part::Sampler {
            !reply.sampler.is_empty()
        } else {
            known.is_some_and(|(_, raw)| raw)
        };
        let is_compared = raw || !self.dated;
        if !is_compared && answer.part != Part::Graded {
            return;
        }
        if let Some(tokens) = reply.generation.tokens.input.filter(|_| is_compared) {
            self.prompt_tokens.insert(&answer.canary, tokens);
            if known.is_some_and(|(probe, _)| probe == Probe::Long) {
                self.long.push(&answer.canary);
            }
        }
        match answer.part {
            Part::Sampler => self.sampler = Some(drawn(reply)),
            Part::Fingerprint => {
                let Some((probe, raw)) = known else { return };
                let (positions, text) = (reply.positions.as_slice(), reply.text.as_str());
                let tokens = reply.generation.tokens.output;
                self.prints.push(Print { canary: &answer.canary, probe, raw, positions, text, tokens });
            }
            Part::Graded => {
                let Some(canary) = suite.canary(&answer.canary).filter(|canary| !canary.checks.is_empty())
                else {
                    return;
                };
                let outcomes = checks::all(&canary.checks, &reply.text);
                let refuse = canary.refuses();
                let refused = outcomes.iter().any(|outcome| match outcome.check {
                    "refusal" => outcome.failed.is_none(),
                    "not_refusal" => outcome.failed.is_some(),
                    _ => false,
                });
                let failed = outcomes.into_iter().filter_map(|outcome| outcome.failed).collect();
                let (canary, category) = (canary.id.as_str(), canary.category);
                self.graded.push(Graded { canary, category, failed, refuse, refused });
            }
        }
    }
}

/// What shows the sampler's settings: its probabilities, where they are told.
fn drawn(reply: &Reply) -> Numbers {
    if reply.sampler.is_empty() {
        return Numbers::Text(Text::of(&reply.text, reply.generation.tokens.output));
    }
    Numbers::Sampler(reply.sampler.clone())
}

/// Which distance the first tokens of a canary or probe count to, and whether its prompt is raw. `None`: not of this suite.
pub(super) fn probe(name: &str, suite: &Suite) -> Option<(Probe, bool)> {
    if suite.probes.iter().any(|(probe, _)| *probe == name) {
        return Some(match name {
            "p0" => (Probe::P0, true),
            "p1" => (Probe::P1, true),
            _ => (Probe::Long, true),
        });
    }
    let is_open = suite.open.iter().any(|(open, _)| *open == name);
    let long = !is_open && suite.canary(name)?.long;
    Some((if long { Probe::Long } else { Probe::Chat }, false))
}

/// Seconds of getting a model ready from which on an answer is one of a cold start.
const COLD: f64 = 0.5;

/// Tokens of an answer that its speed can be told by: with fewer, the clock's grain is in it.
const LEAST_TOKENS: u64 = 4;

/// The median speed of the whole answers of these canaries, by the server's own clock where it tells one. `None`:
/// somebody else used the server, or that is not known.
pub(super) fn pace(run: &Run, of: impl Fn(&str) -> bool) -> Option<Pace> {
    // Several questions at once slow each other: that is our own load, and no band of an idle server.
    if run.idle != Some(true) || run.concurrency != 1 {
        return None;
    }
    let whole = run.answers.iter().filter(|answer| answer.part == Part::Graded && of(&answer.canary));
    let told: Vec<&crate::sample::Generation> = whole
        .filter_map(|answer| Some(&answer.result.as_ref().ok()?.generation))
        .filter(|generation| generation.told.load.is_none_or(|load| load.as_secs_f64() < COLD))
        .collect();
    let pace = Pace {
        tokens_per_second: median(told.iter().filter_map(|generation| speed(generation)).collect()),
        first_token_seconds_per_prompt_token: median(told.iter().filter_map(|one| wait(one)).collect()),
    };
    (pace.tokens_per_second.is_some() || pace.first_token_seconds_per_prompt_token.is_some()).then_some(pace)
}

fn speed(generation: &crate::sample::Generation) -> Option<f64> {
    if let (Some(seconds), Some(tokens)) = (generation.told.decode, generation.told.decode_tokens) {
        return (tokens >= LEAST_TOKENS && !seconds.is_zero()).then(|| tokens as f64 / seconds.as_secs_f64());
    }
    let each = generation.time_per_output_token?;
    let enough = generation.tokens.output? >= LEAST_TOKENS && !each.is_zero();
    enough.then(|| 1.0 / each.as_secs_f64())
}

fn wait(generation: &crate::sample::Generation) -> Option<f64> {
    if let (Some(seconds), Some(tokens)) = (generation.told.prompt, generation.told.prompt_tokens) {
        return (tokens > 0).then(|| seconds.as_secs_f64() / tokens as f64);
    }
    let tokens = generation.tokens.input?.checked_sub(generation.tokens.cached.unwrap_or(0))?;
    (tokens > 0).then_some(generation.time_to_first_token?.as_secs_f64() / tokens as f64)
}

fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}

/// Whether all questions, and more than one, were refused with the same status: then the server tells of the
/// connection or the model's place, not of how the model answers.
fn whole_refusal(answers: &[Answer]) -> bool {
    let mut statuses = answers.iter().map(|answer| match &answer.result {
        Err(AskError::Status { status, .. }) => Some(*status),
        _ => None,
    });
    match statuses.next().flatten() {
        Some(first) => answers.len() > 1 && statuses.all(|status| status == Some(first)),
        None => false,
    }
}
