//! What a watch knows, as a report.

use jiff::Timestamp;

use super::{Watch, observe, quality, record};
use crate::drift::picture::Picture;
use crate::drift::severity::severity;
use crate::drift::{Capability, Cause, CheckLost, Learning, Probe, Report, Verdict, cause};

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
    let picture = if alarmed || watch.verdict == Verdict::Suspect { watch.off.as_ref() } else { None };
    let cause = picture.and_then(|picture| cause::cause(picture, &watch.changes));
    let last = watch.last.as_ref();
    let detectors = watch.detectors.as_ref();
    let baseline = watch.baseline.as_ref();
    Report {
        verdict: watch.verdict,
        severity: picture.filter(|_| alarmed).map(|picture| severity(picture, cause, observe::losses(watch))),
        cause,
        since: watch.since,
        alarms: watch.alarms.clone(),
        streams: detectors.map(super::Detectors::states).unwrap_or_default(),
        distances: last.map(|last| last.distances.clone()).unwrap_or_default(),
        kld: last.and_then(|last| last.kld),
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
        capabilities: detectors.map(capabilities).unwrap_or_default(),
        words: picture.map(|picture| words(picture, cause, watch)).unwrap_or_default(),
    }
}

fn capabilities(detectors: &super::Detectors) -> Vec<Capability> {
    let one = |change: &str, runs: Option<u64>| Capability { change: change.to_owned(), runs, note: None };
    vec![
        one("other weights, cache type, template or sampling", detectors.runs_to_alarm(1.0)),
        one("a fault that hits one run of five", detectors.runs_to_alarm(0.2)),
        one("what only long prompts show", detectors.long_runs_to_alarm()),
    ]
}

fn words(picture: &Picture, cause: Option<Cause>, watch: &Watch) -> Vec<String> {
    let mut words = vec![format!("What moved: {}", what_moved(picture))];
    if let Some(cause) = cause {
        words.push(format!("Most likely: {}", cause.name()));
        words.extend(cause::ambiguity(cause, &watch.changes).map(str::to_owned));
    }
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

fn ratio((of, all): (u32, u32)) -> f64 {
    f64::from(of) / f64::from(all)
}

/// What moved, in a clause.
pub(super) fn what_moved(picture: &Picture) -> String {
    let (of, all) = picture.exceeding;
    let mut said = Vec::new();
    if of > 0 {
        let far =
            picture.distance(Probe::Chat).map(|far| format!(" (mean {far:.2} nat)")).unwrap_or_default();
        said.push(format!("answers to {of} of {all} fingerprint prompts moved{far}"));
    }
    if let Some(fault) = picture.faults.first() {
        said.push(fault.text.clone());
    }
    if said.is_empty() {
        said.extend(picture.moved.iter().map(|probe| format!("probe {} moved", probe.name())));
    }
    said.join("; ")
}
