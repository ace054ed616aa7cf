//! When an alarm begins, and when it ends by itself.

use std::time::Duration;

use jiff::Timestamp;

use super::{Watch, policy};
use crate::drift::cause::{self, cause};
use crate::drift::oncall::Checks;
use crate::drift::picture::{FaultKind, FaultSeen, Picture};
use crate::drift::recovery::Recovery;
use crate::drift::seen::{Event, Seen, Wants, What};
use crate::drift::severity::{Losses, severity};
use crate::drift::{Alarm, Cause, Severity, Stream, oncall};
use crate::suite::Asked;

/// Runs without a deviation after which an alarm that nobody answered ends by itself.
pub(super) const CLEAN_RUNS: u64 = 12;

/// A fault that needs no statistics is looked at again after this.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

/// Faults that stood when they were looked at again, as the streams that tell them; a first one is asked for again.
pub(super) fn hard(watch: &Watch, picture: &Picture, seen: &mut Seen) -> Vec<Stream> {
    let before = watch.last.as_ref().map(|last| last.faults.as_slice()).unwrap_or_default();
    let mut streams = Vec::new();
    for fault in &picture.faults {
        // Broken memory shows at one prompt now and at another then; whatever else is of one prompt.
        let anywhere = fault.kind == FaultKind::BadLogprob;
        let same =
            |before: &FaultSeen| before.kind == fault.kind && (anywhere || before.canary == fault.canary);
        if before.iter().any(same) {
            let set_up = matches!(
                fault.kind,
                FaultKind::Count | FaultKind::TooLong | FaultKind::Status | FaultKind::ServerError
            );
            streams.push(if set_up { Stream::Identity } else { Stream::FingerprintFast });
        }
    }
    if streams.is_empty() && !picture.faults.is_empty() {
        let mut canaries: Vec<String> = picture.faults.iter().map(|fault| fault.canary.clone()).collect();
        canaries.retain(|canary| !canary.is_empty());
        canaries.dedup();
        seen.wants = Wants::RepeatHard { after: REPEAT_AFTER, canaries };
    }
    streams
}

/// Begins the alarms of these streams; one that holds already stays as it is.
pub(super) fn raise(watch: &mut Watch, mut streams: Vec<Stream>, at: Timestamp, seen: &mut Seen) {
    streams.sort_unstable();
    streams.dedup();
    streams.retain(|stream| watch.alarms.iter().all(|alarm| alarm.stream != *stream));
    // What the server told, and what moved next to nothing, is no alarm: the policy or a person takes it over.
    if policy::is_small(watch) {
        streams.retain(|stream| policy::is_apart(*stream));
    }
    if streams.is_empty() {
        return;
    }
    let Some(picture) = watch.off.clone().or_else(|| watch.last.clone()) else { return };
    if let Some(learning) = &mut watch.learning {
        learning.forget_waiting();
    }
    watch.beside.forget_waiting();
    for stream in streams {
        let why = of_stream(watch, stream, &picture);
        let alarm = Alarm {
            stream,
            at,
            severity: match stream {
                // Whatever else moved, slow answers are no more, and no less, than that.
                Stream::Performance => Severity::Warning,
                _ => severity(&picture, why, losses(watch, Some(stream))),
            },
            cause: why.unwrap_or(Cause::Unknown),
            runs: watch.counted.spell.max(1),
        };
        let text = format!(
            "{}: {}: {}; most likely {}",
            watch.plan.name(),
            alarm.severity.name(),
            oncall::moved(&picture, watch.held().as_deref(), &checks(watch), stream),
            cause::said(alarm.cause)
        );
        watch.alarms.push(alarm.clone());
        seen.events.push(Event { at, what: What::Raised(alarm), text });
    }
}

/// What a stream's alarm is put down to: speed alone tells no cause, and neither do checks.
fn of_stream(watch: &Watch, stream: Stream, picture: &Picture) -> Option<Cause> {
    if stream == Stream::Performance { None } else { cause(picture, &watch.changes) }
}

/// What is told of the checks: those that are lost, and those that raised the alarm of quality and are not well yet.
pub(super) fn checks(watch: &Watch) -> Checks {
    let lost = watch.lost();
    let open = watch.recovery.iter().flat_map(Recovery::open);
    let failing = open.filter(|(canary, _)| lost.iter().all(|lost| lost.canary != *canary));
    let said = |(canary, (failed, all)): (&str, (u64, u64))| {
        let category = watch.checks.get(canary).map_or("", |recent| recent.category());
        format!("{category}/{canary} ({failed} of {all})")
    };
    Checks { failing: failing.map(said).collect(), lost }
}

/// What was lost, beside what moved.
pub(super) fn losses(watch: &Watch, also: Option<Stream>) -> Losses {
    let lost = watch.lost();
    let streams: Vec<Stream> = watch.alarms.iter().map(|alarm| alarm.stream).chain(also).collect();
    Losses {
        lost: lost.len(),
        degenerates: lost.iter().any(|lost| lost.category == "degeneration"),
        quality: streams.contains(&Stream::Quality),
        only_slow: !streams.is_empty() && streams.iter().all(|stream| *stream == Stream::Performance),
    }
}

/// Ends the alarms of what has been as before for some time.
pub(super) fn resolve(watch: &mut Watch, at: Timestamp, seen: &mut Seen) {
    if watch.alarms.is_empty() {
        return;
    }
    let counted = watch.counted;
    let gone = &watch.withdrawn;
    let lost = !watch.lost().is_empty() || !gone.graded.is_empty();
    let is_told = gone.compared.is_empty() && gone.prompts.is_empty();
    let clean = counted.clean >= CLEAN_RUNS && !counted.long_off && is_told;
    let over = |stream: Stream| match stream {
        Stream::Performance => counted.brisk >= CLEAN_RUNS,
        Stream::FingerprintSlow => clean && counted.near >= CLEAN_RUNS,
        Stream::Identity | Stream::FingerprintFast | Stream::Sampling => clean && !lost,
        // The fingerprint may never have moved: the checks themselves are to pass again.
        Stream::Quality => watch.recovery.as_ref().map_or(clean, Recovery::is_over) && !lost,
    };
    let (ended, hold) = std::mem::take(&mut watch.alarms).into_iter().partition(|alarm| over(alarm.stream));
    watch.alarms = hold;
    let ended: Vec<Alarm> = ended;
    for alarm in ended {
        let well = match alarm.stream {
            Stream::Quality => "the checks that failed pass again".to_owned(),
            _ => format!("as before again for {CLEAN_RUNS} runs"),
        };
        let text =
            format!("{}: {well}: the alarm of {} ended by itself", watch.plan.name(), alarm.stream.name());
        seen.events.push(Event { at, what: What::Resolved(alarm), text });
    }
    if watch.alarms.iter().all(|alarm| alarm.stream != Stream::Quality) {
        watch.recovery = None;
    }
    if watch.alarms.is_empty() {
        watch.off = None;
        watch.candidate = None;
        watch.withdrawn = Asked::default();
    }
}
