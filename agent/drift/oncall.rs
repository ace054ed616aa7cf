//! What the person on call reads: what moved, what most likely caused it, what is not the cause, what to do. Written
//! for somebody who was just woken: a line each, the same heads each time, commands as they are to be typed.

use super::baseline::Baseline;
use super::cause;
use super::picture::{FaultKind, Picture};
use super::severity::SMALL;
use super::{Cause, Change, CheckLost, Plan, Probe, Stream};

mod remedy;

use remedy::to_do;
pub(super) use remedy::told;

/// Names that are listed before the rest is only counted.
const LISTED: usize = 4;

/// The median token, from 0, at which texts first differ: 0 or 1 with Q4_0, Q2_K and another system prompt, 3 with a
/// repeat penalty, 6 to 10 where only numbers moved (K cache, flash attention, Q8_0). Measured, ten texts.
const EARLY: u32 = 2;

/// What shows the sampler's settings where its probabilities are not told.
const DRAWN: &str = "the text drawn with a fixed seed";

/// As much of a digest as tells two apart.
const FACT: usize = 28;

/// KLD against f16 on models of 8 billion parameters, as published for llama.cpp's quantizations, nats.
const SCALE: [(f64, &str); 7] = [
    (0.0014, "q8_0"),
    (0.0055, "q6_K"),
    (0.011, "q5_K_M"),
    (0.031, "q4_K_M"),
    (0.1, "q3_K_M"),
    (0.45, "q2_K"),
    (2.2, "iq1_S"),
];

/// What is known of what moved.
pub(super) struct Told<'a> {
    pub plan: &'a Plan,
    pub picture: &'a Picture,
    pub cause: Option<Cause>,
    pub changes: &'a [Change],
    pub checks: &'a Checks,
    pub baseline: Option<&'a Baseline>,
    pub stream: Stream,
    /// An alarm holds; else it is only suspected.
    pub sure: bool,
}

/// What is known of the checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Those that the baseline always passed and that fail now.
    pub lost: Vec<CheckLost>,
    /// Others that raised the alarm of quality, each with how often it failed.
    pub failing: Vec<String>,
}

/// The words for what moved.
pub(super) fn words(told: &Told<'_>) -> Vec<String> {
    let mut words =
        vec![format!("What moved: {}", moved(told.picture, told.baseline, told.checks, told.stream))];
    words.push(likely(told));
    words.extend(facts(told));
    words.extend(not_the_cause(told));
    words.push(to_do(told));
    words
}

/// What moved, in a clause.
pub(super) fn moved(
    picture: &Picture,
    baseline: Option<&Baseline>,
    checks: &Checks,
    stream: Stream,
) -> String {
    let Checks { lost, failing } = checks;
    let mut said = Vec::new();
    if stream == Stream::Performance {
        said.push(
            "answers come slower than in the slowest runs of the baseline, with nobody else at it".to_owned(),
        );
    }
    let texts = picture.kld.is_none();
    let (off, all) =
        if texts { (picture.texts.1 - picture.texts.0, picture.texts.1) } else { picture.exceeding };
    if off > 0 {
        let which = if off == all { format!("all {all}") } else { format!("{off} of {all}") };
        let mut far = Vec::new();
        far.extend(picture.distance(Probe::Chat).filter(|_| !texts).map(|far| format!("mean {far:.2} nat")));
        far.extend(picture.kld.map(|mean| kld(mean, picture.kld_error)));
        let far = if far.is_empty() { String::new() } else { format!(" ({})", far.join(", ")) };
        said.push(format!("answers to {which} fingerprint prompts{far}"));
    }
    for (probe, name) in [(Probe::Long, "long prompts"), (Probe::Sampling, "the sampler's probabilities")] {
        let far = picture.distance(probe).filter(|_| picture.has_moved(probe));
        let unit = if probe == Probe::Sampling { "" } else { " nat" };
        let drawn = probe == Probe::Sampling && baseline.is_some_and(Baseline::knows_drawn_text);
        said.extend(
            far.filter(|far| *far > 0.0)
                .map(|far| if drawn { DRAWN.to_owned() } else { format!("{name} by {far:.2}{unit}") }),
        );
    }
    if picture.chosen_otherwise {
        said.push("other tokens are chosen out of the same probabilities".to_owned());
    }
    if !lost.is_empty() {
        let stable =
            baseline.map_or(0, |baseline| baseline.checks.values().filter(|one| one.is_stable()).count());
        let names = list(lost.iter().map(|lost| format!("{}/{}", lost.category, lost.canary)));
        said.push(format!("{} of {stable} stable checks lost: {names}", lost.len()));
    }
    if !failing.is_empty() {
        said.push(format!("checks that failed more often than they did: {}", list(failing.iter().cloned())));
    }
    said.extend(faults(picture));
    if off > 0 {
        said.extend(picture.first_difference.map(|at| first_difference(at, texts)));
    }
    if said.is_empty() {
        let probes: Vec<&str> = picture.moved.iter().map(|probe| name(*probe)).collect();
        said.push(if probes.is_empty() { "single runs, a little".to_owned() } else { probes.join(", ") });
    }
    said.join("; ")
}

/// Where texts first differ, the median. Of texts alone it is all there is to tell a broken model by.
fn first_difference(at: u32, texts: bool) -> String {
    let nth = at + 1;
    if !texts {
        return format!("texts first differ at token {nth}");
    }
    let like = if at < EARLY {
        "early, as of other weights or another template"
    } else {
        "late, as of numbers or penalties that changed"
    };
    format!("texts first differ at about token {nth}: {like}")
}

/// A KLD equivalent with its place on the published scale, and where few answers leave it open, from where to where.
fn kld(kld: f64, error: Option<f64>) -> String {
    if kld < SCALE[0].0 / 2.0 {
        return format!("KLD {kld:.4}: next to nothing");
    }
    let nearest =
        SCALE.iter().min_by(|one, other| (one.0 / kld).ln().abs().total_cmp(&(other.0 / kld).ln().abs()));
    let like = nearest.map_or("", |(_, quantization)| quantization);
    let range = error
        .and_then(|error| super::kld::range(kld, error))
        .map(|(low, high)| format!(" ({} to {})", nats(low), nats(high)))
        .unwrap_or_default();
    format!("KLD ~{}{range}, as {like} is to f16 on an 8B model", nats(kld))
}

fn nats(nats: f64) -> String {
    let digits = if nats < SMALL { 4 } else { 2 };
    format!("{nats:.digits$}")
}

fn faults(picture: &Picture) -> Option<String> {
    let first = picture.faults.first()?;
    let (short, long, all) = picture.counts;
    Some(match first.kind {
        FaultKind::Count => {
            format!("the count of prompt tokens moved for {} of {all} prompts ({})", short + long, first.text)
        }
        FaultKind::NoLogprobs => "the server tells no log probabilities any more".to_owned(),
        FaultKind::BadLogprob
        | FaultKind::Empty
        | FaultKind::TooLong
        | FaultKind::Status
        | FaultKind::ServerError => {
            let more = picture.faults.len() - 1;
            if more > 0 { format!("{} (and {more} more)", first.text) } else { first.text.clone() }
        }
    })
}

fn likely(told: &Told<'_>) -> String {
    let Some(cause) = told.cause else {
        return match told.stream {
            Stream::Performance => {
                "Most likely: load from outside this server, heat, or a part of the model in main memory; \
                 speed alone tells no more"
                    .into()
            }
            Stream::Quality => "Most likely: not to be told; the fingerprint did not move".into(),
            _ => "Most likely: not to be told yet".into(),
        };
    };
    let mut why: Vec<String> = Vec::new();
    let mut still = Vec::new();
    for probe in [Probe::P0, Probe::P1, Probe::Chat, Probe::Sampling] {
        let Some(far) = told.picture.distance(probe) else { continue };
        if told.picture.has_moved(probe) {
            why.push(format!("{} moved {far:.2}", name(probe)));
        } else {
            still.push(name(probe));
        }
    }
    if !still.is_empty() {
        why.push(format!("{} did not", still.join(" and ")));
    }
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    let drawn = told.baseline.is_some_and(Baseline::knows_drawn_text) && cause == Cause::Sampling;
    let small = drawn.then_some("a change of numbers that no other text shows looks alike");
    let also = cause::ambiguity(cause, told.changes).or(small);
    let ambiguity = also.map(|also| format!("; {also}")).unwrap_or_default();
    format!("Most likely: {}{why}{ambiguity}", cause::said(cause))
}

fn facts(told: &Told<'_>) -> Option<String> {
    let baseline = told.baseline?;
    let mut said: Vec<String> = told.changes.iter().map(said).collect();
    let same: Vec<&str> = baseline
        .facts
        .of
        .keys()
        .filter(|fact| told.changes.iter().all(|change| change.fact != **fact))
        .map(|fact| fact.name())
        .collect();
    if !same.is_empty() {
        said.push(format!("unchanged: {}", same.join(", ")));
    }
    (!said.is_empty()).then(|| format!("Facts: {}", said.join("; ")))
}

fn not_the_cause(told: &Told<'_>) -> Option<String> {
    let baseline = told.baseline?;
    let loaded = baseline.loaded_runs;
    (loaded > 0 && told.stream != Stream::Performance)
        .then(|| format!("Not the cause: load ({loaded} runs of the baseline had several questions at once)"))
}

/// A fact that changed.
fn said(change: &Change) -> String {
    let said = |told: &Option<String>| told.as_deref().map_or_else(|| "not told".to_owned(), short);
    let at = change.at.strftime("%H:%M UTC");
    format!("{} {} -> {} ({at})", change.fact.name(), said(&change.from), said(&change.to))
}

const fn name(probe: Probe) -> &'static str {
    match probe {
        Probe::P0 => "one raw token",
        Probe::P1 => "five raw tokens",
        Probe::Long => "long prompts",
        Probe::Chat => "chat",
        Probe::Sampling => "sampling",
    }
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED);
    let shown = names[..names.len().min(LISTED)].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn short(told: &str) -> String {
    let cut: String = told.chars().take(FACT).collect();
    if cut.len() < told.len() { format!("{cut}…") } else { cut }
}
