//! Work that hung on cards whose drivers have no XIDs, as the kernel's log tells.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{MOST_CARDS, name};
use crate::fleet::label::label;
use crate::gpus::pci;
use crate::sample::{CardRef, GpuSample, HangEvent};
use crate::view::HangCount;

/// The vendors whose drivers are listened to.
const VENDORS: [&str; 2] = ["amd", "intel"];

/// What was heard, by the card's place.
#[derive(Debug, Default)]
pub(super) struct Hangs {
    counts: BTreeMap<String, Count>,
    /// The name of each card that was ever read, by its place.
    cards: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Count {
    times: u64,
    history: u64,
    last_at: Option<Timestamp>,
    told: Option<String>,
}

impl Hangs {
    /// Counts one; gives the card's name and the count.
    pub(super) fn record(&mut self, event: &HangEvent) -> Option<HangCount> {
        if self.counts.len() >= MOST_CARDS && !self.counts.contains_key(&event.place) {
            return None;
        }
        let count = self.counts.entry(event.place.clone()).or_default();
        count.times = count.times.saturating_add(1);
        count.history = count.history.saturating_add(u64::from(event.before_start));
        count.last_at = count.last_at.max(Some(event.at));
        count.told = Some(label(&event.text));
        self.counts.get(&event.place).map(|count| self.view(&event.place, count))
    }

    /// Learns where cards are.
    pub(super) fn meet(&mut self, cards: &[GpuSample]) {
        for card in cards.iter().filter(|card| VENDORS.contains(&card.vendor.as_str())) {
            let Some(place) = card.pci.as_deref().and_then(pci::address) else { continue };
            if self.cards.len() < MOST_CARDS || self.cards.contains_key(&place) {
                self.cards.insert(place, card.uuid.clone());
            }
        }
    }

    /// The counts. A card that is known has one from the start, so that a first hang is an increase.
    pub(super) fn all(&self) -> Vec<HangCount> {
        let none = Count::default();
        let quiet = self.cards.keys().filter(|place| !self.counts.contains_key(*place));
        let quiet = quiet.map(|place| self.view(place, &none));
        self.counts.iter().map(|(place, count)| self.view(place, count)).chain(quiet).collect()
    }

    fn view(&self, place: &str, count: &Count) -> HangCount {
        HangCount {
            card: self.cards.get(place).cloned().unwrap_or_else(|| name(&CardRef::Pci(place.into()))),
            count: count.times,
            before_start: count.history,
            last_at: count.last_at,
            told: count.told.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hang(place: &str, before_start: bool) -> HangEvent {
        let at = Timestamp::from_second(1_795_348_740).unwrap();
        HangEvent { place: place.into(), at, before_start, text: "GPU reset begin!".into() }
    }

    fn card(vendor: &str) -> GpuSample {
        let (uuid, pci) = (format!("{vendor}-1"), Some("0000:03:00.0".into()));
        GpuSample { uuid, pci, vendor: vendor.into(), ..GpuSample::default() }
    }

    #[test]
    fn a_hang_is_counted_for_the_card_at_its_place_and_a_card_without_one_is_zero() {
        let mut hangs = Hangs::default();
        hangs.meet(&[card("nvidia")]);
        assert_eq!(hangs.all(), [], "NVIDIA's driver has XIDs");
        hangs.meet(&[card("amd")]);
        let all = hangs.all();
        assert_eq!((all[0].card.as_str(), all[0].count, all[0].last_at), ("amd-1", 0, None));
        hangs.record(&hang("0000:03:00.0", true));
        let told = hangs.record(&hang("0000:03:00.0", false)).unwrap();
        assert_eq!((told.card.as_str(), told.count, told.before_start), ("amd-1", 2, 1));
        assert_eq!(hangs.all(), [told]);
        assert_eq!(hangs.record(&hang("0000:0a:00.0", false)).unwrap().card, "pci-0000:0a:00.0");
    }

    #[test]
    fn places_without_end_are_bounded() {
        let mut hangs = Hangs::default();
        for place in 0..1000 {
            hangs.record(&hang(&format!("{place:04x}:03:00.0"), false));
        }
        assert_eq!(hangs.all().len(), MOST_CARDS);
    }
}
