"""Measures the agent beside node exporter and prints the tables. Started by tests/bench/run.

    python3 measure.py AGENT NODE_EXPORTER
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from machine import (
    PLAIN, PROMETHEUS, cpu_seconds, description, fakes, fetch, free_port, latencies, own_address, percentile,
    process, series, status, wait_for,
)

# Targets, seconds of settling, seconds of measuring.
FOOTPRINTS = [(1, 15, 60), (100, 15, 30), (1000, 20, 30)]
SERIES = [100, 1000, 10000]
STARTS = 15
# Prometheus' own default.
SCRAPE_EVERY = 15

UP = "opsagent_target_up{"


def config(folder, servers, host, every="5s"):
    """A config with these servers as targets; gives its path and the port of the page."""
    port = free_port()
    lines = [f'listen = "127.0.0.1:{port}"', "discover = false", f'every = "{every}"']
    for n, (kind, at) in enumerate(servers):
        lines += ["[[target]]", f'name = "t{n}"', f'kind = "{kind}"', f'url = "http://{host}:{at}"']
        if kind == "llama_cpp":
            # So that its slots are asked, too.
            lines.append("sleeps = false")
    path = os.path.join(folder, f"{port}.toml")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path, port


@contextlib.contextmanager
def agent(binary, folder, servers, host, every="5s"):
    path, port = config(folder, servers, host, every)
    with open(os.path.join(folder, "agent.log"), "wb") as log:
        with process(binary, "run", "--config", path, stderr=log) as child:
            yield child, port


def ups(port):
    return sum(1 for line in fetch(port).splitlines() if line.startswith(UP) and line.endswith(" 1"))


def cost(pid, port, seconds):
    """Part of a core used over that time, while the page is scraped as Prometheus would."""
    before, start, end = cpu_seconds(pid), time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(SCRAPE_EVERY, max(0.0, end - time.monotonic())))
        fetch(port)
    return (cpu_seconds(pid) - before) / (time.monotonic() - start)


def mib(kib):
    return f"{kib / 1024:.1f} MiB"


def verdict(ok):
    return "met" if ok else "**missed**"


def footprint(binary, exporter, folder):
    print("### Memory and CPU, targets polled every 5 s, page scraped every 15 s\n")
    print("| | RSS | peak RSS | threads | CPU of a core | aim | |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count, settle, seconds in FOOTPRINTS:
        # One target: a server of this machine, whose processes are looked at. More: those of others.
        host = "127.0.0.1" if count == 1 else own_address()
        with fakes(host, count) as servers, agent(binary, folder, servers, host) as (child, port):
            wait_for(f"{count} targets up", 60, lambda: ups(port) == count, pause=0.5)
            time.sleep(settle)
            part = cost(child.pid, port, seconds)
            rss, peak, threads = (status(child.pid, key) for key in ("VmRSS", "VmHWM", "Threads"))
        memory, cpu = {1: (10, 0.001), 1000: (100, 1.0)}.get(count, (None, None))
        aim, met = "", ""
        if memory:
            aim = f"{memory} MiB, {cpu * 100:g} %"
            met = verdict(rss <= memory * 1024 and part <= cpu)
        name = f"opsagent, {count} target{'s' if count > 1 else ''}"
        print(f"| {name} | {mib(rss)} | {mib(peak)} | {threads} | {part * 100:.3f} % | {aim} | {met} |", flush=True)
    port = free_port()
    with process(exporter, f"--web.listen-address=127.0.0.1:{port}", stderr=subprocess.DEVNULL) as child:
        wait_for("node exporter's page", 10, lambda: fetch(port))
        time.sleep(5)
        part = cost(child.pid, port, 30)
        rss, peak, threads = (status(child.pid, key) for key in ("VmRSS", "VmHWM", "Threads"))
    print(f"| node exporter | {mib(rss)} | {mib(peak)} | {threads} | {part * 100:.3f} % | | |\n", flush=True)


def latency_row(name, port, aim):
    count = series(fetch(port))
    cells = []
    for headers in (PLAIN, PROMETHEUS):
        taken, size = latencies(port, headers)
        p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
        cells += [f"{p50 * 1e3:.2f} ms", f"{p99 * 1e3:.2f} ms", f"{size / 1024:.0f} KiB"]
        if headers is PLAIN:
            met = verdict(p99 <= 0.005) if aim else ""
    print(f"| {name} | {count} | {' | '.join(cells)} | {'p99 5 ms' if aim else ''} | {met} |", flush=True)


def latency(binary, exporter, folder):
    print("### Latency of /metrics, 300 GETs one after the other\n")
    print("| | series | p50 | p99 | size | p50 as Prometheus asks | p99 | size | aim | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    host = own_address()
    models, slope, base = 10, None, None
    for wanted in SERIES:
        # How many series a server has is the catalogue's matter: asked once, of two sizes.
        if slope is None:
            sizes = []
            for count in (2, 4):
                with fakes(host, count, models) as servers, agent(binary, folder, servers, host) as (_, port):
                    wait_for("targets up", 30, lambda: ups(port) == count)
                    sizes.append(series(fetch(port)))
            slope = (sizes[1] - sizes[0]) / 2
            base = sizes[0] - 2 * slope
        count = max(1, round((wanted - base) / slope))
        with fakes(host, count, models) as servers, agent(binary, folder, servers, host) as (_, port):
            wait_for("targets up", 30, lambda: ups(port) == count)
            latency_row(f"opsagent, {count} targets", port, wanted == 10000)
    port = free_port()
    with process(exporter, f"--web.listen-address=127.0.0.1:{port}", stderr=subprocess.DEVNULL):
        wait_for("node exporter's page", 10, lambda: fetch(port))
        latency_row("node exporter", port, False)
    print()


def start(binary, folder):
    """From the start of the process to a page that shows a polled target as up."""
    taken = []
    with fakes("127.0.0.1", 1) as servers:
        for _ in range(STARTS):
            path, port = config(folder, servers, "127.0.0.1")
            begin = time.perf_counter()
            with process(binary, "run", "--config", path, stderr=subprocess.DEVNULL):
                wait_for("a first sample", 10, lambda: ups(port) == 1, pause=0.001)
                taken.append(time.perf_counter() - begin)
    return sorted(taken)


def main(binary, exporter):
    # A plain end lets every `with` above clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"Measured on {description()}\n")
    with tempfile.TemporaryDirectory(prefix="opsagent-bench-") as folder:
        taken = start(binary, folder)
        print("### Start and size\n\n| | | aim | |\n| --- | --- | --- | --- |")
        median, worst = statistics.median(taken), taken[-1]
        print(
            f"| start to first sample on the page | median {median * 1e3:.0f} ms, worst of {STARTS} "
            f"{worst * 1e3:.0f} ms | 100 ms | {verdict(median <= 0.1)} |"
        )
        print(f"| binary | {os.path.getsize(binary) / 2**20:.1f} MiB | | |\n", flush=True)
        latency(binary, exporter, folder)
        footprint(binary, exporter, folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
