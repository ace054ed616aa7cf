//! Why clocks are held down, in words.

use super::Word;

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
