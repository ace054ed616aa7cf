//! What the canaries of a model say, as the page shows it. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::badge::Badge;
use super::line::hash;
use super::row::Part;
use super::words::{self, Moment, moment};
use crate::drift::{CategoryResult, Report, Severity, StreamState, Verdict};
use crate::view::canary_words::nats;
use crate::view::traffic_words::{grouped, number, seconds};
use crate::view::{CanaryView, RecentRun, TargetView};

/// Models shown of one server, the worst first; the JSON has all.
pub(super) const SHOWN: usize = 20;

/// Lines of explanation that are shown.
const SHOWN_WORDS: usize = 12;

/// The height of the curve of distances, in its own units; its width is a unit a run.
const CURVE_HEIGHT: f64 = 24.0;

/// Less than this many nats is drawn as nothing, or the rounding of an unchanged model would fill the curve.
const CURVE_LEAST: f64 = 0.01;

/// A model's canaries.
#[derive(Debug)]
pub(super) struct Canary<'a> {
    pub(super) told: &'a CanaryView,
    pub(super) report: &'a Report,
    pub(super) anchor: String,
    pub(super) badge: Badge,
    pub(super) severity: Option<&'static str>,
    pub(super) since: Option<Moment>,
    /// What is behind the verdict.
    pub(super) because: Option<String>,
    /// What moved, what caused it, what to do: the head of each line, and the line.
    pub(super) words: Vec<(&'a str, &'a str)>,
    /// Why the last beat asked nothing.
    pub(super) skipped: Option<&'a str>,
    /// What is looked at first.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) last: Option<Moment>,
    pub(super) next: Option<Moment>,
    pub(super) categories: Vec<Category<'a>>,
    pub(super) streams: Vec<Evidence>,
    pub(super) changes: Vec<(String, Moment)>,
    pub(super) capabilities: Vec<String>,
    pub(super) curve: Option<Curve>,
}

/// How a category of checks fares.
#[derive(Debug)]
pub(super) struct Category<'a> {
    pub(super) told: &'a CategoryResult,
    pub(super) passed: String,
    pub(super) part: Option<Part>,
    pub(super) interval: String,
    pub(super) baseline: Option<String>,
    pub(super) worse: bool,
}

/// How near a stream is to an alarm.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) name: &'static str,
    pub(super) said: String,
    pub(super) part: Part,
    pub(super) full: bool,
}

/// Distances over time, as a line to draw.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) points: String,
    /// The runs that exceeded, as places to mark.
    pub(super) exceeding: Vec<(String, String)>,
    pub(super) width: String,
    /// The same in words, for whoever does not see it.
    pub(super) said: String,
}

/// The canaries of a server, the worst first.
pub(super) fn shown(target: &TargetView, now: Timestamp) -> Vec<Canary<'_>> {
    let mut all: Vec<&CanaryView> = target.canaries.iter().collect();
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    all.truncate(SHOWN);
    all.into_iter().map(|told| Canary::new(&target.name, told, now)).collect()
}

impl<'a> Canary<'a> {
    fn new(target: &str, told: &'a CanaryView, now: Timestamp) -> Canary<'a> {
        let report = &told.report;
        Canary {
            told,
            report,
            anchor: format!("c-{:x}", hash(format!("{target}\n{}", told.model).as_bytes())),
            badge: Badge::of_drift(report),
            severity: report.severity.filter(|_| report.is_moved()).map(Severity::name),
            since: report.since.filter(|_| report.verdict != Verdict::Learning).map(|at| moment(at, now)),
            because: report.because().filter(|_| !report.is_explained()),
            words: report.words.iter().take(SHOWN_WORDS).map(|line| headed(line)).collect(),
            skipped: told.skipped_words.as_deref().or(told.skipped.as_deref()),
            facts: facts(told, now),
            last: told.last_run_at.map(|at| moment(at, now)),
            next: told.next_run_at.map(|at| moment(at, now)),
            categories: report.categories.iter().map(Category::new).collect(),
            streams: report.streams.iter().map(Evidence::new).collect(),
            changes: report.changes.iter().map(|change| (change.said(), moment(change.at, now))).collect(),
            capabilities: report.capabilities.iter().map(crate::drift::Capability::said).collect(),
            curve: Curve::of(&told.recent, report.baseline.as_ref().is_some_and(|of| of.text_mode)),
        }
    }
}

impl<'a> Category<'a> {
    fn new(told: &'a CategoryResult) -> Category<'a> {
        let part = |ratio: f64| Part { text: words::percent(ratio), width: words::width(ratio) };
        Category {
            told,
            passed: told.passed.said(),
            part: told.passed.ratio().map(part),
            interval: told.passed.interval(),
            baseline: told.baseline.and_then(|baseline| baseline.ratio()).map(words::percent),
            worse: told.is_worse(),
        }
    }
}

impl Evidence {
    fn new(stream: &StreamState) -> Evidence {
        let evidence = stream.evidence.max(0.0);
        let ratio = if stream.threshold > 0.0 { evidence / stream.threshold } else { 0.0 };
        Evidence {
            name: stream.stream.name(),
            said: format!("{} of {}", nats(evidence), nats(stream.threshold)),
            part: Part { text: words::percent(ratio.min(1.0)), width: words::width(ratio) },
            full: ratio >= 1.0,
        }
    }
}

impl Curve {
    /// `None`: fewer than two runs were compared.
    fn of(runs: &[RecentRun], texts: bool) -> Option<Curve> {
        let distances: Vec<f64> =
            runs.iter().filter_map(|run| run.distance).filter(|at| !at.is_nan()).collect();
        if distances.len() < 2 {
            return None;
        }
        let finite = distances.iter().copied().filter(|distance| distance.is_finite());
        let most = finite.fold(if texts { 1.0 } else { CURVE_LEAST }, f64::max);
        // A hard error has no distance that could be drawn: it stands at the top.
        let height = |distance: f64| CURVE_HEIGHT * (1.0 - (distance / most).clamp(0.0, 1.0));
        let (mut points, mut exceeding) = (String::new(), Vec::new());
        for (nth, run) in runs.iter().enumerate() {
            let Some(distance) = run.distance.filter(|distance| !distance.is_nan()) else { continue };
            let y = format!("{:.1}", height(distance));
            // Writing to a string cannot fail.
            write!(points, "{}{nth},{y}", if points.is_empty() { "" } else { " " }).ok();
            if run.exceeds {
                exceeding.push((nth.to_string(), y));
            }
        }
        let unit = if texts { "of the texts" } else { "nat" };
        let last = distances.last().copied().map(nats).unwrap_or_default();
        let said = format!(
            "the last {} runs: {} exceed; at most {} {unit}, the last {last}",
            distances.len(),
            exceeding.len(),
            nats(distances.iter().copied().fold(0.0, f64::max)),
        );
        Some(Curve { points, exceeding, width: (runs.len() - 1).to_string(), said })
    }
}

/// A line's head, such as `What moved`, and what follows it.
fn headed(line: &str) -> (&str, &str) {
    const LONGEST_HEAD: usize = 24;
    match line.split_once(": ") {
        Some((head, rest)) if head.len() <= LONGEST_HEAD => (head, rest),
        _ => ("", line),
    }
}

fn facts(told: &CanaryView, now: Timestamp) -> Vec<(&'static str, String)> {
    let report = &told.report;
    let passed = report.passed().map(|(of, all)| format!("{} of {}", grouped(of), grouped(all)));
    let refused = |told: Option<crate::drift::Proportion>| {
        told.map(|told| format!("{} ({})", told.said(), told.interval()))
    };
    let spent = told.tokens.0.saturating_add(told.tokens.1) > 0;
    let spent = spent.then(|| {
        format!("{} in, {} out", words::count(told.tokens.0 as f64), words::count(told.tokens.1 as f64))
    });
    let runs = (report.runs > 0)
        .then(|| format!("{}, {} beyond the baseline", grouped(report.runs), grouped(report.exceeding)));
    let all = [
        ("Canaries passed", passed),
        ("KLD equivalent", report.kld.map(|kld| format!("{} nat", nats(kld)))),
        ("Texts as known", report.text_match_ratio.map(words::percent)),
        ("Confident flips", report.confident_flips.filter(|flips| *flips > 0).map(|flips| flips.to_string())),
        ("Time to first token", told.time_to_first_token_seconds.map(seconds)),
        ("Tokens/s", told.tokens_per_second.map(number)),
        ("Harmful refused", refused(report.refused_harmful)),
        ("Harmless refused", refused(report.refused_harmless)),
        ("Runs compared", runs),
        ("Baseline", report.baseline.as_ref().map(|baseline| baseline.said(now))),
        ("Tokens spent", spent),
    ];
    all.into_iter().filter_map(|(title, value)| Some((title, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_a_place_for_every_run_and_its_top_is_the_farthest() {
        let run = |distance: Option<f64>, exceeds| RecentRun { at: Timestamp::UNIX_EPOCH, distance, exceeds };
        assert!(Curve::of(&[run(Some(0.0), false)], false).is_none());
        let runs = [
            run(Some(0.0), false),
            run(None, false),
            run(Some(0.2), true),
            run(Some(f64::INFINITY), true),
            run(Some(0.1), true),
        ];
        let curve = Curve::of(&runs, false).unwrap();
        assert_eq!(curve.points, "0,24.0 2,0.0 3,0.0 4,12.0");
        assert_eq!((curve.exceeding.len(), curve.width.as_str()), (3, "4"));
        assert_eq!(curve.said, "the last 4 runs: 3 exceed; at most infinite nat, the last 0.10");
        let quiet = [run(Some(0.0001), false), run(Some(0.0), false)];
        assert_eq!(Curve::of(&quiet, false).unwrap().points, "0,23.8 1,24.0", "rounding is no mountain");
    }

    #[test]
    fn what_a_line_is_about_stands_before_it() {
        assert_eq!(headed("What moved: answers to all 8"), ("What moved", "answers to all 8"));
        assert_eq!(headed("no head at all"), ("", "no head at all"));
        assert_eq!(
            headed("a sentence that goes on and on: and ends"),
            ("", "a sentence that goes on and on: and ends")
        );
    }
}
