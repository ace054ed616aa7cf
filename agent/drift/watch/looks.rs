//! Which runs count as evidence. A look beside the beat, by a person or to confirm, is always shown, and counts only as
//! long as the [`Purse`](super::purse::Purse) has a step for it.

use super::Watch;
use super::observe::Sight;
use crate::sample::Purpose;

/// Where numbers vary by themselves, what varies now may vary the same a moment later: one look in so long counts.
const NOISY_SECONDS: i64 = 120;

/// Where they never do, it must only be another look.
const STEADY_SECONDS: i64 = 15;

/// What of a run counts as a step of evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Its short canaries, the sampler and its speed.
    pub short: bool,
    /// Its long prompts.
    pub long: bool,
}

/// What of the run counts.
pub(super) fn counts(watch: &mut Watch, sight: &Sight<'_>) -> Counts {
    let run = sight.run;
    watch.purse.fill(run.at, &watch.plan);
    let asks_long = sight.compared.as_ref().is_some_and(|compared| compared.long.is_some());
    match run.purpose {
        Purpose::Beat => {
            watch.purse.beat();
            if asks_long {
                watch.purse.long_beat();
            }
            return Counts { short: true, long: true };
        }
        Purpose::Long => {
            watch.purse.long_beat();
            return Counts { short: false, long: true };
        }
        Purpose::Capture => return Counts::default(),
        Purpose::Confirm | Purpose::Manual => {}
    }
    let steady = watch.baseline.as_ref().is_some_and(|baseline| baseline.deterministic);
    // Where numbers are always the same, a change repeats to the bit, and a passing fault does not.
    if steady && sight.exceeds && sight.picture.faults.is_empty() && !repeats(watch, sight) {
        return Counts::default();
    }
    let apart = if steady { STEADY_SECONDS } else { NOISY_SECONDS };
    if !sight.whole || !watch.purse.look(run.at, apart) {
        return Counts::default();
    }
    Counts { short: true, long: asks_long && watch.purse.long_look() }
}

/// Whether a graded answer counts: so many in the time of a beat do, whoever asks them.
pub(super) fn answer_counts(watch: &mut Watch, purpose: Purpose) -> bool {
    purpose != Purpose::Capture && watch.purse.answer()
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
