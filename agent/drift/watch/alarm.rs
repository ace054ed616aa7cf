//! When an alarm begins, and when it ends by itself.

use std::time::Duration;

use jiff::Timestamp;

use super::{Watch, policy};
use crate::drift::cause::{self, cause};
use crate::drift::picture::{FaultKind, Picture};
use crate::drift::seen::{Event, Seen, Wants, What};
use crate::drift::severity::{Losses, severity};
use crate::drift::{Alarm, Cause, Stream, oncall};

/// Runs without a deviation after which an alarm that nobody answered ends by itself.
pub(super) const CLEAN_RUNS: u64 = 12;

/// A fault that needs no statistics is looked at again after this.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

/// Faults that stood when they were looked at again, as the streams that tell them; a first one is asked for again.
pub(super) fn hard(watch: &Watch, picture: &Picture, seen: &mut Seen) -> Vec<Stream> {
    let before = watch.last.as_ref().map(|last| last.faults.as_slice()).unwrap_or_default();
    let mut streams = Vec::new();
    for fault in &picture.faults {
        // Before there is a baseline, only numbers that are none are a fault for sure.
        let sure = watch.baseline.is_some() || fault.kind == FaultKind::BadLogprob;
        if sure && before.iter().any(|before| before.kind == fault.kind) {
            let set_up = matches!(fault.kind, FaultKind::Count | FaultKind::TooLong | FaultKind::Status);
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
    if streams.is_empty() || policy::is_small(watch) {
        return;
    }
    let Some(picture) = watch.off.clone().or_else(|| watch.last.clone()) else { return };
    if let Some(learning) = &mut watch.learning {
        learning.forget_waiting();
    }
    for stream in streams {
        let why = of_stream(watch, stream, &picture);
        let alarm = Alarm {
            stream,
            at,
            severity: severity(&picture, why, losses(watch, Some(stream))),
            cause: why.unwrap_or(Cause::Unknown),
            runs: watch.counted.spell.max(1),
        };
        let text = format!(
            "{}: {}: {}; most likely {}",
            watch.plan.name(),
            alarm.severity.name(),
            oncall::moved(&picture, watch.baseline.as_ref(), &watch.lost(), stream),
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
    let lost = !watch.lost().is_empty();
    let clean = counted.clean >= CLEAN_RUNS && !counted.long_off;
    let over = |stream: Stream| match stream {
        Stream::Performance => counted.brisk >= CLEAN_RUNS,
        Stream::FingerprintSlow => clean && counted.near >= CLEAN_RUNS,
        Stream::Identity | Stream::FingerprintFast | Stream::Sampling | Stream::Quality => clean && !lost,
    };
    let (ended, hold) = std::mem::take(&mut watch.alarms).into_iter().partition(|alarm| over(alarm.stream));
    watch.alarms = hold;
    let ended: Vec<Alarm> = ended;
    for alarm in ended {
        let text = format!(
            "{}: as before again for {CLEAN_RUNS} runs: the alarm of {} ended by itself",
            watch.plan.name(),
            alarm.stream.name()
        );
        seen.events.push(Event { at, what: What::Resolved(alarm), text });
    }
    if watch.alarms.is_empty() {
        watch.off = None;
        watch.candidate = None;
    }
}
