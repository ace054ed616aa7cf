//! Why a card gives no readings, in words.

use super::Word;

/// Why a card gives no readings, in the order of [`crate::sample::CardFault::REASONS`].
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
        remedy: "Stop what uses it, then: nvidia-smi --gpu-reset -i and its PCI address (without it all cards \
                 are reset). Else restart the machine.",
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
        remedy: "lspci shows whether the machine still sees it; the kernel's log says why it went. If it was taken \
                 out: the agent forgets it when it reads its config anew (SIGHUP).",
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
        remedy: "Was the driver removed? Install it again. If the card was taken out too: the agent forgets it \
                 when it reads its config anew (SIGHUP).",
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
