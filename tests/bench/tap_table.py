"""Makes the table out of the raw results of tests/bench/tap.

    python3 tap_table.py RESULTS.json
"""

import json
import statistics
import sys

# Fewer answers than these tell no 99th percentile.
ENOUGH = 100


class Results:
    """The raw results: medians over the rounds."""

    def __init__(self, raw):
        self.rounds, self.memory = raw["rounds"], raw["memory"]

    def median(self, name, phase, of):
        found = [of(one[phase]) for one in self.rounds.get(name, []) if phase in one]
        found = [value for value in found if value is not None]
        return statistics.median(found) if found else None

    def added(self, name, phase, quantile):
        """Microseconds through the proxy less those beside it; those of all streams where one who asks in turn got
        too few answers."""
        def of(one):
            if one["probe_via"]["count"] >= ENOUGH:
                return one["probe_via"][quantile] - one["probe_direct"][quantile]
            return one["first"][quantile]

        return self.median(name, phase, of)

    def unserved(self, name, phase):
        return any(one[phase]["unserved"] for one in self.rounds.get(name, []) if phase in one)

    def rate(self, name, phase, what):
        return self.median(name, phase, lambda one: one[what] / one["seconds"])

    def chunks_per_cpu(self, name, phase):
        return self.median(name, phase, lambda one: one["chunks"] / one["cpu_s"] if one["cpu_s"] else None)

    def cpu_each(self, name, phase):
        return self.median(name, phase, lambda one: one["cpu_s"] / one["requests"] * 1e6 if one["cpu_s"] and one["requests"] else None)

    def delay(self, name, phase, quantile):
        return self.median(name, phase, lambda one: one["delay"][quantile])

    def joined(self, name, phase):
        return self.median(name, phase, lambda one: one["joined"] / max(1, one["chunks"]))

    def a_stream(self, name, count):
        taken = self.memory.get(name, {})
        return (taken[count] - taken["0"]) / int(count) if count in taken else None

    def idle(self, name):
        return [count for count in self.memory.get(name, {}) if count != "0"]


def time(microseconds):
    if abs(microseconds) < 1000:
        return f"{microseconds:.0f} µs"
    if abs(microseconds) < 1e6:
        return f"{microseconds / 1e3:.{1 if abs(microseconds) < 1e5 else 0}f} ms"
    return f"{microseconds / 1e6:.1f} s"


def count(number):
    digits = 3 if number >= 1000 else 0
    scale = 10 ** max(0, len(str(int(number))) - 3) if digits else 1
    return f"{round(number / scale) * scale:,}"


NAMES = ["direct", "nginx", "opsagent", "LiteLLM"]


def row(title, cell, compare=None, less=True):
    """A line: a cell for each; and whether opsagent is as good as nginx, by `compare`."""
    cells = [cell(name) for name in NAMES]
    verdict = ""
    if compare:
        ours, peer = compare("opsagent"), compare("nginx")
        if ours is not None and peer:
            ratio = ours / peer if less else peer / ours
            verdict = f"met: {ratio:.2f}" if ratio <= 1 else f"**{ratio:.2f}**"
    print(f"| {title} | {' | '.join(cells)} | {verdict} |")


def show(raw):
    about, results = raw["about"], Results(raw)
    print(f"Measured on {about['machine']}. nginx {about['nginx']}, LiteLLM {about.get('litellm', 'not run')}; medians of "
          f"{about['rounds']} rounds. Proxies on core {about['cores'][0]}, server and client on {about['cores'][1]}.\n")
    print(f"| | {' | '.join(NAMES)} | to nginx |\n|{' --- |' * (len(NAMES) + 2)}")

    def pair(of, phase):
        def cell(name):
            values = [of(name, phase, quantile) for quantile in ("p50", "p99")]
            if None in values:
                return ""
            least = "≥ " if results.unserved(name, phase) else ""
            return least + " / ".join(time(value) for value in values)
        return cell

    def one(of, text):
        def cell(name):
            value = of(name)
            return "" if value is None else text(value)
        return cell

    for streams in (1, 64, 512):
        phase = f"first_{streams}"
        for quantile in ("p50", "p99"):
            added = lambda name: results.added(name, phase, quantile)
            cell = one(added, time)
            row(f"added to first token, {streams} stream{'s' * (streams > 1)}, {quantile}",
                lambda name: ("≥ " if results.unserved(name, phase) and cell(name) else "") + cell(name), added)
    paced = lambda name: results.chunks_per_cpu(name, "paced")
    row("64 streams × 100 chunks/s: chunks a CPU second", one(paced, count), paced, less=False)
    row("the same: server's write to client's read, p50 / p99", pair(results.delay, "paced"))
    row("the same: chunks that came with the one before", one(lambda name: results.joined(name, "paced"), lambda part: f"{part * 100:.2f} %"))
    full = lambda name: results.chunks_per_cpu(name, "saturated")
    row("saturated, 64 streams: chunks a CPU second", one(full, count), full, less=False)
    row("the same: chunks/s", one(lambda name: results.rate(name, "saturated", "chunks"), count),
        lambda name: results.rate(name, "saturated", "chunks"), less=False)
    for phase, title in (("short", "short completions, kept connections"), ("short_new", "short completions, a connection each"),
                         ("short_get", "GET of a list, kept connections")):
        rate = lambda name: results.rate(name, phase, "requests")
        each = lambda name: results.cpu_each(name, phase)
        row(f"{title}: requests/s", one(rate, count), rate, less=False)
        row("the same: CPU each", one(each, time), each)
    row("RSS without streams", one(lambda name: results.memory.get(name, {}).get("0"), lambda kib: f"{kib / 1024:.1f} MiB"))
    for streams in sorted({n for name in NAMES for n in results.idle(name)}, key=int):
        stream = lambda name: results.a_stream(name, streams)
        row(f"memory a stream, {int(streams):,} idle", one(stream, lambda kib: f"{kib:.1f} KiB"), stream)
    print()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        show(json.load(file))
