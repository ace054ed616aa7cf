//! What most likely happened, by which probes moved: each is exactly blind to some changes.
//!
//! | probe | is moved by | is blind to |
//! | --- | --- | --- |
//! | one raw token | weights, adapters, the type of the V cache, kernels | K cache, RoPE, attention kernel, template, system prompt, sampling, context |
//! | a few raw tokens | also K cache, RoPE, attention kernel | template, system prompt, sampling |
//! | long prompts | also how prompts are cut into pieces, the context | |
//! | chat | also template and system prompt | temperature, top-p |
//! | sampler | sampling | |

use super::picture::{FaultKind, Picture};
use super::{Cause, Change, Probe};
use crate::sample::Fact;

/// Nats at position 0 that a mere change of kernels makes: an arithmetic change however small lands below it.
const KERNELS_ALONE: f64 = 0.09;

/// Nats of the chat canaries that no mere change of kernels makes: 2.5 times the 0.12 that it does.
const MORE_THAN_KERNELS: f64 = 0.3;

/// What most likely happened. `None`: nothing moved.
pub(super) fn cause(picture: &Picture, changes: &[Change]) -> Option<Cause> {
    let changed = |fact: Fact| changes.iter().any(|change| change.fact == fact);
    if picture.has(FaultKind::BadLogprob) {
        return Some(Cause::Corruption);
    }
    let (p0, p1) = (picture.has_moved(Probe::P0), picture.has_moved(Probe::P1));
    let (chat, long) = (picture.has_moved(Probe::Chat), picture.has_moved(Probe::Long));
    let (short_counts, long_counts, _) = picture.counts;
    let raw = p0 || p1;
    let cut = long_counts > 0 && short_counts == 0 && picture.counts_fell;
    let too_long = picture.has(FaultKind::TooLong) || long_only(picture);
    if (cut || too_long) && !raw && !chat {
        return Some(Cause::Context);
    }
    if changed(Fact::Digest) || changed(Fact::Quantization) || changed(Fact::Adapter) {
        // Other weights may bring another template with them; but they alone move raw prompts.
        if raw || !(short_counts > 0 || changed(Fact::Template)) && (chat || long) {
            return Some(Cause::Weights);
        }
    }
    if short_counts > 0 && !raw {
        return Some(Cause::Template);
    }
    let raw_asked = picture.distances.iter().any(|(probe, _)| matches!(probe, Probe::P0 | Probe::P1));
    if chat && (picture.flips.is_none() || !raw_asked) {
        // Texts are compared, or no raw prompt was asked: only a first token that is another tells of the weights.
        return Some(if p0 { Cause::Weights } else { by_facts(&changed) });
    }
    if chat && !raw {
        return Some(Cause::Template);
    }
    if p1 && !p0 {
        return Some(Cause::AttentionPath);
    }
    let at_floor = picture.distance(Probe::P0).is_some_and(|distance| distance < KERNELS_ALONE);
    if p0 && at_floor && picture.distance(Probe::Chat).is_some_and(|chat| chat > MORE_THAN_KERNELS) {
        return Some(Cause::AttentionPath);
    }
    if p0 {
        return Some(Cause::Weights);
    }
    if long {
        return Some(Cause::Chunking);
    }
    if picture.has_moved(Probe::Sampling) || picture.chosen_otherwise {
        return Some(Cause::Sampling);
    }
    (!picture.faults.is_empty()).then_some(Cause::Unknown)
}

/// Where no probe tells, a fact that changed is the likeliest cause.
fn by_facts(changed: &dyn Fn(Fact) -> bool) -> Cause {
    match () {
        () if changed(Fact::Template) => Cause::Template,
        () if changed(Fact::Sampling) => Cause::Sampling,
        () if changed(Fact::Context) => Cause::Context,
        () => Cause::Unknown,
    }
}

/// Whether prompts were refused, and long ones alone.
fn long_only(picture: &Picture) -> bool {
    let refused =
        picture.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::Status | FaultKind::Empty));
    let mut any = false;
    for fault in refused {
        any = true;
        if !fault.long {
            return false;
        }
    }
    any
}

/// A cause as it goes after "most likely".
pub(super) const fn said(cause: Cause) -> &'static str {
    match cause {
        Cause::Weights => "other weights or an adapter",
        Cause::AttentionPath => "the attention path: the cache's type, RoPE, or the attention kernel",
        Cause::Template => "the chat template or the system prompt",
        Cause::Sampling => "the defaults by which tokens are chosen",
        Cause::Context => "a smaller context, or prompts that are cut",
        Cause::Corruption => "corrupt memory or weights",
        Cause::Chunking => "long prompts are cut into other pieces (batch size)",
        Cause::Unknown => "not to be told by what is known",
    }
}

/// What else the same probes could mean, in a sentence.
pub(super) fn ambiguity(cause: Cause, changes: &[Change]) -> Option<&'static str> {
    let told = |fact: Fact| changes.iter().any(|change| change.fact == fact);
    match cause {
        Cause::Weights if told(Fact::Digest) || told(Fact::Quantization) || told(Fact::Adapter) => None,
        Cause::Weights => Some("a new driver, server build or V cache type looks alike"),
        Cause::AttentionPath => Some("single corrupt weights of a later layer look alike"),
        Cause::Template if told(Fact::Template) => None,
        Cause::Template => {
            Some("a system prompt set by the server, and a proxy that adds to messages, look alike")
        }
        Cause::Sampling | Cause::Context | Cause::Corruption => None,
        Cause::Chunking => Some("corrupt cache memory that only long prompts reach looks alike"),
        Cause::Unknown => Some("what is known does not part weights, attention path, template and sampling"),
    }
}
