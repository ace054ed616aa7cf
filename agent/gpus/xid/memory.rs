//! The card's memory: bit errors, and the rows that are taken out of use for them.

use super::{Xid, row};

const RESET: &str = "Stop its servers, reset the card (nvidia-smi -r -i and its PCI address) or reboot; if it returns, replace the card.";
const WATCH: &str = "Nothing now. Watch opsagent_gpu_remapped_rows and the ECC counters of this card.";

pub(super) const TABLE: &[Xid] = &[
    row!(
        48,
        Critical,
        "double-bit ECC error",
        "The card's memory gave two wrong bits at once, which it can see but not correct; programs that used them died.",
        "Reset the card when its servers are drained: rows are remapped then. If 64 or 95 came too, replace it."
    ),
    row!(
        57,
        Critical,
        "memory link training failed",
        "The card could not set up the interface to its memory.",
        "Reboot; if it returns, the card is broken: replace it."
    ),
    row!(
        58,
        Critical,
        "memory interface unstable",
        "The interface to the card's memory gives errors; what is computed may be wrong.",
        "Undo any overclocking, look at the temperature, reboot; if it returns, replace the card."
    ),
    row!(
        63,
        Information,
        "memory row remapped or page retired",
        "A bad place of the memory was noted, and will be taken out of use when the card is reset next.",
        "Reset the card (nvidia-smi -r -i and its PCI address) or reboot at the next quiet moment: it is not in force before."
    ),
    row!(
        64,
        Critical,
        "memory row could not be remapped",
        "A bad place of the memory could not be taken out of use: no spare row is left, or the note of it failed.",
        RESET
    ),
    row!(
        92,
        Information,
        "many single-bit ECC errors",
        "The memory corrects more single wrong bits than is usual. Nothing was computed wrong.",
        WATCH
    ),
    row!(
        93,
        Information,
        "wear limit of the card's records",
        "The small memory in which the card keeps its own records was written too often in a short time.",
        "Nothing now. If it goes on, tell the vendor."
    ),
    row!(
        94,
        Warning,
        "contained memory error",
        "A memory error was confined to one program, which died; the others were not touched.",
        "Restart that server. Reset the card at the next quiet moment, and watch whether it returns."
    ),
    row!(
        95,
        Critical,
        "uncontained memory error",
        "A memory error could not be confined to one program: whatever runs on the card may be wrong or dead.",
        RESET
    ),
    row!(
        140,
        Critical,
        "unrecovered ECC error",
        "A memory error escaped what would have confined and recovered it.",
        RESET
    ),
    row!(
        156,
        Information,
        "part of the card will be retired",
        "A broken part of the chip was noted, and is taken out of use when the card is reset next.",
        "Reset the card (nvidia-smi -r -i and its PCI address) or reboot at the next quiet moment."
    ),
    row!(
        157,
        Warning,
        "part of the card could not be retired",
        "A broken part of the chip could not be taken out of use.",
        "Reset the card; if it returns, tell the vendor: it may have to be replaced."
    ),
    row!(
        168,
        Warning,
        "card has less memory",
        "Errors stand in a protected part of the memory; the card gives less memory to programs.",
        "Look whether the models still fit; plan to replace the card."
    ),
    row!(
        171,
        Warning,
        "uncorrectable error in DRAM",
        "Tells of a 48 beside it that it was in the card's main memory.",
        "See 48."
    ),
    row!(
        172,
        Warning,
        "uncorrectable error in SRAM",
        "Tells of a 48 beside it that it was in a cache or register file of the chip.",
        "See 48. Errors in SRAM cannot be remapped: if it returns, replace the card."
    ),
];
