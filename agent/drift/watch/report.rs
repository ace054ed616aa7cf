//! What a watch knows, as a report.

use jiff::Timestamp;

use super::{SIZES, Watch, alarm, grow, policy, quality, record};
use crate::drift::capabilities::{Reach, capabilities};
use crate::drift::failures;
use crate::drift::kld;
use crate::drift::oncall::{self, Told};
use crate::drift::picture::Picture;
use crate::drift::severity::severity;
use crate::drift::{Capability, Cause, CheckLost, Learning, Report, Severity, Stream, Verdict, cause};

impl Watch {
    /// Checks that the baseline always passed and that fail now.
    pub(super) fn lost(&self) -> Vec<CheckLost> {
        let baseline = self.baseline.as_ref();
        let lost = self.checks.iter().filter_map(|(canary, recent)| {
            let record = record(baseline, canary);
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
    let last = watch.last.as_ref();
    let detectors = watch.detectors.as_ref();
    let baseline = watch.baseline.as_ref();
    let kld = last.and_then(|last| kld::interval(last.kld?, last.kld_error?));
    Report {
        verdict: watch.verdict,
        severity: severity_of(watch, picture, cause),
        cause,
        since: watch.since,
        alarms: watch.alarms.clone(),
        streams: detectors.map(super::Detectors::states).unwrap_or_default(),
        distances: last.map(|last| last.distances.clone()).unwrap_or_default(),
        kld: last.and_then(|last| last.kld),
        kld_low: kld.map(|(low, _)| low),
        kld_high: kld.map(|(_, high)| high),
        text_match_ratio: last.filter(|last| last.texts.1 > 0).map(|last| ratio(last.texts)),
        confident_flips: last.and_then(|last| last.flips),
        first_difference: last.and_then(|last| last.first_difference),
        prompt_tokens_moved: last
            .filter(|last| last.counts.2 > 0)
            .map(|last| (last.counts.0 + last.counts.1, last.counts.2)),
        categories: quality::categories(watch.checks.iter(), |canary| record(baseline, canary).cloned()),
        refused_harmful: quality::refusals(watch.checks.values(), true),
        refused_harmless: quality::refusals(watch.checks.values(), false),
        lost: watch.lost(),
        changes: watch.changes.clone(),
        runs: watch.counted.compared,
        exceeding: watch.counted.exceeding,
        baseline: baseline.map(|baseline| baseline.info(detectors.map_or(1.0, super::Detectors::bound))),
        learning: watch.learning.as_ref().map(|learning| learning_of(watch, learning)),
        capabilities: capable(watch),
        unwatched: unwatched(watch),
        words: words(watch, picture, cause),
    }
}

fn capable(watch: &Watch) -> Vec<Capability> {
    let (Some(detectors), Some(baseline)) = (&watch.detectors, &watch.baseline) else {
        let runs = SIZES[0].saturating_sub(watch.learning.as_ref().map_or(0, super::Learning::taken));
        let note = Some(format!(
            "nothing can be compared for {runs} more runs; a person can: opsagent baseline capture"
        ));
        let nothing = Capability { change: "a change of the answers".into(), runs: None, note };
        return vec![nothing];
    };
    let checks = baseline.checks.keys().filter_map(|canary| detectors.failures_to_alarm(canary));
    let reach = Reach {
        full: detectors.runs_to_alarm(1.0),
        partial: detectors.runs_to_alarm(0.2),
        long: detectors.long_runs_to_alarm(),
        slow: detectors.slow().and_then(crate::drift::slow::Slow::runs_to_alarm),
        slow_warm: detectors.slow().map(crate::drift::slow::Slow::runs_to_warm),
        check: checks.min(),
        slower: detectors.slower_runs_to_alarm(),
    };
    let next = watch.learning.as_ref().and_then(|_| super::next_size(baseline));
    capabilities(baseline, reach, next, watch.plan.every_seconds)
}

/// What is asked and cannot be watched, a sentence for each reason.
fn unwatched(watch: &Watch) -> Vec<String> {
    let of_baseline = watch.baseline.iter().flat_map(|baseline| &baseline.dropped);
    let known = |name: &str| {
        let baseline = watch.baseline.as_ref();
        baseline.is_some_and(|one| one.canaries.contains_key(name) || one.dropped.contains_key(name))
    };
    let learned = watch.learning.iter().flat_map(super::Learning::unwatched);
    let learned = learned.map(|(name, _, why)| (name, why)).filter(|(name, _)| !known(name));
    let of_baseline = of_baseline.map(|(name, why)| (name.as_str(), why.as_str()));
    failures::said(of_baseline.chain(learned))
}

fn words(watch: &Watch, picture: Option<&Picture>, cause: Option<Cause>) -> Vec<String> {
    let mut words = of_state(watch, picture, cause);
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
            baseline: watch.baseline.as_ref(),
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
    match &watch.baseline {
        None => Learning { runs: learning.taken(), next: super::SIZES[0], full },
        Some(baseline) => {
            Learning { runs: learning.settled.runs, next: super::next_size(baseline).unwrap_or(full), full }
        }
    }
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
