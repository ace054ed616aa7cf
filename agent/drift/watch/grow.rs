//! Learning while all is quiet: a first baseline soon, and larger ones in its place as runs come.

use super::observe::Sight;
use super::{SIZES, Watch, alarm};
use crate::drift::Baseline;
use crate::drift::held::Fit;
use crate::drift::learning::Learning;
use crate::drift::making;
use crate::drift::seen::{Event, Seen, What};
use crate::sample::Purpose;

/// A baseline of which more than one run in so many was beyond the one before it is not made: it would take for the
/// model's own noise what may be a fault that hits some of the answers, and that would never be found again.
const MOST_BEYOND: u64 = 10;

/// Learns from the run, while nothing moved; and makes the next baseline when there are enough.
pub(super) fn learn(watch: &mut Watch, sight: &Sight<'_>, seen: &mut Seen) {
    // What is broken teaches nothing. Other faults are learned as such: they may always have been there.
    if !watch.alarms.is_empty() || sight.look.is_broken() {
        return;
    }
    let texts_no_more = watch.baseline.as_ref().is_some_and(|baseline| baseline.text_mode)
        && !sight.look.prints.is_empty()
        && !sight.look.text_mode;
    if texts_no_more
        && watch.learning.as_ref().is_none_or(|learning| learning.text_mode || learning.is_empty())
    {
        // The server tells log probabilities now: a baseline of those finds more.
        watch.learning = Some(Learning::default());
    }
    if !is_learned_from(sight, watch.baseline.is_some()) {
        return;
    }
    if watch.baseline.is_some() && !sight.exceeds {
        let beat = sight.look.is_short();
        watch.learn_beside(&sight.look.graded, beat);
    }
    let next = watch.next_size();
    let is_blind = watch.is_blind();
    let Some(learning) = &mut watch.learning else { return };
    // What exceeds may be a fault that nobody has found yet; the candidate has it.
    if watch.baseline.is_some() && sight.exceeds {
        let (short, long) = sight.compared.as_ref().map_or((None, None), |one| (one.short, one.long));
        learning.leave_out(sight.run.at, short.is_some(), long.is_some());
        return;
    }
    learning.take(sight.run, &sight.look);
    // Where nothing of a run can be compared, no number of clean runs comes together, and no evidence goes away.
    let compares = sight.compared.as_ref().is_some_and(|compared| compared.short.is_some());
    let clean = watch.counted.clean >= alarm::CLEAN_RUNS || is_blind && !compares;
    let quiet = !sight.exceeds && clean && watch.changes.is_empty();
    let pending = watch.detectors.as_ref().is_some_and(super::Detectors::has_evidence);
    let (due, all) = match &watch.baseline {
        // Of the first runs nothing could be told apart: all of them are taken.
        None => (learning.taken() >= SIZES[0], true),
        Some(_) if is_blind => {
            (learning.taken() >= SIZES[0] && quiet && (!pending || !compares) && !is_beyond(learning), true)
        }
        Some(baseline) => {
            let other_mode = baseline.text_mode != learning.text_mode;
            let next = if other_mode { SIZES[0] } else { next.unwrap_or(u64::MAX) };
            (learning.settled.runs >= next && quiet && !pending && !is_beyond(learning), false)
        }
    };
    if due {
        make(watch, sight, all, seen);
    } else if learning.is_full() && is_beyond(learning) {
        // What is wrong may be mended by now: the next ones tell.
        *learning = Learning::default();
    }
}

/// Whether too many of the runs were beyond the baseline in force.
fn is_beyond(learning: &Learning) -> bool {
    let (beyond, all) = learning.beyond();
    beyond * MOST_BEYOND > all
}

/// What a person is told of a baseline that grows no more, since too many runs are beyond it. An alarm needs more: the
/// first runs are too few to tell that they would have shown it.
pub(super) fn held_up(watch: &Watch) -> Option<String> {
    let baseline = watch.baseline.as_ref()?;
    let learning = watch.learning.as_ref().filter(|learning| is_beyond(learning))?;
    let (beyond, all) = learning.beyond();
    (all >= SIZES[0]).then(|| {
        format!(
            "Weak: {beyond} of {all} runs are beyond the baseline, which has {} and grows no more: noise that it did not see, \
             or a fault that hits some of the answers, such as one of several replicas. If all is well: \
             `{}`",
            baseline.runs,
            watch.plan.capture()
        )
    })
}

/// Whether the run is one of the beat's or a capture's, or a whole one of a person. Looks again come in bursts, just
/// when something moved: they would push what moved out of the quarantine.
fn is_learned_from(sight: &Sight<'_>, is_compared: bool) -> bool {
    match sight.run.purpose {
        Purpose::Beat | Purpose::Long | Purpose::Capture => true,
        Purpose::Manual => sight.whole || !is_compared && !sight.look.prints.is_empty(),
        Purpose::Confirm => false,
    }
}

impl Watch {
    /// Where other canaries made a baseline necessary, it is of fewer runs than the one in force may be: what that knows
    /// of checks that are asked as they were, and of speed, goes on in it. Whether that is so.
    fn carry(&self, baseline: &mut Baseline) -> bool {
        let Some(known) = &self.baseline else { return false };
        if known.fit(&self.asked) == Fit::Whole {
            return false;
        }
        for (canary, record) in self.records() {
            let is_better = baseline.checks.get(&canary).is_none_or(|of_it| of_it.asked < record.asked);
            if is_better && !baseline.dropped.contains_key(&canary) {
                baseline.checks.insert(canary, record);
            }
        }
        if baseline.idle_runs < known.idle_runs {
            (baseline.band, baseline.idle_runs) = (known.band, known.idle_runs);
        }
        true
    }
}

fn make(watch: &mut Watch, sight: &Sight<'_>, all: bool, seen: &mut Seen) {
    let Some(learning) = watch.learning.take() else { return };
    let at = sight.run.at;
    match making::make(&learning, (&watch.suite, &watch.asked), watch.numbers + 1, all) {
        Ok(mut baseline) => {
            let of_others = watch.carry(&mut baseline);
            let number = baseline.number;
            let text = format!("{}: baseline {number} was made of {} runs", watch.plan.name(), baseline.runs);
            // It is the same model as before, only better known: what was seen of it goes on.
            let counted = watch.counted;
            let (checks, beside) = (std::mem::take(&mut watch.checks), std::mem::take(&mut watch.beside));
            let (last, latest) = (watch.last.take(), std::mem::take(&mut watch.latest));
            let before = watch.detectors.take();
            watch.put_in_force(baseline.clone(), Some(learning), at);
            watch.detectors = match before {
                Some(before) if of_others => Some(before.renewed(&baseline, &watch.plan, at)),
                Some(before) => Some(before.following(&baseline, &watch.plan, at)),
                None => watch.detectors.take(),
            };
            watch.counted = counted;
            (watch.checks, watch.beside) = (checks, beside);
            watch.watch_checks();
            (watch.last, watch.latest) = (last, latest);
            seen.events.push(Event { at, what: What::BaselineMade { number }, text });
            seen.made = Some(baseline);
        }
        Err(refused) => {
            let text = refused.to_string();
            if watch.refused.as_ref() != Some(&text) {
                let text = format!("{}: no baseline can be made: {text}", watch.plan.name());
                seen.events.push(Event { at, what: What::Refused, text });
            }
            watch.refused = Some(text);
            // Begun anew: what was unsteady then may be steady later.
            watch.learning = Some(Learning::default());
        }
    }
}
