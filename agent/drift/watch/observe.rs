//! One run, taken in.

use std::borrow::Cow;
use std::time::Duration;

use super::detectors::Steps;
use super::{Watch, alarm, facts, grow, looks, others, policy};
use crate::drift::compare::{Compared, compare};
use crate::drift::look::{Look, pace};
use crate::drift::picture::{FaultKind, Picture};
use crate::drift::seen::{Judged, Seen, Wants};
use crate::drift::{Probe, Stream, Verdict};
use crate::sample::{Purpose, Run};
use crate::suite::Suite;

/// Runs in a row without anything to judge, after which the model is called failing.
const FAILING_RUNS: u64 = 3;

/// When it is looked again at what exceeded, after the first time.
const CONFIRM_AFTER: [Duration; 3] =
    [Duration::from_secs(20), Duration::from_secs(40), Duration::from_secs(60)];

/// How often a check that always passed and failed is asked again.
const BURST: u32 = 4;

/// The longest reason that is kept of why there was no answer.
const LONGEST_WHY: usize = 200;

/// A run beside what is known.
pub(super) struct Sight<'a> {
    pub run: &'a Run,
    pub look: Look<'a>,
    /// `None`: there is no baseline.
    pub compared: Option<Compared>,
    pub picture: Picture,
    /// Whether it is farther off than the baseline's own spread, or faulty.
    pub exceeds: bool,
    /// Whether enough of the short canaries answered to hold them against the baseline.
    pub whole: bool,
    /// Whether it was slower than the baseline's slowest. `None`: not to be told.
    pub slower: Option<bool>,
    /// Whether nothing before it spoke for a change any more.
    pub calm: bool,
}

/// Takes a run in.
pub(super) fn observe(watch: &mut Watch, run: &Run, suite: &Suite) -> Seen {
    let mut seen = Seen::default();
    others::take(watch, run, suite, &mut seen);
    let look = Look::of(run, suite);
    if !look.can_be_judged() {
        return unanswered(watch, &look, run, seen);
    }
    watch.counted.unanswered = 0;
    watch.why = None;
    seen.events.extend(facts::told(&mut watch.facts, &run.facts, run.at, &watch.plan));
    if let Some(baseline) = &watch.baseline {
        watch.changes = facts::differences(&baseline.facts, &watch.facts, &watch.changes, run.at);
    }
    let sight = sight(watch, run, look);
    seen.result = if sight.exceeds { Judged::Exceed } else { Judged::Ok };
    seen.kld = sight.picture.kld;
    seen.distance = sight.picture.kld.or_else(|| sight.picture.unknown_texts());
    count(watch, &sight);
    let mut raised = alarm::hard(watch, &sight.picture, &mut seen);
    raised.extend(statistics(watch, &sight));
    for graded in &sight.look.graded {
        watch.checks.entry(graded.canary.to_owned()).or_default().take(graded);
    }
    if sight.exceeds {
        watch.off = Some(sight.picture.clone());
    }
    watch.last = Some(sight.picture.clone());
    watch.latest.take(&sight);
    policy::gather(watch, &sight);
    alarm::raise(watch, raised, run.at, &mut seen);
    grow::learn(watch, &sight, &mut seen);
    alarm::resolve(watch, run.at, &mut seen);
    policy::accept(watch, run.at, &mut seen);
    wants(watch, &sight, &mut seen);
    // What exceeded the former baseline is what the one that was made just now is of.
    let exceeds = sight.exceeds && seen.made.is_none();
    watch.say(verdict(watch, exceeds), run.at);
    seen
}

/// A server that does not answer is no evidence against its model; several runs in a row are worth saying.
fn unanswered(watch: &mut Watch, look: &Look<'_>, run: &Run, mut seen: Seen) -> Seen {
    watch.counted.unanswered += 1;
    watch.why = look.why.map(|error| error.to_string().chars().take(LONGEST_WHY).collect());
    seen.result = Judged::Error;
    if watch.counted.unanswered >= FAILING_RUNS {
        watch.say(Verdict::Failing, run.at);
    }
    seen
}

fn sight<'a>(watch: &Watch, run: &'a Run, look: Look<'a>) -> Sight<'a> {
    let Some(baseline) = watch.held() else {
        let picture = Picture::of_faults(&look, run.at);
        let exceeds = !picture.faults.is_empty();
        return Sight { run, look, compared: None, picture, exceeds, whole: false, slower: None, calm: true };
    };
    let mut compared = compare(&baseline, &look);
    if !watch.detectors.as_ref().is_some_and(super::Detectors::watches_long) {
        // They have two to five states: before there are enough of them, a new one tells nothing.
        compared.long = None;
    }
    let picture = Picture::of(&baseline, &look, &compared, run.at);
    // Another prompt may be answered at another pace by the same server.
    let pace = match &baseline {
        Cow::Borrowed(_) => look.pace,
        Cow::Owned(baseline) => pace(run, |canary| baseline.asks(canary, &watch.asked)),
    };
    let slower = baseline.band.zip(pace).and_then(|(band, pace)| band.exceeds(&pace));
    let exceeds = compared.exceeds() || !picture.faults.is_empty();
    let faulty = look.faults.iter().filter(|fault| fault.chat && baseline.knows(fault)).count();
    let whole = if look.dated {
        compared.each.iter().any(|one| matches!(one.probe, Probe::P0 | Probe::P1))
    } else {
        (compared.chat().count() + faulty) * 2 >= baseline.chat_canaries()
    };
    let calm = watch.detectors.as_ref().is_none_or(super::Detectors::is_calm);
    Sight { run, look, compared: Some(compared), picture, exceeds, whole, slower, calm }
}

fn count(watch: &mut Watch, sight: &Sight<'_>) {
    let counted = &mut watch.counted;
    let Some(compared) = &sight.compared else { return };
    counted.compared += 1;
    counted.exceeding += u64::from(sight.exceeds);
    let long_fault = sight.picture.faults.iter().any(|fault| fault.long);
    if compared.long == Some(true) || long_fault {
        counted.long_off = true;
    } else if compared.long == Some(false) {
        counted.long_off = false;
    }
    let far = compared
        .score
        .is_some_and(|score| watch.baseline.as_ref().is_some_and(|baseline| score > baseline.slow_tolerance));
    if let Some(slower) = sight.slower {
        counted.brisk = if slower { 0 } else { counted.brisk + 1 };
    }
    if sight.exceeds {
        (counted.clean, counted.near) = (0, 0);
        counted.spell += 1;
    } else if compared.short.is_some() {
        counted.clean += 1;
        counted.near = if far { 0 } else { counted.near + 1 };
        let over = counted.spell == 0 || counted.clean >= alarm::CLEAN_RUNS;
        counted.spell = if over { 0 } else { counted.spell + 1 };
    }
}

/// Shows the run to the detectors of the streams: those that raise an alarm by it.
fn statistics(watch: &mut Watch, sight: &Sight<'_>) -> Vec<Stream> {
    let Some(compared) = &sight.compared else { return Vec::new() };
    let counts = looks::counts(watch, sight);
    let mut answers = Vec::new();
    for graded in &sight.look.graded {
        if looks::answer_counts(watch, sight.run.purpose) {
            answers.push((graded.canary, !graded.failed.is_empty()));
        }
    }
    let mut steps = Steps::of(compared);
    let faulty = |fault: &crate::drift::picture::FaultSeen| {
        !fault.long && !matches!(fault.kind, FaultKind::Status | FaultKind::ServerError)
    };
    if sight.picture.faults.iter().any(faulty) {
        steps.short = Some(true);
    }
    if !sight.whole || !counts.short {
        (steps.short, steps.sampler) = (None, None);
    }
    if !counts.long {
        steps.long = None;
    }
    if counts.short {
        steps.slower = sight.slower;
        let tolerance = watch.baseline.as_ref().map(|baseline| baseline.slow_tolerance);
        steps.score = compared.score.filter(|_| sight.whole).zip(tolerance);
    }
    let Some(detectors) = &mut watch.detectors else { return Vec::new() };
    let alarms = &watch.alarms;
    let latched = |stream| alarms.iter().any(|alarm: &crate::drift::Alarm| alarm.stream == stream);
    let mut raised = detectors.observe(steps, latched);
    for (canary, failed) in answers {
        match &mut watch.recovery {
            // Passing other checks does not tell that what failed is well again.
            Some(_) if watch.withdrawn.graded.contains_key(canary) => {}
            Some(recovery) => recovery.observe(canary, failed),
            None if latched(Stream::Quality) => {}
            None => watch.recovery = detectors.graded(canary, failed),
        }
    }
    raised.extend(watch.recovery.is_some().then_some(Stream::Quality));
    raised
}

fn wants(watch: &Watch, sight: &Sight<'_>, seen: &mut Seen) {
    if seen.wants != Wants::Nothing || watch.baseline.is_none() {
        return;
    }
    let beat = matches!(sight.run.purpose, Purpose::Beat | Purpose::Long);
    let first = sight.exceeds && watch.counted.spell == 1 && watch.alarms.is_empty();
    // A person's command looks again by itself at what moved.
    if first && beat {
        seen.wants = Wants::Confirm { after: CONFIRM_AFTER.to_vec() };
        return;
    }
    let doubtful = watch.checks.iter().filter(|(canary, recent)| recent.is_doubtful(watch.record(canary)));
    let canaries: Vec<String> = doubtful.map(|(canary, _)| canary.clone()).collect();
    if (beat || sight.run.purpose == Purpose::Manual) && !canaries.is_empty() {
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
    let small = policy::is_small(watch);
    let mut suspected = watch.detectors.iter().flat_map(super::Detectors::suspected);
    let moved = exceeds && !small || suspected.any(|stream| !small || policy::is_apart(stream));
    if moved || !watch.lost().is_empty() || policy::is_grave(watch) {
        Verdict::Suspect
    } else if watch.is_blind() {
        Verdict::Learning
    } else {
        Verdict::Steady
    }
}
