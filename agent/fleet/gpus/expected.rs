//! The cards that should be there. Pure.

use crate::sample::{CardFault, GpuSample};

/// The cards that should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ExpectedGpus {
    /// Whatever there is.
    #[default]
    Any,
    /// So many.
    Count(u32),
    /// These, by their whole UUID.
    Uuids(Vec<String>),
}

impl ExpectedGpus {
    /// How many. `None`: nothing is said.
    pub(super) fn count(&self) -> Option<u32> {
        match self {
            Self::Any => None,
            Self::Count(count) => Some(*count),
            Self::Uuids(uuids) => Some(uuids.len() as u32),
        }
    }

    /// How many of them give no readings, of these cards. `None`: nothing is said.
    pub(super) fn missing(&self, cards: &[&GpuSample]) -> Option<u32> {
        let telling: Vec<_> = cards.iter().filter(|card| card.fault.is_none()).collect();
        match self {
            Self::Any => None,
            Self::Count(count) => {
                // Beside a card, the graphics inside the processor is none that somebody counts.
                let own = |card: &&GpuSample| card.shared_memory != Some(true);
                let counted = telling.iter().filter(|card| own(card) || !cards.iter().any(own));
                Some(count.saturating_sub(counted.count() as u32))
            }
            Self::Uuids(uuids) => {
                let is_there = |uuid: &&String| telling.iter().any(|card| card.uuid == **uuid);
                Some(uuids.iter().filter(|uuid| !is_there(uuid)).count() as u32)
            }
        }
    }

    /// Those that were named and never seen, as cards that give no readings.
    pub(super) fn unseen(&self, cards: &[&GpuSample]) -> Vec<GpuSample> {
        let Self::Uuids(uuids) = self else { return Vec::new() };
        let unseen = uuids.iter().filter(|uuid| !cards.iter().any(|card| card.uuid == **uuid));
        let fault = || CardFault::new("missing", "the config expects this GPU, and no driver lists it");
        unseen
            .map(|uuid| GpuSample {
                uuid: uuid.clone(),
                vendor: "unknown".into(),
                fault: Some(fault()),
                ..GpuSample::default()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(uuid: &str) -> GpuSample {
        GpuSample { uuid: uuid.into(), ..GpuSample::default() }
    }

    fn uuids(list: &[&str]) -> ExpectedGpus {
        ExpectedGpus::Uuids(list.iter().map(|uuid| (*uuid).to_owned()).collect())
    }

    #[test]
    fn a_number_misses_what_gives_no_readings() {
        let (one, lost) = (card("GPU-1"), card("GPU-2").silent(CardFault::new("lost", "gone")));
        let cards = [&one, &lost];
        for (count, missing) in [(0, 0), (1, 0), (2, 1), (5, 4)] {
            assert_eq!(ExpectedGpus::Count(count).missing(&cards), Some(missing));
        }
        assert_eq!(ExpectedGpus::Count(3).missing(&[]), Some(3));
        let inside = GpuSample { shared_memory: Some(true), ..card("pci-0000:00:02.0") };
        assert_eq!(ExpectedGpus::Count(1).missing(&[&inside, &lost]), Some(1), "it stands in for no card");
        assert_eq!(ExpectedGpus::Count(1).missing(&[&inside, &one]), Some(0));
        assert_eq!(ExpectedGpus::Count(1).missing(&[&inside]), Some(0), "an APU alone is the one");
        assert_eq!((ExpectedGpus::Any.missing(&[]), ExpectedGpus::Any.count()), (None, None));
    }

    #[test]
    fn a_uuid_misses_itself_and_no_other() {
        let cards = [card("GPU-1111"), card("GPU-3").silent(CardFault::new("timeout", "slow"))];
        let cards: Vec<&GpuSample> = cards.iter().collect();
        let expected = uuids(&["GPU-1", "GPU-1111", "GPU-3"]);
        assert_eq!((expected.count(), expected.missing(&cards)), (Some(3), Some(2)));
        let unseen = expected.unseen(&cards);
        assert_eq!(unseen.len(), 1, "the beginning of a UUID is another UUID: {unseen:?}");
        assert_eq!((unseen[0].uuid.as_str(), unseen[0].vendor.as_str()), ("GPU-1", "unknown"));
        assert_eq!(unseen[0].fault.as_ref().map(|fault| fault.reason.as_str()), Some("missing"));
        assert!(ExpectedGpus::Count(9).unseen(&[]).is_empty(), "a number names none");
    }
}
