//! Cards that the kernel puts to sleep while nobody uses them. A look must neither wake one nor keep it awake:
//! a read counts as use, and one every few seconds would let it never fall asleep.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::files;
use crate::sample::GpuSample;

/// Longer than this no card is left unread while it is awake.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How a card is with sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gpus) enum Sleep {
    /// It never sleeps.
    Never,
    /// It is awake and falls asleep once it was not used for that long.
    After(Duration),
    /// It sleeps.
    Asleep,
}

/// How the device is with sleep, by its `power` folder. Reading that wakes nothing.
pub(in crate::gpus) fn sleep(device: &Path) -> Sleep {
    let power = |file: &str| files::text(&device.join("power").join(file)).ok();
    if matches!(power("runtime_status").as_deref(), Some("suspended" | "suspending")) {
        return Sleep::Asleep;
    }
    let delay = power("autosuspend_delay_ms").and_then(|delay| delay.parse().ok());
    match (power("control").as_deref(), delay) {
        (Some("auto"), Some(delay)) => Sleep::After(Duration::from_millis(delay)),
        _ => Sleep::Never,
    }
}

/// What was read of cards that may fall asleep, and when.
#[derive(Debug, Default)]
pub(in crate::gpus) struct Kept {
    /// Held only to copy in and out, never while something is read.
    cards: Mutex<BTreeMap<String, (Instant, GpuSample)>>,
}

impl Kept {
    /// What was read of it last, while an idle card is left alone so that it may fall asleep.
    pub(in crate::gpus) fn rest(&self, pci: &str, sleep: Sleep) -> Option<GpuSample> {
        let Sleep::After(delay) = sleep else { return None };
        let rest = (delay * 2 + Duration::from_secs(5)).min(LONGEST_REST);
        let cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, card) = cards.get(pci)?;
        (is_idle(card) && read.elapsed() < rest).then(|| card.clone())
    }

    /// Keeps what was read of an awake card.
    pub(in crate::gpus) fn keep(&self, pci: &str, card: &GpuSample) {
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        cards.insert(pci.to_owned(), (Instant::now(), card.clone()));
    }
}

/// Whether it did nothing: not busy, or where that is not told, its clock stood still.
fn is_idle(card: &GpuSample) -> bool {
    let clock = card.clocks.get("graphics").and_then(|clock| clock.hertz);
    card.utilization_ratio.or(clock).is_none_or(|activity| activity <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Sleep = Sleep::After(Duration::from_secs(5));

    #[tokio::test(start_paused = true)]
    async fn an_idle_card_is_left_alone_for_long_enough_to_fall_asleep_and_a_busy_one_is_read() {
        let kept = Kept::default();
        let card = |busy| GpuSample { utilization_ratio: Some(busy), ..GpuSample::default() };
        assert_eq!(kept.rest("0000:03:00.0", DELAY), None, "it was never read");
        kept.keep("0000:03:00.0", &card(0.0));
        assert_eq!(kept.rest("0000:03:00.0", Sleep::Never), None);
        assert_eq!(kept.rest("0000:04:00.0", DELAY), None, "another card");
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(kept.rest("0000:03:00.0", DELAY), Some(card(0.0)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(kept.rest("0000:03:00.0", DELAY), None);
        kept.keep("0000:03:00.0", &card(0.4));
        assert_eq!(kept.rest("0000:03:00.0", DELAY), None);
    }
}
