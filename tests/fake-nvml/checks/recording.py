"""Records what the fake plays, by the script that records real cards, and compares that with the scenario.

recording.py SCENARIO...
"""

import json
import os
import subprocess
import sys
import tempfile

from expected import Refused, Told, fill

# Made up by the recorder, or its own.
NOT_COMPARED = {"uuid", "serial", "processes", "fields", "calls"}
# What the library gives as a part of something else.
ZERO_UNLESS_STATED = {"memory_reserved", "memory_utilization", "mig_max", "pci_device_id"}


def main(*scenarios):
    compared = 0
    for path in scenarios:
        with tempfile.NamedTemporaryFile("w") as clock:
            clock.write("0")
            clock.flush()
            files = {"OPSAGENT_FAKE_NVML_SCENARIO": path, "OPSAGENT_FAKE_NVML_CLOCK": clock.name}
            done = subprocess.run(["./record"], env=os.environ | files, check=True, capture_output=True, text=True)
        recorded = json.loads(done.stdout)
        with open(path, encoding="utf-8") as file:
            played = json.load(file)
        assert recorded["driver"] == played["driver"]
        assert len(recorded["cards"]) == len(played["cards"])
        for got, card in zip(recorded["cards"], played["cards"]):
            assert not got["fields"] and not got["calls"], f"{path}: what contradicts itself is none in the fake: {got}"
            compared += compare(path, got, Told(fill(card, played.get("each", {})), 0, played))
    print(f"record: {compared} readings as they were played")


def compare(path, recorded, card):
    count = 0
    for reading, got in leaves(recorded):
        link = reading.split(".")[1:] if reading.startswith("nvlink.") else None
        try:
            if link and link != ["links"]:
                want = card.link(0 if link[0] == "each" else int(link[0]), link[1])
            else:
                want = card.text(reading) if isinstance(card.at(reading), str) else card.number(reading)
        except Refused as refused:
            want = None if refused.args[0] == "NOT_SUPPORTED" else refused.args[0]
        if want is None and reading in ZERO_UNLESS_STATED:
            want = 0
        if isinstance(got, int) and isinstance(want, float):
            want = int(want)
        if want != got:
            sys.exit(f"{path}: {reading}: played {want}, recorded {got}")
        count += 1
    return count


def leaves(told, above=""):
    for key, value in told.items():
        if key in NOT_COMPARED and not above:
            continue
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value


main(*sys.argv[1:])
