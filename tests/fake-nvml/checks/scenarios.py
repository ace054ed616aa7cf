"""Looks for words in the scenarios that mean nothing: a misspelt reading would be "not supported" for ever."""

import glob
import json
import re
import sys

# Keys of the format that stand in its description, not with a function.
MACHINE = {"init", "driver", "nvml", "cuda", "delay_us", "calls", "order", "without", "each", "cards"}
CARD = {"lost_at", "back_at", "xid", "processes", "mig", "nvlink", "fields", "calls"}
PROCESS = {"pid", "memory", "kind", "from", "until", "sm", "mem", "encoder", "decoder", "jpeg", "ofa"}
CALL = {"error", "hang", "hang_until", "delay_us"}


def main():
    source = "".join(open(path, encoding="utf-8").read() for path in sorted(glob.glob("src/*.rs")))
    literals = re.findall(r'"([^"\\\n]*)"', source)
    # A path such as "ecc.mode", or one that is put together: "ecc.{}.{}.{place}".
    words = {word for literal in literals for word in re.findall(r"[a-z][a-z0-9_]*", literal)}
    functions = set(re.findall(r"\bnvml[A-Z]\w+", source))
    faults = []
    paths = sorted(glob.glob("scenarios/*.json"))
    for path in paths:
        with open(path, encoding="utf-8") as file:
            scenario = json.load(file)
        faults += [f"{path}: {fault}" for fault in of_machine(scenario, words, functions)]
    if faults:
        sys.exit("\n".join(faults))
    print(f"scenarios: {len(paths)}, and each word in them means something")


def of_machine(scenario, words, functions):
    yield from unknown("the machine", scenario, MACHINE)
    yield from of_calls(scenario.get("calls"), functions)
    for function in scenario.get("without", []):
        if function not in functions:
            yield f"without {function}, which is no function"
    for card in [scenario.get("each", {}), *scenario.get("cards", [])]:
        yield from of_card(card, words, functions)


def of_card(card, words, functions):
    yield from of_calls(card.get("calls"), functions)
    for mig in card.get("mig") or []:
        yield from of_card(mig or {}, words, functions)
    if isinstance(card.get("processes"), list):
        for process in card["processes"]:
            yield from unknown("a process", process, PROCESS)
    readings = {key: value for key, value in card.items() if key not in CARD - {"nvlink"}}
    yield from of_readings(readings, words)


def of_readings(readings, words):
    for key, value in readings.items():
        if key not in words and not key.isdigit():
            yield f"nothing reads {key!r}"
        if isinstance(value, dict) and not {"steps", "ramp", "error"} & value.keys():
            yield from of_readings(value, words)


def of_calls(calls, functions):
    for function, fate in (calls or {}).items():
        if function not in functions:
            yield f"calls of {function}, which is no function"
        yield from unknown(function, fate, CALL)


def unknown(what, told, known):
    return [f"{what} has {key!r}" for key in told if key not in known]


main()
