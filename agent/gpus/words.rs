//! The closed words for cards in plain English: why their clocks are held down, and why one gives no readings.
//! Tables, pages and explanations all take theirs from here. Pure.

use crate::sample::{CardFault, GpuSample, Note};

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

/// Why clocks are held down, in the order of [`crate::sample::THROTTLE_REASONS`].
pub const THROTTLES: [Word; 9] = [
    Word {
        name: "idle",
        topic: "idle",
        says: "at low clocks: nobody uses it",
        means: "Nothing runs on the card, so it lowers its clocks.",
        remedy: "Nothing.",
    },
    Word {
        name: "applications_clocks",
        topic: "applications_clocks",
        says: "held at the clocks that somebody set for it",
        means: "Somebody set application clocks for the card (nvidia-smi -ac); it does not go beyond.",
        remedy: "Nothing, if it was meant so. Else: nvidia-smi -rac.",
    },
    Word {
        name: "sw_power_cap",
        topic: "sw_power_cap",
        says: "slowed down by the driver to stay within its power limit",
        means: "The card would take more power than its limit, so the driver lowers the clocks. Under full load that \
                is how most cards work.",
        remedy: "Nothing, unless the limit was lowered: compare power_limit_watts and power_limit_default_watts.",
    },
    Word {
        name: "hw_slowdown",
        topic: "hw_slowdown",
        says: "slowed down by the hardware, to half or less",
        means: "The hardware lowers the clocks by half or more: it is too hot, the power supply asks for it, or it \
                took far more power than it may. hw_thermal and hw_power_brake say which, where the card tells.",
        remedy: "Look at temperature, fans, power cables and power supply.",
    },
    Word {
        name: "sync_boost",
        topic: "sync_boost",
        says: "held to the clocks of the cards in its sync boost group",
        means: "Somebody put the card in a group whose clocks go together; the slowest decides.",
        remedy: "Find the slowest of the group and what holds it down.",
    },
    Word {
        name: "sw_thermal",
        topic: "sw_thermal",
        says: "slowed down by the driver because it is too hot",
        means: "The die or the memory is above the temperature at which the card may work for long, so the driver \
                lowers the clocks.",
        remedy: "Look at fans, dust, the air that comes in, and the neighbours of the card.",
    },
    Word {
        name: "hw_thermal",
        topic: "hw_thermal",
        says: "slowed down by the hardware, to half or less, because it is too hot",
        means: "The card is so hot that the hardware lowers the clocks by half or more, below what the driver could \
                still hold. Beyond the shutdown temperature it switches itself off.",
        remedy: "Act now: is a fan or the room's cooling out? Take the load away until it is cool.",
    },
    Word {
        name: "hw_power_brake",
        topic: "hw_power_brake",
        says: "slowed down by the hardware, to half or less, because the power supply asks for it",
        means: "The machine tells the card by a wire of its own to take less power: a power supply is out, or too \
                weak for what is plugged in.",
        remedy: "Look at the machine's power supplies and its management log.",
    },
    Word {
        name: "display_clocks",
        topic: "display_clocks",
        says: "held to clocks that its display needs",
        means: "The display on the card decides the clocks.",
        remedy: "Nothing. A server's card needs no display.",
    },
];

/// Why a card gives no readings, in the order of [`CardFault::REASONS`].
pub const FAULTS: [Word; 12] = [
    Word {
        name: "lost",
        topic: "gpu lost",
        says: "fell off the bus",
        means: "The driver cannot reach the card over PCI Express any more, mostly after XID 79. All that ran on it \
                is gone; other cards go on.",
        remedy: "Move the work away and power the machine off and on. If it comes again: reseat the card, look at \
                 its power cables, replace it.",
    },
    Word {
        name: "reset_required",
        topic: "gpu reset_required",
        says: "works again only after a reset",
        means: "The driver answers that the card must be reset, mostly after an error of its memory.",
        remedy: "Stop what uses it, then: nvidia-smi --gpu-reset -i INDEX. Else restart the machine.",
    },
    Word {
        name: "timeout",
        topic: "gpu timeout",
        says: "does not answer: its driver is stuck",
        means: "A question about the card did not come back in time. The agent goes on with the other cards and \
                asks this one no more until the answer has come.",
        remedy: "Look for XIDs and hung tasks in the kernel's log. A reset, mostly a restart, is needed if it stays.",
    },
    Word {
        name: "gone",
        topic: "gpu gone",
        says: "is gone: its driver no longer lists it",
        means: "The card was there since the agent started, and the driver lists it no more: it was reset, unbound, \
                given to a virtual machine, or it is broken.",
        remedy: "lspci shows whether the machine still sees it; the kernel's log says why it went.",
    },
    Word {
        name: "missing",
        topic: "gpu missing",
        says: "is missing: the config expects it",
        means: "The config names the card in [gpu] expected, and no driver lists it.",
        remedy: "Is it in the machine (lspci), has its driver taken it (the kernel's log)? If it was taken out, take \
                 it out of the config.",
    },
    Word {
        name: "stale",
        topic: "gpu stale",
        says: "is not known: it was not read lately",
        means: "The last read of the card is more than three beats old, so its readings are not shown.",
        remedy: "Look why its backend cannot be read: opsagent status says so below the cards.",
    },
    Word {
        name: "no_driver",
        topic: "gpu no_driver",
        says: "is not known: its driver is gone",
        means: "The card was read before, and nothing of its driver is on the machine any more.",
        remedy: "Was the driver removed? Install it again, or restart the agent if the card was taken out too.",
    },
    Word {
        name: "library_missing",
        topic: "gpu library_missing",
        says: "is not known: its driver's library cannot be loaded",
        means: "The card was read before, and the driver's library is not found or not whole any more, as in the \
                middle of an update.",
        remedy: "Wait for the update to end; else install the driver again.",
    },
    Word {
        name: "driver_not_loaded",
        topic: "gpu driver_not_loaded",
        says: "is not known: its driver is not loaded",
        means: "The library is there, and the kernel's part of the driver is not loaded any more.",
        remedy: "Load it (modprobe nvidia); if that fails, the kernel's log says why.",
    },
    Word {
        name: "driver_mismatch",
        topic: "gpu driver_mismatch",
        says: "is not known: its driver was updated and needs a restart",
        means: "Library and kernel module are of two versions: the driver was updated while the old module is loaded. \
                What runs on the card goes on; nothing new starts.",
        remedy: "Restart the machine, or stop all that uses the cards and load the module anew.",
    },
    Word {
        name: "no_permission",
        topic: "gpu no_permission",
        says: "may not be read by this user",
        means: "The driver refuses the agent's user.",
        remedy: "Let the user read and write /dev/nvidia* (or join video and render), or give the container the card.",
    },
    Word {
        name: "other",
        topic: "gpu other",
        says: "cannot be read",
        means: "Something else is wrong; the driver's own words stand beside it.",
        remedy: "Read the driver's words, then the kernel's log.",
    },
];

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
