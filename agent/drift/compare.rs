//! A run held against a baseline: how far each answer is from what is known, and whether the run exceeds it.

use super::baseline::{Baseline, Known};
use super::dictionary::{FLOOR, Numbers, limit};
use super::look::{Look, Print, SAMPLER};
use super::{Probe, distance, margin};

/// Nats between the two likeliest tokens from which on the same distribution must give the same greedy token.
const NO_TIE: f64 = 0.1;

/// A run held against a baseline.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Compared {
    /// Each answer that could be compared.
    pub each: Vec<One>,
    /// R: the mean distance of the chat canaries; in text mode the part of their texts that is not known.
    pub score: Option<f64>,
    /// Whether short answers exceed. `None`: there were none to compare.
    pub short: Option<bool>,
    /// Whether long ones do.
    pub long: Option<bool>,
    /// Whether the sampler's settings show to be others.
    pub sampler: Option<bool>,
    /// Each canary's KL divergence from its nearest state.
    pub kl: Vec<f64>,
    /// Canaries whose prompt has another count of tokens than in the baseline.
    pub counts_moved: Vec<Count>,
    /// Canaries whose count could be compared.
    pub counts: u32,
}

/// An answer held against what is known of its canary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct One {
    pub canary: String,
    pub probe: Probe,
    pub raw: bool,
    /// To the nearest known state.
    pub distance: f64,
    /// Whether that is above the canary's tolerance.
    pub exceeds: bool,
    /// Whether its tokens, or its text, are one of the known.
    pub known_text: bool,
    /// The first token that differs.
    pub differs_at: Option<usize>,
    /// Whether it differs where the baseline was sure.
    pub confident: bool,
    /// Whether it differs although the distribution is the same and no tie: something chose otherwise.
    pub chosen_otherwise: bool,
}

/// A prompt that has another count of tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Count {
    pub canary: String,
    pub from: u64,
    pub to: u64,
    pub long: bool,
}

/// Holds a run against a baseline.
pub(super) fn compare(baseline: &Baseline, look: &Look<'_>) -> Compared {
    let mut compared = Compared::default();
    for print in &look.prints {
        let Some(known) = baseline.canaries.get(print.canary) else { continue };
        let of = print.numbers(baseline.text_mode);
        let Some((state, distance)) = nearest(known, &of) else { continue };
        let (one, kl) = hold(baseline, known, print, state, &of, distance);
        // Where no chat can be compared, what raw prompts tell of its size is all there is.
        if one.probe == Probe::Chat || look.dated && one.probe != Probe::Long {
            compared.kl.extend(kl);
        }
        compared.each.push(one);
    }
    let of_sampler = look.sampler.as_ref().zip(baseline.canaries.get(SAMPLER));
    let sampler = of_sampler.and_then(|(sampler, known)| {
        let distance = nearest(known, sampler)?.1;
        let one = One {
            canary: SAMPLER.to_owned(),
            probe: Probe::Sampling,
            raw: true,
            distance,
            exceeds: distance > known.tolerance,
            known_text: true,
            differs_at: None,
            confident: false,
            chosen_otherwise: false,
        };
        compared.each.push(one);
        Some(distance > known.tolerance)
    });
    compared.judge(baseline, sampler);
    compared.count(baseline, look);
    compared
}

impl Compared {
    /// The mean distance by probe.
    pub(super) fn distance(&self, probe: Probe) -> Option<f64> {
        let all: Vec<f64> =
            self.each.iter().filter(|one| one.probe == probe).map(|one| one.distance).collect();
        super::kld::mean(&all)
    }

    /// Whether anything in the run exceeds.
    pub(super) fn exceeds(&self) -> bool {
        [self.short, self.long, self.sampler].contains(&Some(true))
    }

    /// The chat canaries.
    pub(super) fn chat(&self) -> impl Iterator<Item = &One> {
        self.each.iter().filter(|one| one.probe == Probe::Chat)
    }

    fn judge(&mut self, baseline: &Baseline, sampler: Option<bool>) {
        let texts = baseline.text_mode;
        self.score = self.distance(Probe::Chat);
        let far = self.score.map(|score| score > baseline.tolerance);
        let any = |probes: &[Probe]| {
            let mut some = None;
            for one in self.each.iter().filter(|one| probes.contains(&one.probe)) {
                some = Some(some == Some(true) || one.exceeds);
            }
            some
        };
        self.sampler = sampler;
        if texts {
            // Where texts vary by themselves, one that is another is no event: their share is.
            let raw = if baseline.deterministic { any(&[Probe::P0, Probe::P1]) } else { None };
            self.short = or(far, raw);
            return;
        }
        self.short = or(far, any(&[Probe::Chat, Probe::P0, Probe::P1]));
        self.long = any(&[Probe::Long]);
        let otherwise =
            self.chat().next().is_some().then(|| self.each.iter().any(|one| one.chosen_otherwise));
        self.sampler = or(sampler, otherwise);
    }

    fn count(&mut self, baseline: &Baseline, look: &Look<'_>) {
        for (canary, to) in &look.prompt_tokens {
            let Some(from) = baseline.prompt_tokens.get(*canary) else { continue };
            self.counts += 1;
            if from != to {
                let long = look.long.contains(canary);
                self.counts_moved.push(Count { canary: (*canary).to_owned(), from: *from, to: *to, long });
            }
        }
    }
}

/// One of two that may be unknown.
fn or(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (None, either) | (either, None) => either,
        (Some(one), Some(other)) => Some(one || other),
    }
}

fn nearest<'a>(known: &'a Known, of: &Numbers) -> Option<(&'a Numbers, f64)> {
    let all = known.states.iter().filter_map(|state| Some((state, state.distance(of, known.raw)?)));
    // All texts that are others are as far: the one that parts last is the nearest.
    all.min_by(|(one, far), (other, farther)| {
        far.total_cmp(farther).then_with(|| other.common(of).cmp(&one.common(of)))
    })
}

/// An answer beside its nearest state; and their KL divergence, where there are distributions.
fn hold(
    baseline: &Baseline,
    known: &Known,
    print: &Print<'_>,
    state: &Numbers,
    of: &Numbers,
    distance: f64,
) -> (One, Option<f64>) {
    let mut one = One {
        canary: print.canary.to_owned(),
        probe: known.probe,
        raw: known.raw,
        distance,
        exceeds: distance > known.tolerance,
        known_text: distance == 0.0,
        differs_at: None,
        confident: false,
        chosen_otherwise: false,
    };
    if let (Numbers::Text(from), Numbers::Text(to)) = (state, of) {
        one.differs_at = from.differs_at(to);
    }
    let (Numbers::Positions(from), Numbers::Positions(to)) = (state, of) else { return (one, None) };
    let Some(compared) = distance::answer(from, to, limit(known.raw)) else { return (one, None) };
    one.differs_at = compared.differs_at;
    one.known_text = compared.differs_at.is_none();
    if let Some(margin) = compared.differs_at.and_then(|at| margin::of(from.get(at)?)) {
        one.confident = margin >= baseline.margin && known.probe == Probe::Chat;
        let both = compared.differs_at.is_some_and(|at| at < to.len());
        one.chosen_otherwise = both && distance <= FLOOR && margin >= NO_TIE;
    }
    (one, Some(compared.kl))
}
