"""What a scenario says at a second, read without the library."""

import json


class Refused(Exception):
    """An error, by its name in nvml.h without NVML_ERROR_."""


class Scenario:
    def __init__(self, path, seconds):
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        each = told.pop("each", {})
        self.machine = Told(told, seconds, told)
        self.cards = [Told(fill(card, each), seconds, told) for card in told.get("cards", [])]
        self.without = told.get("without", [])


class Told:
    """A card, a MIG device or the machine."""

    def __init__(self, told, seconds, machine):
        self.told, self.seconds, self.machine = told, seconds, machine

    def at(self, path):
        at = self.told
        for key in path.split("."):
            if isinstance(at, str) or changes(at):
                break
            at = (at or {}).get(key)
        return at

    def number(self, path, default=None):
        try:
            return evaluate(self.at(path), self.seconds)
        except Refused as refused:
            if default is None or refused.args != ("NOT_SUPPORTED",):
                raise
            return default

    def text(self, path):
        text = self.at(path)
        if text is None:
            raise Refused("NOT_SUPPORTED")
        return text

    def link(self, link, key):
        if link >= self.number("nvlink.links"):
            raise Refused("INVALID_ARGUMENT")
        own = f"nvlink.{link}.{key}"
        return self.number(f"nvlink.each.{key}" if self.at(own) is None else own)

    def links(self, key):
        return sum(self.link(link, key) for link in range(int(self.number("nvlink.links"))))

    def fate(self, function):
        """What stands under `calls`: raises the error of the call; whether it hangs."""
        fates = [(of.get("calls") or {}).get(function, {}) for of in (self.told, self.machine)]
        fate = {**fates[1], **fates[0]}
        if fate.get("error"):
            raise Refused(fate["error"])
        return bool(fate.get("hang"))

    def lost(self):
        return self.told.get("lost_at", float("inf")) <= self.seconds < self.told.get("back_at", float("inf"))

    def migs(self):
        migs = [mig and Told(mig, self.seconds, self.machine) for mig in self.told.get("mig") or []]
        return migs + [None] * (int(self.number("mig_max", 0)) - len(migs))

    def processes(self, kind):
        """Pid, bytes and GPU instance of those of that kind."""
        own = self.told.get("processes")
        if isinstance(own, str):
            raise Refused(own)
        told = []
        for process in own or []:
            there = process.get("from", 0) <= self.seconds < process.get("until", float("inf"))
            is_kind = process.get("kind", "compute")
            if there and (is_kind == kind or is_kind == "both" and kind != "mps"):
                try:
                    memory = evaluate(process.get("memory"), self.seconds)
                except Refused:
                    memory = None
                told.append((process["pid"], memory, self.told.get("gpu_instance", 0xFFFFFFFF)))
        for mig in self.migs():
            told += mig.processes(kind) if mig else []
        return told


def evaluate(reading, seconds):
    if isinstance(reading, dict) and "ramp" in reading:
        points = reading["ramp"]
        for (start, low), (end, high) in zip(points, points[1:]):
            if start <= seconds < end:
                return low + (high - low) * ((seconds - start) / (end - start))
        return points[0][1] if seconds < points[0][0] else points[-1][1]
    if isinstance(reading, dict) and "steps" in reading:
        past = [value for second, value in reading["steps"] if second <= seconds]
        reading = past[-1] if past else None
    if reading is None:
        raise Refused("NOT_SUPPORTED")
    if isinstance(reading, str):
        raise Refused(reading)
    return reading


def changes(reading):
    return isinstance(reading, dict) and ("steps" in reading or "ramp" in reading)


def fill(card, each):
    filled = dict(card)
    for key, value in each.items():
        if key not in card:
            filled[key] = value
        elif isinstance(card[key], dict) and isinstance(value, dict) and not changes(card[key]) and not changes(value):
            filled[key] = fill(card[key], value)
    return filled
