"""Makes the table out of the raw results of tests/bench/tap.

    python3 tap_table.py RESULTS.json
"""

import json
import math
import statistics
import sys

# Fewer answers than these tell no 99th percentile.
ENOUGH = 100


class Results:
    """The raw results, by round."""

    def __init__(self, raw):
        self.rounds, self.memory = raw["rounds"], raw["memory"]

    def each(self, name, phase, of):
        """What each round came to; `None` where it tells nothing."""
        return [of(one[phase]) if phase in one else None for one in self.rounds.get(name, [])]

    def added(self, name, phase, quantile):
        """Microseconds through the proxy less those beside it; those of all streams where one who asks in turn got
        too few answers."""
        def of(one):
            if "probe_via" not in one:
                return None
            if one["probe_via"]["count"] >= ENOUGH:
                return one["probe_via"][quantile] - one["probe_direct"][quantile]
            return one["first"][quantile]

        return self.each(name, phase, of)

    def unserved(self, name, phase):
        return any(one[phase]["unserved"] for one in self.rounds.get(name, []) if phase in one)

    def rate(self, name, phase, what):
        return self.each(name, phase, lambda one: one[what] / one["seconds"])

    def chunks_per_cpu(self, name, phase):
        return self.each(name, phase, lambda one: one["chunks"] / one["cpu_s"] if one["cpu_s"] else None)

    def cpu_each(self, name, phase):
        return self.each(name, phase, lambda one: one["cpu_s"] / one["requests"] * 1e6 if one["cpu_s"] and one["requests"] else None)

    def delay(self, name, phase, quantile):
        return self.each(name, phase, lambda one: one["delay"][quantile])

    def joined(self, name, phase):
        return self.each(name, phase, lambda one: one["joined"] / max(1, one["chunks"]))

    def a_stream(self, name, count):
        taken = self.memory.get(name, {})
        return [(taken[count] - taken["0"]) / int(count)] if count in taken else []

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


def median(values):
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def interval(values):
    """Between which of these the median of all rounds there might be lies, in at least 95 of 100 cases: by how many
    of so many tosses of a coin fall on one side. None: too few."""
    values, below = sorted(values), 0.0
    for cut in range(len(values)):
        below += math.comb(len(values), cut) / 2 ** len(values)
        if below > 0.025:
            return (values[cut - 1], values[-cut]) if cut else None
    return None


def better(ours, peer, less):
    """By how much opsagent is better than nginx, round by round: above 1 it is, below it is not."""
    pairs = [pair for pair in zip(ours, peer) if all(pair)]
    ratios = [peer / ours if less else ours / peer for ours, peer in pairs]
    if not ratios:
        return ""
    middle, range_ = statistics.median(ratios), interval(ratios)
    told = f"{middle:.2f}"
    if range_:
        told += f" ({range_[0]:.2f} to {range_[1]:.2f})"
    return told if (range_[1] if range_ else middle) >= 0.995 else f"**{told}**"


def row(title, of, text, less=True, compared=True, least=lambda name: False):
    """A line: for each proxy what its rounds came to, or a tuple of such; `text` writes one."""
    cells, values = [], {}
    for name in NAMES:
        values[name] = value = of(name) if isinstance(of(name), tuple) else (of(name),)
        middles = [median(rounds) for rounds in value]
        told = "" if None in middles else " / ".join(text(one) for one in middles)
        cells.append("≥ " + told if told and least(name) else told)
    pairs = zip(values["opsagent"], values["nginx"])
    verdict = " / ".join(better(ours, peer, less) for ours, peer in pairs) if compared else ""
    print(f"| {title} | {' | '.join(cells)} | {verdict.strip(' /')} |")


def show(raw):
    about, results = raw["about"], Results(raw)
    print(f"Measured on {about['machine']}. nginx {about['nginx']}, LiteLLM {about.get('litellm', 'not run')}; medians of "
          f"{about['rounds']} rounds. Proxies on core {about['cores'][0]}, server and client on {about['cores'][1]}.\n")
    print(f"| | {' | '.join(NAMES)} | better than nginx by |\n|{' --- |' * (len(NAMES) + 2)}")
    for streams in (1, 64, 512):
        phase = f"first_{streams}"
        row(f"added to the first token, {streams} stream{'s' * (streams > 1)}, p50 / p99",
            lambda name: (results.added(name, phase, "p50"), results.added(name, phase, "p99")), time,
            least=lambda name: results.unserved(name, phase))
    row("64 streams × 100 chunks/s: chunks a CPU second", lambda name: results.chunks_per_cpu(name, "paced"), count,
        less=False)
    row("the same: from the server's write to the client's read, p50 / p99",
        lambda name: (results.delay(name, "paced", "p50"), results.delay(name, "paced", "p99")), time)
    row("the same: chunks that came together with the one before", lambda name: results.joined(name, "paced"),
        lambda part: f"{part * 100:.2f} %", compared=False)
    row("saturated, 64 streams: chunks a CPU second", lambda name: results.chunks_per_cpu(name, "saturated"), count,
        less=False)
    row("the same: chunks a second", lambda name: results.rate(name, "saturated", "chunks"), count, less=False)
    for phase, title in (("short", "short completions, kept connections"), ("short_new", "a connection for each")):
        row(f"{title}: requests a second", lambda name: results.rate(name, phase, "requests"), count, less=False)
        row("the same: CPU time a request", lambda name: results.cpu_each(name, phase), time)
    row("memory without streams (RSS)", lambda name: [results.memory.get(name, {}).get("0")],
        lambda kib: f"{kib / 1024:.1f} MiB")
    for streams in sorted({n for name in NAMES for n in results.idle(name)}, key=int):
        row(f"memory a stream, {int(streams):,} idle", lambda name: results.a_stream(name, streams),
            lambda kib: f"{kib:.1f} KiB")
    print()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        show(json.load(file))
