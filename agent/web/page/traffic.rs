//! The real traffic of a server as the page shows it. Pure.

use jiff::Timestamp;

use super::row::Part;
use super::words;
use crate::view::traffic_words::{grouped, number, seconds};
use crate::view::{Quantiles, SloView, TargetView, TrafficView, View};

/// Reasons of failures that are told; the JSON has all.
const SHOWN_REASONS: usize = 6;

/// A server's block of traffic.
#[derive(Debug)]
pub(super) struct Traffic<'a> {
    /// Who sees it: the tap, the log.
    pub(super) seen_by: String,
    /// Who should and does not, in a sentence each.
    pub(super) not_seen_by: Vec<String>,
    /// Nothing is told: there is no more to say than why.
    pub(super) blind: bool,
    /// In a sentence where nothing was asked lately.
    pub(super) idle: Option<String>,
    /// What the times are over.
    pub(super) window: String,
    /// What is looked at first.
    pub(super) figures: Vec<Figure>,
    /// What else is told, by its title.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) slos: Vec<Slo<'a>>,
}

/// A number that stands large, and what belongs to it.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) value: String,
    pub(super) more: Option<String>,
    pub(super) bad: bool,
}

/// An objective, and the part of the requests that met it.
#[derive(Debug)]
pub(super) struct Slo<'a> {
    pub(super) told: &'a SloView,
    pub(super) said: String,
    pub(super) met: Option<Part>,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(traffic: &'a TrafficView, now: Timestamp) -> Traffic<'a> {
        let idle = traffic.is_idle();
        Traffic {
            seen_by: traffic.seen_by().join(", "),
            not_seen_by: traffic.not_seen_by().iter().map(|why| super::headline::capital(why)).collect(),
            blind: traffic.is_blind(),
            idle: idle.then(|| super::headline::capital(&traffic.now(now))),
            window: traffic.window(),
            figures: if idle { Vec::new() } else { figures(traffic) },
            facts: if idle { Vec::new() } else { facts(traffic) },
            slos: if idle { Vec::new() } else { traffic.slos.iter().map(Slo::new).collect() },
        }
    }
}

impl<'a> Slo<'a> {
    fn new(slo: &'a SloView) -> Slo<'a> {
        let ratio = (slo.requests > 0).then(|| slo.met() as f64 / slo.requests as f64);
        let said = match slo.requests {
            0 => "no request".into(),
            all => format!("{} of {}", grouped(slo.met()), grouped(all)),
        };
        let met = ratio.map(|ratio| Part { text: words::percent(ratio), width: words::width(ratio) });
        Slo { told: slo, said, met }
    }
}

/// What a table of all servers says of it: `3 in flight`.
pub(super) fn brief(target: &TargetView) -> Option<String> {
    let traffic = target.traffic.as_ref()?;
    match traffic.in_flight {
        _ if traffic.is_blind() => Some("not seen".into()),
        _ if traffic.is_idle() => Some("idle".into()),
        Some(in_flight) => Some(format!("{} in flight", grouped(in_flight))),
        None => Some(format!("{} in {}", grouped(traffic.requests), traffic.window())),
    }
}

/// Whether a tap would show what nobody sees, and somebody should be told once how: no server is watched, and of
/// one there is no other way to know.
pub(super) fn hint(view: &View) -> bool {
    let watched = view.targets.iter().any(|target| target.traffic.is_some());
    let mute = |target: &TargetView| matches!(target.kind.as_str(), "ollama" | "lm_studio");
    !watched && view.targets.iter().any(|target| mute(target) && target.up == Some(true))
}

fn figures(traffic: &TrafficView) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut show = |title, value: Option<String>, more: Option<String>, bad| {
        figures.extend(value.map(|value| Figure { title, value, more, bad }));
    };
    let decoding = traffic.decoding.filter(|_| traffic.in_flight > Some(0));
    let decoding = decoding.map(|decoding| format!("{} decoding", grouped(decoding)));
    show("In flight", traffic.in_flight.map(grouped), decoding, false);
    let rate = traffic.output_tokens_per_second;
    show("Tokens/s in all", rate.map(number), Some("in the last 10 s".into()), false);
    let p95 = |times: Quantiles| format!("p95 {}", seconds(times.p95));
    let first = traffic.time_to_first_token;
    show("Time to first token, p50", first.map(|times| seconds(times.p50)), first.map(p95), false);
    let token = traffic.time_per_output_token;
    let token = token.map(|times| format!("{} a token", seconds(times.p50)));
    show("Tokens/s per reader", traffic.decode_tokens_per_second.map(number), token, false);
    if first.is_none() {
        let whole = traffic.duration;
        show("Duration, p50", whole.map(|times| seconds(times.p50)), whole.map(p95), false);
    }
    show("Requests", Some(grouped(traffic.requests)), Some(format!("in {}", traffic.window())), false);
    let failed = traffic.failed();
    let reasons = (failed > 0).then(|| traffic.failure_reasons(SHOWN_REASONS));
    show("Failed", Some(grouped(failed)), reasons, failed > 0);
    figures
}

fn facts(traffic: &TrafficView) -> Vec<(&'static str, String)> {
    let times = |times: Quantiles| {
        format!("p50 {}, p95 {}, max {}", seconds(times.p50), seconds(times.p95), seconds(times.max))
    };
    let ended = traffic.requests > 0;
    let count = |count: u64| ended.then(|| grouped(count));
    let all = [
        ("Duration", traffic.duration.filter(|_| traffic.time_to_first_token.is_some()).map(times)),
        ("Time per output token", traffic.time_per_output_token.map(times)),
        ("Longest stall", traffic.longest_gap_seconds.map(seconds)),
        ("Cold starts", count(traffic.cold)),
        ("Cancelled", count(traffic.cancelled)),
        ("Truncated", count(traffic.truncated)),
        (
            "Prompts",
            traffic.prefill_tokens_per_second.map(|rate| format!("{} tokens/s, uncached", number(rate))),
        ),
    ];
    all.into_iter().filter_map(|(title, value)| Some((title, value?))).collect()
}
