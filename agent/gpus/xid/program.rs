//! What the program on the card did, or what was done to it. Hardware is rarely behind these.

use super::{Xid, row};

const RESTART: &str = "Restart the model server and bring it up to date. Different programs on one card alone: test the card (dcgmi diag -r 3).";
const COPY: &str = "A copy to or from the card's memory failed.";

pub(super) const TABLE: &[Xid] = &[
    row!(
        8,
        Application,
        "work on the card timed out",
        "A piece of work did not end in time and was stopped.",
        RESTART
    ),
    row!(
        11,
        Application,
        "invalid command stream",
        "The card was sent commands that it cannot read.",
        RESTART
    ),
    row!(
        13,
        Application,
        "exception in a kernel on the card",
        "Code on the card did what it may not: an index out of bounds, an illegal instruction or address.",
        RESTART
    ),
    row!(
        25,
        Application,
        "illegal command stream",
        "The card was sent commands that make no sense in their order.",
        RESTART
    ),
    row!(
        31,
        Application,
        "page fault on the card",
        "Code on the card used an address that is not mapped: mostly a fault of the program, at times of the driver.",
        RESTART
    ),
    row!(
        32,
        Application,
        "corrupted command stream",
        "Commands were damaged on their way to the card, or the program wrote them wrong.",
        "Restart the model server. If many programs get it: PCIe seat and riser, then the driver."
    ),
    row!(39, Application, "copy engine exception (CE0)", COPY, RESTART),
    row!(40, Application, "copy engine exception (CE1)", COPY, RESTART),
    row!(41, Application, "copy engine exception (CE2)", COPY, RESTART),
    row!(
        43,
        Application,
        "work of a program stopped",
        "The driver ended one program's work after an error of that program; the card is well.",
        RESTART
    ),
    row!(
        44,
        Application,
        "fault while changing programs",
        "The card failed while it went from one program's work to another's.",
        RESTART
    ),
    row!(
        45,
        Application,
        "work cleaned up",
        "The driver cleared away a program's work: it was killed, or another XID came just before.",
        "Look for the XID before it; alone, a program was killed or ended, and nothing is wrong."
    ),
    row!(60, Application, "video processor exception", "Work of the video processor failed.", RESTART),
    row!(
        68,
        Application,
        "video decoder exception",
        "Work of the video decoder failed; model servers use it for video and images only.",
        RESTART
    ),
    row!(
        69,
        Application,
        "graphics engine class error",
        "The card was asked for something that it does not have.",
        RESTART
    ),
    row!(
        141,
        Application,
        "CUDA fast path error",
        "A shortcut by which programs hand work to the card failed for one program.",
        RESTART
    ),
];
