//! The card as a whole: its power, the processors in it that run the driver's firmware, the driver.

use super::{Xid, row};

const RESET: &str = "Stop its servers, reset the card (nvidia-smi -r -i and its PCI address) or reboot; if it returns, bring driver \
                     and firmware up to date.";
const REBOOT: &str = "Reboot. If it returns, bring driver and firmware up to date, then ask the vendor.";
const LATER: &str = "Nothing now. If it returns, bring the driver up to date; then ask the vendor.";

pub(super) const TABLE: &[Xid] = &[
    row!(
        37,
        Warning,
        "error of the driver's firmware",
        "Firmware on the card was asked for what it does not have.",
        LATER
    ),
    row!(38, Warning, "driver's firmware timed out", "Firmware on the card did not answer in time.", LATER),
    row!(
        46,
        Critical,
        "card stopped working",
        "The card did not come to an end with its work and cannot be used as it is.",
        RESET
    ),
    row!(
        54,
        Critical,
        "power cable missing",
        "The extra power that the board needs is not connected; it runs slowly or not at all.",
        "Switch the machine off and look at the card's power cables and the power supply."
    ),
    row!(
        56,
        Warning,
        "display engine error",
        "The part that drives screens failed. Computing is not touched.",
        LATER
    ),
    row!(
        59,
        Warning,
        "controller error",
        "The small processor that manages the card's power had an error.",
        RESET
    ),
    row!(
        61,
        Warning,
        "controller stopped at a check",
        "The small processor that manages the card's power found something wrong; clocks may stay low from here on.",
        RESET
    ),
    row!(
        62,
        Critical,
        "controller halted",
        "The small processor that manages the card's power stands still; clocks and fans are not managed.",
        RESET
    ),
    row!(
        66,
        Warning,
        "illegal access by the driver",
        "The driver used a register of the card that it may not.",
        LATER
    ),
    row!(
        67,
        Warning,
        "illegal access by the driver (checked)",
        "The driver used the card in a way that its firmware refuses.",
        LATER
    ),
    row!(
        78,
        Warning,
        "virtual GPU did not start",
        "The host's driver refused a virtual GPU, mostly as host and guest differ in version.",
        "Bring the drivers of host and guest to versions that fit each other."
    ),
    row!(
        109,
        Warning,
        "change of programs timed out",
        "The card did not get from one program's work to another's in time; the program was ended.",
        "Restart the server. If the card does not recover, or it returns, reset the card and bring the driver up to date."
    ),
    row!(
        110,
        Critical,
        "security fault",
        "The card's security processor found a fault; rare, and mostly hardware.",
        "Switch the machine off and on; if it returns, replace the card."
    ),
    row!(
        119,
        Critical,
        "no answer of the card's system processor",
        "The processor on the card that runs most of the driver (GSP) did not answer; calls to the driver may hang.",
        RESET
    ),
    row!(
        120,
        Critical,
        "error of the card's system processor",
        "The processor on the card that runs most of the driver (GSP) crashed.",
        RESET
    ),
    row!(
        122,
        Warning,
        "reading the card's flash failed",
        "The card's controller could not read its flash memory.",
        REBOOT
    ),
    row!(
        123,
        Warning,
        "writing the card's flash failed",
        "The card's controller could not write its flash memory.",
        REBOOT
    ),
    row!(
        124,
        Warning,
        "erasing the card's flash failed",
        "The card's controller could not erase its flash memory.",
        REBOOT
    ),
    row!(
        125,
        Warning,
        "the card's records are damaged",
        "The file system in which the card keeps its own records has an error.",
        REBOOT
    ),
    row!(
        143,
        Critical,
        "card could not be initialised",
        "The driver found the card and could not start it.",
        "Reset the card or switch the machine off and on; if it returns, replace the card."
    ),
    row!(
        151,
        Warning,
        "key rotation failed",
        "In confidential computing, the key between machine and card could not be renewed.",
        "Restart the virtual machine that has the card."
    ),
    row!(
        154,
        Warning,
        "recovery action changed",
        "The driver says anew what the card needs: nothing, a reset, a reboot or a drain; the line says which.",
        "Do what opsagent_gpu_recovery_action says; the XID before it says why."
    ),
    row!(158, Critical, "fatal timeout", "The card did not answer and does not recover by itself.", RESET),
    row!(
        169,
        Critical,
        "security controller halted",
        "A controller in the card's security processor stands still.",
        RESET
    ),
];
