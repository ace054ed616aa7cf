//! The links of a card: to the machine (PCIe), to its other cards (NVLink), to its processor (C2C).

use super::{Xid, row};

const NVLINK: &str = "If the line says Fatal, drain and reset the cards it names; else watch it. Often: look at the cables and at the fabric manager.";
const NVLINK_5: &str =
    "A part of the NVLink between cards reports an error; the line says whether it is Fatal, and which link.";

pub(super) const TABLE: &[Xid] = &[
    row!(
        74,
        Critical,
        "NVLink error",
        "A link between two cards failed: what they sent each other may be lost, and jobs over both hang or die.",
        "Drain and reset both cards; if it is always the same link, look at bridge or cable, then replace the card."
    ),
    row!(
        79,
        Critical,
        "card has fallen off the bus",
        "The machine cannot reach the card over PCIe any more: power, heat, a bad seat, a bad riser or a dead card.",
        "Reboot, with power off if it does not come back. If it returns: power cables, seat, riser, firmware, then replace."
    ),
    row!(
        80,
        Warning,
        "corrupted data sent to the card",
        "Commands arrived at the card with a wrong checksum.",
        "Restart the server. If it returns: PCIe seat and riser, then the machine's memory."
    ),
    row!(
        121,
        Warning,
        "error on the link to the processor",
        "The link between GPU and CPU (C2C of Grace machines) had an error that was corrected.",
        "Nothing now; if it goes on, tell the vendor."
    ),
    row!(
        136,
        Critical,
        "link training failed",
        "A link between cards (NVLink) could not be set up.",
        "Reset the card; if it returns, look at bridge, cable and switch."
    ),
    row!(
        137,
        Application,
        "access over NVLink refused",
        "A program used another card's memory in a way that it may not, or that card was just reset.",
        "Restart the servers that span cards. If it comes with 74 or 145, see those."
    ),
    row!(144, Warning, "NVLink: SAW error", NVLINK_5, NVLINK),
    row!(145, Warning, "NVLink: RLW error", NVLINK_5, NVLINK),
    row!(146, Warning, "NVLink: TLW error", NVLINK_5, NVLINK),
    row!(147, Warning, "NVLink: TREX error", NVLINK_5, NVLINK),
    row!(148, Warning, "NVLink: NVLPW_CTRL error", NVLINK_5, NVLINK),
    row!(149, Warning, "NVLink: NETIR error", NVLINK_5, NVLINK),
    row!(150, Warning, "NVLink: MSE error", NVLINK_5, NVLINK),
    row!(
        155,
        Critical,
        "NVLink taken down by software",
        "The driver or the fabric manager gave up a link between cards.",
        "Drain and reset the card, then look at the fabric manager's log."
    ),
    row!(
        167,
        Critical,
        "PCIe transfer timed out for good",
        "A transfer between machine and card never ended, and the card cannot go on.",
        "Reboot; if it returns: PCIe seat, riser and firmware, then replace the card."
    ),
];
