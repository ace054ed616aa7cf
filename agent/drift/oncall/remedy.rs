//! What to do about what moved, with commands as they are to be typed.

use super::{Told, list, said};
use crate::drift::{Cause, Change, Plan, Stream};
use crate::sample::Fact;

/// What to do, with commands as they are to be typed.
pub(super) fn to_do(told: &Told<'_>) -> String {
    let accept = told.plan.accept();
    let canary = told.plan.canary();
    if !told.sure {
        return format!("Do: wait for the next runs, or look now: `{canary}`");
    }
    let changed = |fact| told.changes.iter().any(|change| change.fact == fact);
    let look = match told.cause {
        Some(Cause::Weights) if changed(Fact::Digest) || changed(Fact::Quantization) => {
            "find who replaced the model, and put the former file back"
        }
        Some(Cause::Weights) => {
            "compare the model file, adapters, server build and driver with what was deployed"
        }
        Some(Cause::AttentionPath) => "compare the server's flags: cache type, flash attention, RoPE scaling",
        Some(Cause::Template) => "compare the chat template and system prompt, and what a proxy adds",
        Some(Cause::Sampling) => "compare the server's sampling defaults (temperature, top-p, penalties)",
        Some(Cause::Context) => {
            "compare the context length: prompts are refused or cut, and users are hit now"
        }
        Some(Cause::Corruption) => {
            "take this server out, check the GPU's memory (ECC, XID) and the model file's checksum, then reload"
        }
        Some(Cause::Chunking) => "compare the batch sizes (-b, -ub) and the prompt cache",
        Some(Cause::Unknown) | None if told.stream == Stream::Performance => {
            return format!("Do: look at the machine: `opsagent status`; if it stays so: {accept}");
        }
        Some(Cause::Unknown) | None => "look at each answer beside its checks",
    };
    format!("Do: {look}. See: `{canary}`. If it is meant: {accept}")
}

/// The words for facts that changed while the answers are as before, or nearly so.
pub(in crate::drift) fn told(plan: &Plan, changes: &[Change], small: bool, by_itself: bool) -> Vec<String> {
    if changes.is_empty() {
        return Vec::new();
    }
    let accept = plan.accept();
    let to_do = match (small, by_itself) {
        (true, true) => format!("nothing; a new baseline is made by itself. At once: {accept}"),
        (true, false) => format!("if it is meant: {accept}"),
        (false, _) => format!("look who changed it; its users may feel it. If it is meant: {accept}"),
    };
    let moved = if small { "the answers hardly moved" } else { "canaries need not show it" };
    vec![
        format!("Facts: {}", list(changes.iter().map(said))),
        format!("What moved: the server tells another fact; {moved}"),
        format!("Do: {to_do}"),
    ]
}
