//! One run, taken in.

use std::time::Duration;

use jiff::Timestamp;

use super::detectors::{EXTRA, Steps};
use super::{Counted, Learning, MOST_EXTRA, Watch, facts, making, next_size, record};
use crate::drift::compare::{Compared, compare};
use crate::drift::look::Look;
use crate::drift::picture::{FaultKind, Picture};
use crate::drift::seen::{Event, Judged, Seen, Wants, What};
use crate::drift::severity::{Losses, severity};
use crate::drift::{Alarm, Stream, Verdict, cause};
use crate::sample::{Purpose, Run};
use crate::suite::Suite;

/// Runs without a deviation after which an alarm that nobody answered ends by itself.
const CLEAN_RUNS: u64 = 12;

/// Runs in a row without anything to judge, after which the model is called failing.
const FAILING_RUNS: u64 = 3;

/// A fault that needs no statistics is looked at again after this.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

/// When it is looked again at what exceeded, after the first time.
const CONFIRM_AFTER: [Duration; 3] =
    [Duration::from_secs(20), Duration::from_secs(40), Duration::from_secs(60)];

/// Where numbers vary by themselves, what varies now may vary the same a moment later: one look in so long counts.
const NOISY_SECONDS: i64 = 120;

/// Where they never do, it must only be another look.
const STEADY_SECONDS: i64 = 15;

/// How often a check that always passed and failed is asked again.
const BURST: u32 = 4;

/// Takes a run in.
pub(super) fn observe(watch: &mut Watch, run: &Run, suite: &Suite) -> Seen {
    let mut seen = Seen::default();
    if watch.suite != run.suite {
        other_suite(watch, run, &mut seen);
    }
    let look = Look::of(run, suite);
    if !look.can_be_judged() {
        watch.counted.unanswered += 1;
        seen.result = Judged::Error;
        if watch.counted.unanswered >= FAILING_RUNS {
            watch.say(Verdict::Failing, run.at);
        }
        return seen;
    }
    watch.counted.unanswered = 0;
    identity(watch, run, &mut seen);
    let compared = watch.baseline.as_ref().map(|baseline| compare(baseline, &look));
    let picture = match (&watch.baseline, &compared) {
        (Some(baseline), Some(compared)) => Picture::of(baseline, &look, compared, run.at),
        _ => Picture::of_faults(&look, run.at),
    };
    for graded in &look.graded {
        watch.checks.entry(graded.canary.to_owned()).or_default().take(graded);
    }
    let exceeds = compared.as_ref().is_some_and(Compared::exceeds) || !picture.faults.is_empty();
    seen.result = if exceeds { Judged::Exceed } else { Judged::Ok };
    seen.kld = picture.kld;
    let texts = picture.texts;
    seen.distance =
        picture.kld.or_else(|| (texts.1 > 0).then(|| f64::from(texts.1 - texts.0) / f64::from(texts.1)));
    count(&mut watch.counted, compared.is_some(), exceeds);
    let hard = hard(watch, &picture, &mut seen);
    let counts_as_step = step(watch, run);
    let raised = match (&compared, counts_as_step) {
        (Some(compared), true) => statistics(watch, compared, &picture),
        _ => Vec::new(),
    };
    if exceeds {
        watch.off = Some(picture.clone());
    }
    watch.last = Some(picture);
    candidate(watch, run, &look, exceeds);
    for stream in hard.into_iter().chain(raised) {
        raise(watch, stream, run.at, &mut seen);
    }
    learn(watch, run, &look, exceeds, &mut seen);
    resolve(watch, run.at, &mut seen);
    wants(watch, run, exceeds, &mut seen);
    let verdict = verdict(watch, exceeds);
    watch.say(verdict, run.at);
    seen
}

/// Other canaries are asked than before: what was learned says nothing of them.
fn other_suite(watch: &mut Watch, run: &Run, seen: &mut Seen) {
    if !watch.suite.is_empty() {
        let text = format!("{}: other canaries are asked; a new baseline is learned", watch.plan.name());
        seen.events.push(Event { at: run.at, what: What::OtherSuite, text });
    }
    let fresh = Watch::new(watch.plan.clone());
    let (numbers, facts) = (watch.numbers, std::mem::take(&mut watch.facts));
    *watch = Watch { numbers, facts, suite: run.suite.clone(), ..fresh };
    watch.say(Verdict::Learning, run.at);
}

fn identity(watch: &mut Watch, run: &Run, seen: &mut Seen) {
    seen.events.extend(facts::told(&mut watch.facts, &run.facts, run.at, &watch.plan));
    if let Some(baseline) = &watch.baseline {
        watch.changes = facts::differences(&baseline.facts, &watch.facts, &watch.changes, run.at);
    }
}

fn count(counted: &mut Counted, compared: bool, exceeds: bool) {
    counted.compared += u64::from(compared);
    counted.exceeding += u64::from(exceeds && compared);
    if exceeds {
        counted.clean = 0;
        counted.spell += 1;
    } else {
        counted.clean += 1;
        counted.spell =
            if counted.clean >= CLEAN_RUNS { 0 } else { counted.spell + u64::from(counted.spell > 0) };
    }
}

/// Faults that stood when they were looked at again, as the streams that tell them; a first one is asked for again.
fn hard(watch: &Watch, picture: &Picture, seen: &mut Seen) -> Vec<Stream> {
    if picture.faults.is_empty() {
        return Vec::new();
    }
    let before = watch.last.as_ref().map(|last| last.faults.as_slice()).unwrap_or_default();
    let stands = |kind: FaultKind| before.iter().any(|fault| fault.kind == kind);
    let mut streams = Vec::new();
    for fault in &picture.faults {
        // Before there is a baseline, only numbers that are none are a fault for sure.
        let known = watch.baseline.is_some() || fault.kind == FaultKind::BadLogprob;
        if known && stands(fault.kind) {
            let of_set_up = matches!(fault.kind, FaultKind::Count | FaultKind::TooLong | FaultKind::Status);
            streams.push(if of_set_up { Stream::Identity } else { Stream::FingerprintFast });
        }
    }
    let held = |stream: &Stream| watch.alarms.iter().any(|alarm| alarm.stream == *stream);
    if streams.is_empty() {
        let mut canaries: Vec<String> = picture.faults.iter().map(|fault| fault.canary.clone()).collect();
        canaries.retain(|canary| !canary.is_empty());
        canaries.dedup();
        seen.wants = Wants::RepeatHard { after: REPEAT_AFTER, canaries };
    }
    streams.retain(|stream| !held(stream));
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// Whether the run counts as a step of evidence. Each beat does. A look beside the beat is one more chance of a false
/// alarm, and the promise is for the beats of a year: so at most [`EXTRA`] of them for each beat count, for which the
/// thresholds are set, and each only some time after the last, since what varies by itself may vary the same at once.
fn step(watch: &mut Watch, run: &Run) -> bool {
    match run.purpose {
        Purpose::Beat => {
            watch.counted.extra = (watch.counted.extra + EXTRA).min(MOST_EXTRA);
            return true;
        }
        // The long prompts have a detector of their own, for so many steps a year as there are hours.
        Purpose::Long => return true,
        Purpose::Capture => return false,
        Purpose::Confirm | Purpose::Manual => {}
    }
    let steady = watch.baseline.as_ref().is_some_and(|baseline| baseline.deterministic);
    let apart = if steady { STEADY_SECONDS } else { NOISY_SECONDS };
    let long_ago = watch.counted.extra_at.is_none_or(|at| run.at.duration_since(at).as_secs() >= apart);
    if !long_ago || watch.counted.extra < 1.0 {
        return false;
    }
    watch.counted.extra -= 1.0;
    watch.counted.extra_at = Some(run.at);
    true
}

fn statistics(watch: &mut Watch, compared: &Compared, picture: &Picture) -> Vec<Stream> {
    let mut steps = Steps::of(compared);
    if picture.faults.iter().any(|fault| !fault.long && fault.kind != FaultKind::Status) {
        steps.short = Some(true);
    }
    let Some(detectors) = &mut watch.detectors else { return Vec::new() };
    let alarms = &watch.alarms;
    detectors.observe(steps, |stream| alarms.iter().any(|alarm| alarm.stream == stream))
}

/// Gathers what the model does from the first run on that exceeded, for a person to accept.
fn candidate(watch: &mut Watch, run: &Run, look: &Look<'_>, exceeds: bool) {
    if watch.baseline.is_none() {
        return;
    }
    let begins = exceeds || !watch.changes.is_empty();
    if watch.candidate.is_none() && begins {
        watch.candidate = Some(Learning::default());
    }
    let over = watch.counted.clean >= CLEAN_RUNS && watch.alarms.is_empty() && watch.changes.is_empty();
    if over {
        watch.candidate = None;
        watch.off = None;
    }
    if let Some(candidate) = &mut watch.candidate {
        candidate.take(run, look);
    }
}

fn raise(watch: &mut Watch, stream: Stream, at: Timestamp, seen: &mut Seen) {
    let Some(picture) = watch.off.as_ref().or(watch.last.as_ref()) else { return };
    let cause = cause::cause(picture, &watch.changes).unwrap_or(crate::drift::Cause::Unknown);
    let severity = severity(picture, Some(cause), losses(watch));
    let alarm = Alarm { stream, at, severity, cause, runs: watch.counted.spell };
    if let Some(learning) = &mut watch.learning {
        learning.forget_waiting();
    }
    let text = format!(
        "{}: {}: {} ({})",
        watch.plan.name(),
        severity.name(),
        super::report::what_moved(picture),
        cause.name()
    );
    watch.alarms.push(alarm.clone());
    seen.events.push(Event { at, what: What::Raised(alarm), text });
}

/// What was lost, beside what moved.
pub(super) fn losses(watch: &Watch) -> Losses {
    let lost = watch.lost();
    Losses {
        lost: lost.len(),
        degenerates: lost.iter().any(|lost| lost.category == "degeneration"),
        quality: watch.alarms.iter().any(|alarm| alarm.stream == Stream::Quality),
        only_slow: !watch.alarms.is_empty()
            && watch.alarms.iter().all(|alarm| alarm.stream == Stream::Performance),
    }
}

/// Learns from the run, while nothing moved; and makes the next baseline when there are enough.
fn learn(watch: &mut Watch, run: &Run, look: &Look<'_>, exceeds: bool, seen: &mut Seen) {
    if !watch.alarms.is_empty() || !look.faults.is_empty() {
        return;
    }
    let Some(learning) = &mut watch.learning else { return };
    learning.take(run, look);
    let quiet = !exceeds && watch.counted.clean >= CLEAN_RUNS && watch.changes.is_empty();
    let suspects = watch.detectors.as_ref().is_some_and(super::Detectors::suspects);
    let (due, all) = match &watch.baseline {
        // Of the first runs nothing could be told apart: all of them are taken.
        None => (learning.taken() >= super::SIZES[0], true),
        Some(baseline) => {
            let next = next_size(baseline).unwrap_or(u64::MAX);
            (learning.settled.runs >= next && quiet && !suspects, false)
        }
    };
    if !due {
        return;
    }
    match making::make(learning, &watch.suite, watch.numbers + 1, all) {
        Ok(baseline) => {
            let learning = watch.learning.take();
            let number = baseline.number;
            let text = format!("{}: baseline {number} was made of {} runs", watch.plan.name(), baseline.runs);
            let counted = watch.counted;
            let checks = std::mem::take(&mut watch.checks);
            let last = watch.last.take();
            watch.put_in_force(baseline.clone(), learning, run.at);
            // It is the same model as before, only better known.
            watch.counted = counted;
            watch.checks = checks;
            watch.last = last;
            seen.events.push(Event { at: run.at, what: What::BaselineMade { number }, text });
            seen.made = Some(baseline);
        }
        Err(refused) => {
            let text = format!("{}: no baseline can be made: {refused}", watch.plan.name());
            if watch.refused.as_deref() != Some(&text) {
                seen.events.push(Event { at: run.at, what: What::Refused, text: text.clone() });
            }
            watch.refused = Some(text);
            // Begun anew: what was unsteady then may be steady later.
            watch.learning = Some(Learning::default());
        }
    }
}

fn resolve(watch: &mut Watch, at: Timestamp, seen: &mut Seen) {
    if watch.alarms.is_empty() || watch.counted.clean < CLEAN_RUNS || !watch.lost().is_empty() {
        return;
    }
    for alarm in std::mem::take(&mut watch.alarms) {
        let text = format!(
            "{}: it answers as before again, for {CLEAN_RUNS} runs: the alarm of {} ended by itself",
            watch.plan.name(),
            alarm.stream.name()
        );
        seen.events.push(Event { at, what: What::Resolved(alarm), text });
    }
    watch.off = None;
    watch.candidate = None;
}

fn wants(watch: &Watch, run: &Run, exceeds: bool, seen: &mut Seen) {
    if seen.wants != Wants::Nothing {
        return;
    }
    let first = exceeds && watch.counted.spell == 1 && watch.alarms.is_empty();
    if first && matches!(run.purpose, Purpose::Beat | Purpose::Long) && watch.baseline.is_some() {
        seen.wants = Wants::Confirm { after: CONFIRM_AFTER.to_vec() };
        return;
    }
    let baseline = watch.baseline.as_ref();
    let doubtful =
        watch.checks.iter().filter(|(canary, recent)| recent.is_doubtful(record(baseline, canary)));
    let canaries: Vec<String> = doubtful.map(|(canary, _)| canary.clone()).collect();
    if !canaries.is_empty() && run.purpose != Purpose::Confirm {
        seen.wants = Wants::BurstChecks { canaries, times: BURST };
    }
}

fn verdict(watch: &Watch, exceeds: bool) -> Verdict {
    if !watch.alarms.is_empty() {
        return Verdict::Drifting;
    }
    if watch.baseline.is_none() {
        return Verdict::Learning;
    }
    let suspects = watch.detectors.as_ref().is_some_and(super::Detectors::suspects);
    if exceeds || suspects || !watch.lost().is_empty() { Verdict::Suspect } else { Verdict::Steady }
}
