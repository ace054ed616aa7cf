//! The closed words for cards in plain English: why their clocks are held down, and why one gives no readings.
//! Tables, pages and explanations all take theirs from here. Pure.

use crate::sample::{CardFault, GpuSample, Note};

mod faults;
mod throttles;

pub use faults::FAULTS;
pub use throttles::THROTTLES;

/// One closed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The word, as labels and JSON have it.
    pub name: &'static str,
    /// What `opsagent explain` knows it by.
    pub topic: &'static str,
    /// What goes after the card's name: `slowed down by …`, `fell off the bus`.
    pub says: &'static str,
    /// What it means, in sentences.
    pub means: &'static str,
    /// What to do, in sentences.
    pub remedy: &'static str,
}

/// The name by which a person knows a card: `GPU 3 (H100 80GB HBM3)`.
pub fn called(card: &GpuSample) -> String {
    let name = short(card);
    match (card.index, name.is_empty()) {
        (Some(index), false) => format!("GPU {index} ({name})"),
        (Some(index), true) => format!("GPU {index}"),
        (None, false) => format!("GPU {name}"),
        (None, true) => card.uuid.clone(),
    }
}

/// The product's name without its maker's, which most cards of a machine repeat.
pub fn short(card: &GpuSample) -> &str {
    let name = card.name.as_deref().unwrap_or(&card.vendor);
    ["NVIDIA ", "AMD ", "Intel "].iter().find_map(|maker| name.strip_prefix(maker)).unwrap_or(name)
}

/// Why that card gives no readings, in words. A reason that is not known here reads as `other`.
pub fn fault(fault: &CardFault) -> &'static Word {
    let other = &FAULTS[FAULTS.len() - 1];
    FAULTS.iter().find(|word| word.name == fault.reason).unwrap_or(other)
}

/// What holds the card's clocks down now and is worth a word: not that nobody uses it, not what another reason or
/// a note about the card says better.
pub fn holding(card: &GpuSample, notes: &[Note]) -> Vec<&'static Word> {
    let holds = |name: &str| card.throttled.get(name) == Some(&true);
    let by_cause = holds("hw_thermal") || holds("hw_power_brake");
    let said_better = |word: &Word| {
        let noted = |note: &Note| note.code.strip_prefix("throttled_") == Some(word.name);
        (by_cause && word.name == "hw_slowdown") || notes.iter().any(noted)
    };
    let words = THROTTLES.iter().filter(|word| holds(word.name) && word.name != "idle");
    words.filter(|word| !said_better(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::THROTTLE_REASONS;

    #[test]
    fn every_closed_word_has_its_words() {
        assert_eq!(THROTTLES.map(|word| word.name), THROTTLE_REASONS);
        assert_eq!(FAULTS.map(|word| word.name), CardFault::REASONS);
        for word in THROTTLES.iter().chain(&FAULTS) {
            assert!(word.means.ends_with('.') && word.remedy.ends_with('.'), "{word:?}");
            assert!(!word.says.ends_with('.') && word.topic.ends_with(word.name), "{word:?}");
            assert!(!word.means.contains("  ") && !word.remedy.contains("  "), "{word:?}");
        }
    }

    #[test]
    fn of_what_holds_clocks_down_the_cause_is_told_once() {
        let card = |holding: &[&str]| {
            let throttled = holding.iter().map(|name| ((*name).to_owned(), true)).collect();
            GpuSample { throttled, ..GpuSample::default() }
        };
        let names = |card: &GpuSample, notes: &[Note]| -> Vec<&str> {
            holding(card, notes).into_iter().map(|word| word.name).collect()
        };
        assert_eq!(names(&card(&["idle"]), &[]), [""; 0]);
        assert_eq!(names(&card(&["hw_slowdown"]), &[]), ["hw_slowdown"]);
        let hot = card(&["hw_slowdown", "hw_thermal", "sw_power_cap"]);
        assert_eq!(names(&hot, &[]), ["sw_power_cap", "hw_thermal"]);
        let note = Note::warning("throttled_hw_thermal", "too hot", None);
        assert_eq!(names(&hot, &[note]), ["sw_power_cap"]);
    }

    #[test]
    fn a_card_is_called_by_what_is_known_of_it() {
        let card = |index, name: Option<&str>, vendor: &str| {
            let (name, vendor) = (name.map(str::to_owned), vendor.to_owned());
            called(&GpuSample { uuid: "GPU-1".into(), index, name, vendor, ..GpuSample::default() })
        };
        assert_eq!(card(Some(3), Some("NVIDIA H200"), "nvidia"), "GPU 3 (H200)");
        assert_eq!(card(Some(3), None, ""), "GPU 3");
        assert_eq!(card(None, Some("AMD Radeon"), "amd"), "GPU Radeon");
        assert_eq!(card(None, None, ""), "GPU-1");
    }

    #[test]
    fn a_reason_that_is_not_known_has_words_too() {
        assert_eq!(fault(&CardFault::new("of a newer agent", "…")).name, "other");
        assert_eq!(fault(&CardFault::new("driver_mismatch", "…")).name, "driver_mismatch");
        assert_eq!(fault(&CardFault::new("lost", "…")).says, "fell off the bus");
    }
}
