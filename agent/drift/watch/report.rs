//! What a watch knows, as a report.

use jiff::Timestamp;

use super::unwatched::{unwatched, withdrawn};
use super::{SIZES, Watch, alarm, grow, policy, quality};
use crate::drift::capabilities::{Reach, capabilities};
use crate::drift::kld;
use crate::drift::oncall::{self, Told};
use crate::drift::picture::Picture;
use crate::drift::severity::severity;
use crate::drift::{
    Capability, Cause, CheckLost, Learning, Report, Severity, Stream, StreamState, Verdict, cause,
};

impl Watch {
    /// Checks that the baseline always passed and that fail now.
    pub(super) fn lost(&self) -> Vec<CheckLost> {
        let lost = self.checks.iter().filter_map(|(canary, recent)| {
            let record = self.record(canary);
            recent.is_lost(record).then(|| recent.lost(canary, record))
        });
        lost.collect()
    }
}

/// What holds now.
pub(super) fn report(watch: &Watch, _now: Timestamp) -> Report {
    let alarmed = !watch.alarms.is_empty();
    let picture = if alarmed || watch.verdict == Verdict::Suspect {
        watch.off.as_ref().or(watch
            .last
            .as_ref()
            .filter(|last| alarmed || !last.moved.is_empty() || !watch.lost().is_empty()))
    } else {
        None
    };
    let cause = picture.and_then(|picture| cause::cause(picture, &watch.changes));
    let last = watch.latest.short.as_ref();
    let detectors = watch.detectors.as_ref();
    let baseline = watch.held();
    let kld = last.and_then(|last| kld::interval(last.kld?, last.kld_error?));
    Report {
        verdict: watch.verdict,
        severity: severity_of(watch, picture, cause),
        cause,
        since: watch.since,
        alarms: watch.alarms.clone(),
        streams: streams(watch),
        distances: watch.latest.distances(),
        kld: last.and_then(|last| last.kld),
        kld_low: kld.map(|(low, _)| low),
        kld_high: kld.map(|(_, high)| high),
        text_match_ratio: last.filter(|last| last.texts.1 > 0).map(|last| ratio(last.texts)),
        confident_flips: last.and_then(|last| last.flips),
        first_difference: last.and_then(|last| last.first_difference),
        prompt_tokens_moved: last
            .filter(|last| last.counts.2 > 0)
            .map(|last| (last.counts.0 + last.counts.1, last.counts.2)),
        categories: quality::categories(watch.checks.iter(), |canary| watch.record(canary).cloned()),
        refused_harmful: quality::refusals(watch.checks.values(), true),
        refused_harmless: quality::refusals(watch.checks.values(), false),
        lost: watch.lost(),
        changes: watch.changes.clone(),
        runs: watch.counted.compared,
        exceeding: watch.counted.exceeding,
        baseline: baseline
            .as_deref()
            .map(|baseline| baseline.info(detectors.map_or(1.0, super::Detectors::bound))),
        learning: watch.learning.as_ref().map(|learning| learning_of(watch, learning)),
        capabilities: capable(watch),
        unwatched: unwatched(watch),
        dated: watch.facts.is_dated(),
        words: words(watch, picture, cause),
    }
}

/// How much evidence each stream has. While its alarm holds it is at its threshold: the sums began anew with the alarm,
/// and take nothing in until it ends. A fault that needs no test has all that it needs, too.
fn streams(watch: &Watch) -> Vec<StreamState> {
    let states = watch.detectors.as_ref().map(super::Detectors::states).unwrap_or_default();
    let holds = |stream| watch.alarms.iter().any(|alarm| alarm.stream == stream);
    let one = |state: StreamState| {
        let least = if holds(state.stream) { state.threshold } else { 0.0 };
        StreamState { evidence: state.evidence.max(least), ..state }
    };
    states.into_iter().map(one).collect()
}

fn capable(watch: &Watch) -> Vec<Capability> {
    let known = watch.held().filter(|_| !watch.is_blind());
    let (Some(detectors), Some(baseline)) = (&watch.detectors, known) else {
        let runs = SIZES[0].saturating_sub(watch.learning.as_ref().map_or(0, super::Learning::taken));
        let note = Some(format!(
            "nothing can be compared for {runs} more runs; a person can: {}",
            watch.plan.capture()
        ));
        let nothing = Capability { change: "a change of the answers".into(), runs: None, note };
        return vec![nothing];
    };
    let checks = watch.checks_known().filter_map(|canary| detectors.failures_to_alarm(canary));
    let reach = Reach {
        full: detectors.runs_to_alarm(1.0),
        partial: detectors.runs_to_alarm(0.2),
        long: detectors.long_runs_to_alarm(),
        slow: detectors.slow().and_then(crate::drift::slow::Slow::runs_to_alarm),
        slow_warm: detectors.slow().map(crate::drift::slow::Slow::runs_to_warm),
        check: checks.min(),
        slower: detectors.slower_runs_to_alarm(),
    };
    // One that is made for other prompts is no larger, and finds nothing sooner.
    let next = watch.learning.as_ref().and_then(|_| watch.next_size());
    let next = next.filter(|next| *next > baseline.runs);
    capabilities(&baseline, reach, next, watch.plan.every_seconds)
}

fn words(watch: &Watch, picture: Option<&Picture>, cause: Option<Cause>) -> Vec<String> {
    let mut words = of_state(watch, picture, cause);
    words.extend(withdrawn(watch));
    if watch.alarms.is_empty() {
        words.extend(grow::held_up(watch));
    }
    words.extend(unwatched(watch).into_iter().map(|said| format!("Not watched: {said}")));
    words
}

fn of_state(watch: &Watch, picture: Option<&Picture>, cause: Option<Cause>) -> Vec<String> {
    if watch.verdict == Verdict::Failing {
        let why = watch.why.as_deref().unwrap_or("it is not known why");
        return vec![
            format!("What moved: no answer in {} runs in a row: {why}", watch.counted.unanswered),
            "Most likely: the server is away, overloaded, or lost the model; the answers themselves are not judged".into(),
            format!("Do: look at the server: `opsagent status`, its log, and `{}`", watch.plan.canary()),
        ];
    }
    let small = policy::is_small(watch);
    if let Some(picture) = picture.filter(|_| !watch.alarms.is_empty() || !small) {
        return oncall::words(&Told {
            plan: &watch.plan,
            picture,
            cause,
            changes: &watch.changes,
            checks: &alarm::checks(watch),
            baseline: watch.held().as_deref(),
            stream: watch.alarms.first().map_or(Stream::FingerprintFast, |alarm| alarm.stream),
            sure: !watch.alarms.is_empty(),
        });
    }
    let mut words = oncall::told(&watch.plan, &watch.changes, small, watch.plan.accepts_small_changes);
    if let Some(refused) = &watch.refused {
        words.push(format!("No baseline: {refused}"));
    }
    words.extend(
        watch.baseline.iter().flat_map(|baseline| &baseline.weak).map(|weak| format!("Weak: {weak}")),
    );
    words
}

fn learning_of(watch: &Watch, learning: &super::Learning) -> Learning {
    let full = super::SIZES[super::SIZES.len() - 1];
    let next = watch.next_size().unwrap_or(full);
    // Where nothing could be told apart, the last runs count, too.
    let runs = if watch.is_blind() { learning.taken() } else { learning.settled.runs };
    Learning { runs, next, full }
}

/// How bad it is while an alarm holds; and of a change that the server told, before any alarm.
fn severity_of(watch: &Watch, picture: Option<&Picture>, cause: Option<Cause>) -> Option<Severity> {
    if watch.alarms.is_empty() {
        let told = policy::is_grave(watch).then_some(Severity::Warning);
        return told.or_else(|| policy::is_small(watch).then_some(Severity::Info));
    }
    let now = picture.map(|picture| severity(picture, cause, alarm::losses(watch, None)));
    // What was worse at its worst does not look harmless because the last run was.
    now.max(watch.alarms.iter().map(|alarm| alarm.severity).max())
}

fn ratio((of, all): (u32, u32)) -> f64 {
    f64::from(of) / f64::from(all)
}
