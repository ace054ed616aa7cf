//! What the model does since it moved, and who may make a baseline of it: a person, always; the policy, where the
//! server itself told the change and it moved the answers by next to nothing.

use jiff::Timestamp;

use super::observe::Sight;
use super::{Watch, alarm};
use crate::drift::cause::cause;
use crate::drift::learning::Learning;
use crate::drift::making::{self, Refused};
use crate::drift::seen::{Event, Seen, What};
use crate::drift::severity::{Losses, SMALL, severity};
use crate::drift::{Baseline, Change, Severity, Stream};
use crate::sample::Fact;

/// Runs after a small announced change, for the policy to take it over: a first baseline's.
const POLICY_RUNS: u64 = 20;

/// Gathers what the model does from the run on with which it moved, or that told another fact.
///
pub(super) fn gather(watch: &mut Watch, sight: &Sight<'_>) {
    if watch.baseline.is_none() {
        return;
    }
    // An alarm of speed, of checks or of medians holds without a run that exceeds: it can be accepted, too.
    let moved = sight.exceeds || !watch.changes.is_empty() || !watch.alarms.is_empty();
    let over = watch.counted.clean >= alarm::CLEAN_RUNS && !watch.counted.long_off;
    if over && watch.alarms.is_empty() && watch.changes.is_empty() {
        watch.candidate = None;
        watch.off = None;
    } else if over && watch.off.is_some() && !watch.alarms.is_empty() {
        // It moved back, and an alarm holds on by something else: what is accepted is what it does now, and not both.
        watch.candidate = None;
        watch.off = None;
    }
    if watch.candidate.is_none() || begins(watch, sight) {
        watch.farthest = 0.0;
        watch.candidate = moved.then(Learning::default);
    }
    if let Some(candidate) = &mut watch.candidate {
        // Text mode has no such distance: a text that is not known is a large one.
        let texts = sight.picture.unknown_texts().filter(|_| sight.picture.kld.is_none());
        watch.farthest = watch.farthest.max(sight.picture.kld.or(texts).unwrap_or(0.0));
        if !sight.look.is_broken() {
            candidate.take(sight.run, &sight.look);
        }
    }
}

/// Whether what is gathered begins anew with the run, as long as no alarm holds. One that exceeds by chance, some runs
/// before a change, is none that it began with: what the model did in between is not what it does now.
fn begins(watch: &Watch, sight: &Sight<'_>) -> bool {
    let told = watch.changes.iter().any(|change| change.at == sight.run.at);
    // Nothing before it speaks for a change any more. Where a change was told, evidence of it may be no alarm, and begin
    // at nothing again and again: there only a run that exceeds after many clean ones is another beginning.
    let calm = if watch.changes.is_empty() { sight.calm } else { watch.counted.spell == 1 };
    watch.alarms.is_empty() && (told || sight.exceeds && calm)
}

/// Whether the server told the change, and it moved the answers by next to nothing and lost no check. That is said of
/// the fingerprint: worse answers and a slower server are alarms of their own, beside it.
pub(super) fn is_small(watch: &Watch) -> bool {
    let told = !watch.changes.is_empty() && watch.changes.iter().all(is_harmless);
    let mild = watch
        .off
        .as_ref()
        .is_none_or(|off| severity(off, cause(off, &watch.changes), Losses::default()) == Severity::Info);
    let quiet = watch.alarms.iter().all(|alarm| is_apart(alarm.stream));
    told && mild && quiet && watch.farthest < SMALL && watch.lost().is_empty()
}

/// Whether a stream tells something else than how far the answers moved: no change is small enough to hide it.
pub(super) fn is_apart(stream: Stream) -> bool {
    matches!(stream, Stream::Quality | Stream::Performance)
}

/// Whether the server told a change that its users feel, though canaries need not: other sampling defaults, or a
/// smaller context.
pub(super) fn is_grave(watch: &Watch) -> bool {
    watch.changes.iter().any(|change| !is_harmless(change))
}

/// Whether a fact may change without its users feeling it.
fn is_harmless(change: &Change) -> bool {
    let number = |told: &Option<String>| told.as_ref().and_then(|told| told.trim().parse::<u64>().ok());
    match change.fact {
        Fact::Sampling => false,
        Fact::Context => number(&change.from).zip(number(&change.to)).is_some_and(|(from, to)| to >= from),
        Fact::Digest | Fact::Quantization | Fact::Version | Fact::Template | Fact::Adapter => true,
    }
}

/// Lets the policy take over a small announced change, when enough was seen of it.
pub(super) fn accept(watch: &mut Watch, at: Timestamp, seen: &mut Seen) {
    let enough = watch.candidate.as_ref().is_some_and(|candidate| candidate.taken() >= POLICY_RUNS);
    // With checks that fail more often, it is not known to be harmless: then it waits for a person.
    let worse = watch.alarms.iter().any(|alarm| alarm.stream == Stream::Quality);
    if !enough || worse || !watch.plan.accepts_small_changes || seen.made.is_some() || !is_small(watch) {
        return;
    }
    let facts: Vec<&str> = watch.changes.iter().map(|change| change.fact.name()).collect();
    let why = format!("{} changed and the answers hardly moved", facts.join(" and "));
    if let Ok(baseline) = renew(watch, at) {
        let number = baseline.number;
        let text = format!("{}: baseline {number} was made by policy: {why}", watch.plan.name());
        seen.events.push(Event { at, what: What::Accepted { number }, text });
        seen.made = Some(baseline);
    }
}

/// Makes a baseline of the fingerprint since the change, and puts it in force. Checks and speed are held against what
/// they were before: an announced change must not take a loss of these over with it.
fn renew(watch: &mut Watch, at: Timestamp) -> Result<Baseline, Refused> {
    let (Some(known), Some(candidate)) = (&watch.baseline, &watch.candidate) else {
        return Err(Refused::Nothing("nothing moved since the baseline".into()));
    };
    let number = watch.numbers + 1;
    let moved = watch.off.is_some();
    let asked = (watch.suite.as_str(), &watch.asked);
    let (of, checks) = if moved {
        (making::make(candidate, asked, number, true)?, watch.records())
    } else {
        (known.clone(), known.checks.clone())
    };
    let (band, idle_runs) = (known.band, known.idle_runs);
    let (at_run, facts) = (Some(at), watch.facts.clone());
    let baseline = Baseline { number, at: at_run, facts, checks, band, idle_runs, ..of };
    let learning = watch.candidate.take().filter(|_| moved);
    let learning = learning.or_else(|| watch.learning.take());
    watch.renew(baseline.clone(), learning, at);
    Ok(baseline)
}

/// Makes a baseline of what the model does since it moved, and puts it in force. Where only facts are others, what was
/// known of its answers still holds, and is kept.
///
/// # Errors
///
/// Nothing moved, or what it does now is too unsteady.
pub(super) fn adopt(watch: &mut Watch, at: Timestamp) -> Result<Baseline, Refused> {
    let number = watch.numbers + 1;
    let only_facts = watch.alarms.is_empty() && watch.off.is_none() && !watch.changes.is_empty();
    if let Some(known) = watch.baseline.as_ref().filter(|_| only_facts) {
        let baseline = Baseline { number, at: Some(at), facts: watch.facts.clone(), ..known.clone() };
        watch.numbers = number;
        watch.changes.clear();
        watch.candidate = None;
        watch.baseline = Some(baseline.clone());
        return Ok(baseline);
    }
    let candidate = watch.candidate.as_ref().filter(|candidate| !candidate.is_empty());
    let Some(candidate) = candidate else {
        return Err(Refused::Nothing(if watch.alarms.is_empty() {
            "nothing moved since the baseline, so there is nothing to accept; `opsagent baseline capture` makes a new one"
                .into()
        } else {
            "there was no run yet of the canaries that are asked now: accept after the next one".into()
        }));
    };
    let baseline = making::make(candidate, (&watch.suite, &watch.asked), number, true)?;
    let learning = watch.candidate.take();
    watch.put_in_force(baseline.clone(), learning, at);
    Ok(baseline)
}
