"""Holds what the agent made of each scenario, as its golden files keep it, to the scenario itself: no number of
another reading, no wrong unit, nothing made up, and a reason for what is left out.
"""

import glob
import json
import os
import sys

from expected import Refused, Scenario

GOLDEN = "../golden/nvml"
PERCENT, MILLI, MEGA, NANO = 0.01, 0.001, 1e6, 1e-9

# What the agent tells: the reading it is, and its unit in the agent's.
READINGS = {
    "memory_total_bytes": ("memory_total", 1),
    "memory_used_bytes": ("memory_used", 1),
    "memory_reserved_bytes": ("memory_reserved", 1),
    "bar1_total_bytes": ("bar1.total", 1),
    "utilization_ratio": ("utilization", PERCENT),
    "memory_utilization_ratio": ("memory_utilization", PERCENT),
    "encoder_utilization_ratio": ("encoder_utilization", PERCENT),
    "decoder_utilization_ratio": ("decoder_utilization", PERCENT),
    "temperatures_celsius.die": ("temperature", 1),
    "temperatures_celsius.memory": ("memory_temperature", 1),
    "temperature_margin_celsius": ("margin_temperature", 1),
    "temperature_limits_celsius.shutdown": ("threshold.shutdown", 1),
    "temperature_limits_celsius.slowdown": ("threshold.slowdown", 1),
    "temperature_limits_celsius.operation": ("threshold.gpu_max", 1),
    "temperature_limits_celsius.memory_slowdown": ("threshold.mem_max", 1),
    "power_watts": ("power_mw", MILLI),
    "power_limit_watts": ("power_limit_mw", MILLI),
    "power_limit_default_watts": ("power_limit.default_mw", MILLI),
    "energy_joules": ("energy_mj", MILLI),
    "clocks.graphics.hertz": ("clock_mhz.graphics", MEGA),
    "clocks.sm.hertz": ("clock_mhz.sm", MEGA),
    "clocks.memory.hertz": ("clock_mhz.mem", MEGA),
    "clocks.video.hertz": ("clock_mhz.video", MEGA),
    "clocks.graphics.max_hertz": ("clock_max_mhz.graphics", MEGA),
    "clocks.sm.max_hertz": ("clock_max_mhz.sm", MEGA),
    "clocks.memory.max_hertz": ("clock_max_mhz.mem", MEGA),
    "clocks.video.max_hertz": ("clock_max_mhz.video", MEGA),
    "performance_state": ("performance_state", 1),
    "throttled_seconds.sw_power_cap": ("violation_ns.power", NANO),
    "throttled_seconds.hw_thermal": ("event_reason_ns.hw_thermal", NANO),
    "ecc_enabled": ("ecc.mode", 1),
    "remapped_rows.correctable": ("remapped.corrected", 1),
    "remapped_rows.uncorrectable": ("remapped.uncorrected", 1),
    "row_remap_pending": ("remapped.pending", 1),
    "row_remap_failed": ("remapped.failed", 1),
    "retired_pages.single_bit": ("retired.single_bit", 1),
    "retired_pages.double_bit": ("retired.double_bit", 1),
    "retired_pages_pending": ("retired.pending", 1),
    "pcie.generation": ("pcie.generation", 1),
    "pcie.generation_max": ("pcie.max_generation", 1),
    "pcie.width": ("pcie.width", 1),
    "pcie.width_max": ("pcie.max_width", 1),
    "pcie.replays": ("pcie.replays", 1),
    "pcie.sent_bytes": ("pcie.tx_bytes", 1),
    "pcie.received_bytes": ("pcie.rx_bytes", 1),
    "persistence": ("persistence", 1),
    "mig.enabled": ("mig_mode", 1),
}

# Why the agent may leave out what the card answers.
REASONS = {"implausible", "no_permission", "old_driver"}

# What the library gives as a part of something else, though the scenario does not state it.
ZERO_UNLESS_STATED = {"memory_reserved_bytes"}


def main():
    compared, faults = 0, []
    for path in sorted(glob.glob("scenarios/*.json")):
        name = os.path.basename(path)
        golden = f"{GOLDEN}/{name}"
        if os.path.exists(golden):
            with open(golden, encoding="utf-8") as file:
                told = json.load(file)
            cards = Scenario(path, 0).cards
            assert len(told) == len(cards), golden
            by_uuid = {agent["uuid"]: agent for agent in told}
            for index, card in enumerate(cards):
                # One without a UUID is the only one of its machine.
                agent = by_uuid[card.text("uuid")] if card.text("uuid") else told[index]
                compared += len(READINGS)
                faults += [f"{golden}: card {index}: {fault}" for fault in differences(card, agent)]
    if faults or not compared:
        sys.exit("\n".join(faults) or "no golden file of the agent")
    print(f"agent: {compared} readings in its golden files are those of the scenarios, or left out with a reason")


def differences(card, agent):
    for told, (reading, unit) in READINGS.items():
        try:
            want = card.number(reading) * unit
        except Refused:
            want = None
        have, reason = at(agent, told), agent["untold"].get(told)
        if want is not None and have is None and reason in REASONS:
            continue
        if want is None and have == 0 and told in ZERO_UNLESS_STATED:
            continue
        if (want is None) != (have is None) or (have is not None and abs(have - want) > 1e-9 * max(1, abs(want))):
            yield f"{told}: the agent tells {have} ({reason}), the scenario {want}"


def at(told, path):
    for key in path.split("."):
        told = told.get(key) if isinstance(told, dict) else None
    return told


main()
