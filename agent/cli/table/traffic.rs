//! The real traffic of a target: what is under way, how the last minutes were, and what went wrong.

use super::block;
use crate::cli::{style, text};
use crate::sample::NoteLevel;
use crate::view::traffic_words::{grouped, number, seconds};
use crate::view::{Quantiles, SloView, TargetView, TrafficView, View};

/// Reasons of failures that are told; `--json` has all.
const SHOWN_REASONS: usize = 4;

/// Objectives that are told whole; of more only those that were missed, and how many were met.
const SHOWN_SLOS: usize = 6;

/// How long a sentence may be: what is longer was written to fill a screen.
const SENTENCE: usize = 240;

/// What the lines begin with: as wide as the widest word there.
const INDENT: usize = 11;

/// In at most two lines where all is well, in one where nobody asks; more only for what is odd.
pub(super) fn traffic(view: &View, target: &TargetView, width: usize, lines: &mut Vec<String>) {
    let Some(traffic) = &target.traffic else { return };
    let mut say = |looks, word: &str, sentence: &str| {
        let begin = format!("  {word:<pad$}", pad = INDENT - 2);
        lines.extend(block(looks, &begin, &text::fit(&text::clean(sentence), SENTENCE), width));
    };
    for trouble in traffic.not_seen_by() {
        // A warning says the same, and what to do.
        if !target.notes.iter().any(|note| note.level == NoteLevel::Warning && tells(&note.text, traffic)) {
            say(style::WARNING, "traffic", &trouble);
        }
    }
    if traffic.is_blind() {
        return;
    }
    let by = traffic.seen_by().join(", ");
    let looks = if traffic.is_idle() { style::DIM } else { style::PLAIN };
    say(looks, "traffic", &format!("{} ({by})", traffic.now(view.at)));
    if traffic.failed() > 0 {
        let (failed, all) = (grouped(traffic.failed()), grouped(traffic.requests));
        let reasons = traffic.failure_reasons(SHOWN_REASONS);
        say(style::WARNING, "failed", &format!("{failed} of {all} in {}: {reasons}", traffic.window()));
    }
    if traffic.requests > 0 {
        say(style::PLAIN, &traffic.window(), &window(traffic, width.saturating_sub(INDENT)));
    }
    let odd = traffic.oddities();
    if !odd.is_empty() {
        say(style::PLAIN, "also", &odd.join(", "));
    }
    if let Some((missed, slos)) = slos(&traffic.slos) {
        say(if missed { style::WARNING } else { style::PLAIN }, "SLOs met", &slos);
    }
}

/// Whether a note tells that the tap or the log gives nothing.
fn tells(note: &str, traffic: &TrafficView) -> bool {
    let tap = traffic.tap.as_ref().and_then(|tap| tap.error.as_deref());
    let log = traffic.log.as_ref().and_then(|log| log.error.as_deref());
    tap.into_iter().chain(log).any(|error| note.contains(error))
}

/// The requests of the window and their times; what is worth less only where it has room.
fn window(traffic: &TrafficView, room: usize) -> String {
    let requests = if traffic.requests == 1 { "request" } else { "requests" };
    let mut parts = vec![format!("{} {requests}", grouped(traffic.requests))];
    let two = |what: &str, times: Quantiles| {
        format!("{what} p50 {}, p95 {}", seconds(times.p50), seconds(times.p95))
    };
    let first = traffic.time_to_first_token.map(|times| two("TTFT", times));
    let whole = traffic.duration.map(|times| two("duration", times));
    let reader = traffic.decode_tokens_per_second.map(|rate| format!("{} tokens/s per reader", number(rate)));
    let token = traffic.time_per_output_token.map(|times| two("TPOT", times));
    let prompts =
        traffic.prefill_tokens_per_second.map(|rate| format!("prompts at {} tokens/s", number(rate)));
    let streamed = first.is_some();
    // Where no answer was streamed, or a log tells, the whole time is all there is.
    parts.extend(first.or_else(|| whole.clone()));
    parts.extend(reader);
    for extra in [whole.filter(|_| streamed), token, prompts].into_iter().flatten() {
        let taken: usize = parts.iter().map(|part| text::width(part) + 2).sum();
        if taken + text::width(&extra) <= room {
            parts.push(extra);
        }
    }
    parts.join("; ")
}

/// How the objectives that judged any request were met, and whether any was missed.
fn slos(all: &[SloView]) -> Option<(bool, String)> {
    let all: Vec<&SloView> = all.iter().filter(|slo| slo.requests > 0).collect();
    let missed = all.iter().any(|slo| slo.missed > 0);
    if all.len() <= SHOWN_SLOS {
        let said: Vec<String> = all.iter().map(|slo| slo.said()).collect();
        return (!said.is_empty()).then(|| (missed, said.join(", ")));
    }
    let mut worst: Vec<&SloView> = all.iter().copied().filter(|slo| slo.missed > 0).collect();
    worst.sort_by_key(|slo| std::cmp::Reverse(slo.missed));
    let mut said: Vec<String> = worst.iter().take(SHOWN_SLOS).map(|slo| slo.said()).collect();
    said.push(format!("{} of {} by every request", all.len() - worst.len(), all.len()));
    Some((missed, said.join(", ")))
}
