//! Which runs count as evidence. The promise of few false alarms is for the steps of a year: as many as there are
//! beats, and a few more, for which the thresholds are set. So a look beside the beat, by a person or to confirm, is
//! always shown, and counts only as long as these few last. However often anybody looks, the promise holds.

use super::budgets::{ANSWERS, EXTRA};
use super::observe::Sight;
use super::{MOST_ANSWERS, MOST_EXTRA, Watch};
use crate::sample::Purpose;

/// Where numbers vary by themselves, what varies now may vary the same a moment later: one look in so long counts.
const NOISY_SECONDS: i64 = 120;

/// Where they never do, it must only be another look.
const STEADY_SECONDS: i64 = 15;

/// Whether the run counts as a step of evidence.
pub(super) fn counts(watch: &mut Watch, sight: &Sight<'_>) -> bool {
    let run = sight.run;
    match run.purpose {
        Purpose::Beat => {
            let counted = &mut watch.counted;
            counted.extra = (counted.extra + EXTRA).min(MOST_EXTRA);
            counted.answers = (counted.answers + ANSWERS).min(MOST_ANSWERS);
            return true;
        }
        // The long prompts have a detector of their own, for as many steps a year as there are hours.
        Purpose::Long => return true,
        Purpose::Capture => return false,
        Purpose::Confirm | Purpose::Manual => {}
    }
    let steady = watch.baseline.as_ref().is_some_and(|baseline| baseline.deterministic);
    // Where numbers are always the same, a change repeats to the bit, and a passing fault does not.
    if steady && sight.exceeds && sight.picture.faults.is_empty() && !repeats(watch, sight) {
        return false;
    }
    let counted = &mut watch.counted;
    let apart = if steady { STEADY_SECONDS } else { NOISY_SECONDS };
    let long_ago = counted.extra_at.is_none_or(|at| run.at.duration_since(at).as_secs() >= apart);
    if !sight.whole || !long_ago || counted.extra < 1.0 {
        return false;
    }
    counted.extra -= 1.0;
    counted.extra_at = Some(run.at);
    true
}

/// Whether a graded answer counts: so many for each beat do, whoever asks them.
pub(super) fn answer_counts(watch: &mut Watch, purpose: Purpose) -> bool {
    if purpose == Purpose::Capture || watch.counted.answers < 1.0 {
        return false;
    }
    watch.counted.answers -= 1.0;
    true
}

/// Whether some answer that is off was the same, to the bit, since it moved.
fn repeats(watch: &Watch, sight: &Sight<'_>) -> bool {
    let Some((candidate, compared)) = watch.candidate.as_ref().zip(sight.compared.as_ref()) else {
        return false;
    };
    let same = |canary: &str| {
        let print = sight.look.prints.iter().find(|print| print.canary == canary);
        let of = match print {
            Some(print) => print.numbers(candidate.text_mode),
            None => sight.look.sampler.clone()?,
        };
        Some(candidate.canaries.get(canary)?.has(&of))
    };
    let mut off = compared.each.iter().filter(|one| one.exceeds || one.chosen_otherwise);
    off.any(|one| same(&one.canary) == Some(true))
}
