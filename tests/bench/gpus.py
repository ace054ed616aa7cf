"""Measures what reading GPUs costs, and prints the tables. Started by tests/bench/gpus.

    python3 gpus.py AGENT FAKE_NVML NVITOP_EXPORTER
"""

import contextlib
import copy
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from machine import (
    PROMETHEUS, Page, cpu_seconds, description, fetch, free_port, percentile, process, series, status, wait_for,
)

SCENARIOS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fake-nvml", "scenarios")

# How long the driver's calls take. No source tells it; these are higher than a healthy driver's: most calls are one
# question to the kernel, some wait for the card's own processor.
CALL_US = 50
SLOW_US = {
    "nvmlDeviceGetUtilizationRates": 1000,
    "nvmlDeviceGetPowerUsage": 1000,
    "nvmlDeviceGetFieldValues": 1000,
    "nvmlDeviceGetComputeRunningProcesses_v3": 1000,
    "nvmlDeviceGetGraphicsRunningProcesses_v3": 1000,
    "nvmlDeviceGetProcessUtilization": 1000,
    "nvmlInit_v2": 50_000,
}

CARDS = [1, 8, 16]
EVERY = 5
SETTLE, MEASURE = 8, 40
# The aim for a scrape, whatever a GPU does.
AIM = 0.050


def h200(count):
    """A healthy machine of so many cards, after the scenario of eight."""
    with open(os.path.join(SCENARIOS, "h200-8.json")) as file:
        machine = json.load(file)
    pattern = machine["cards"]
    machine["cards"] = []
    for n in range(count):
        card = copy.deepcopy(pattern[n % len(pattern)])
        card["uuid"] = f"GPU-{n:08x}-0000-0000-0000-000000000000"
        card["pci"] = f"00000000:{n + 1:02X}:00.0"
        machine["cards"].append(card)
    machine["delay_us"] = CALL_US
    machine["calls"] = {name: {"delay_us": us} for name, us in SLOW_US.items()}
    return machine


class Driver:
    """The fake library with a scenario, in a folder of its own."""

    def __init__(self, folder, library, scenario):
        self.folder = folder
        self.library = os.path.join(folder, "libnvidia-ml.so.1")
        shutil.copy(library, self.library)
        self.env = {
            **os.environ,
            "OPSAGENT_FAKE_NVML_SCENARIO": os.path.join(folder, "scenario.json"),
            "OPSAGENT_FAKE_NVML_CLOCK": os.path.join(folder, "clock"),
        }
        self.play(scenario)
        self.clock(0)

    def play(self, scenario):
        self.put("scenario.json", json.dumps(scenario))

    def clock(self, seconds):
        self.put("clock", str(seconds))

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)


@contextlib.contextmanager
def driver(library, scenario):
    with tempfile.TemporaryDirectory(prefix="opsagent-bench-") as folder:
        yield Driver(folder, library, scenario)


@contextlib.contextmanager
def agent(binary, driver, every=EVERY, **env):
    port = free_port()
    path = os.path.join(driver.folder, "opsagent.toml")
    with open(path, "w") as file:
        file.write(
            f'listen = "127.0.0.1:{port}"\ndiscover = false\n'
            f'[gpu]\nevery = "{every}s"\nnvml_library = "{driver.library}"\n[paths]\nkernel_log = "off"\n'
        )
    with open(os.path.join(driver.folder, "agent.log"), "wb") as log:
        with process(binary, "run", "--config", path, stderr=log, env={**driver.env, **env}) as child:
            yield child, port


def ups(port):
    return sum(1 for line in fetch(port).splitlines() if line.startswith("opsagent_gpu_up{") and line.endswith(" 1"))


def read_seconds(port):
    found = re.search(r'^opsagent_gpu_read_duration_seconds\{backend="nvml"\} (\S+)$', fetch(port), re.MULTILINE)
    return float(found[1])


def row(name, reads, calls, pid, share, page):
    read = f"{percentile(reads, 0.5) * 1e3:.0f} / {reads[-1] * 1e3:.0f} ms" if reads else ""
    rss = status(pid, "VmRSS") / 1024
    print(f"| {name} | {read} | {calls} | {share * 100:.2f} % | {rss:.1f} MiB | {page} |", flush=True)


def cost(binary, library):
    print(f"### Cost of reading GPUs every {EVERY} s, page scraped as often\n")
    print("| | one read of all, p50 / max | calls a read | CPU of a core | RSS | series |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in CARDS:
        with driver(library, h200(count)) as fake:
            trace = os.path.join(fake.folder, "trace")
            with agent(binary, fake, OPSAGENT_FAKE_NVML_TRACE=trace) as (_, port):
                wait_for("all cards", 30, lambda: ups(port) == count)
                # The second read, not the first: what never changes is asked once.
                before = lines(trace)
                time.sleep(EVERY * 4)
                calls = round((lines(trace) - before) / 4)
            with agent(binary, fake) as (child, port):
                wait_for("all cards", 30, lambda: ups(port) == count)
                time.sleep(SETTLE)
                reads, share = measure(child.pid, lambda: read_seconds(port))
                page = series("\n".join(line for line in fetch(port).splitlines() if line.startswith("opsagent_gpu")))
                row(f"opsagent, {count} H200", sorted(reads), calls, child.pid, share, page)


def lines(path):
    with open(path) as file:
        return sum(1 for _ in file)


def measure(pid, ask):
    """What was answered on each beat, and the part of a core used meanwhile."""
    before, start, told = cpu_seconds(pid), time.monotonic(), []
    while time.monotonic() - start < MEASURE:
        time.sleep(EVERY)
        told.append(ask())
    return told, (cpu_seconds(pid) - before) / (time.monotonic() - start)


def peer_cost(library, exporter):
    for count in CARDS:
        with driver(library, h200(count)) as fake:
            port = free_port()
            env = {**fake.env, "LD_LIBRARY_PATH": fake.folder}
            command = [exporter, "--hostname", "127.0.0.1", "--port", str(port), "--interval", str(EVERY)]
            with process(*command, stderr=subprocess.DEVNULL, env=env) as child:
                wait_for("nvitop-exporter's page", 60, lambda: "gpu" in fetch(port))
                time.sleep(SETTLE)
                _, share = measure(child.pid, lambda: fetch(port))
                page = series("\n".join(line for line in fetch(port).splitlines() if "uuid=" in line.lower()))
                row(f"nvitop-exporter 1.7.2, {count} H200", [], "", child.pid, share, page)
    print()


def scrapes(port, seconds):
    """Seconds of each scrape, twenty a second, sorted."""
    page, end, taken = Page(port, headers=PROMETHEUS), time.monotonic() + seconds, []
    while time.monotonic() < end:
        taken.append(page.get()[1])
        time.sleep(0.05)
    page.close()
    return sorted(taken)


def latency_row(name, taken):
    met = "met" if taken[-1] <= AIM else "**missed**"
    p50, p99, worst = (value * 1e3 for value in (percentile(taken, 0.5), percentile(taken, 0.99), taken[-1]))
    print(f"| {name} | {p50:.2f} ms | {p99:.2f} ms | {worst:.2f} ms | {met} |", flush=True)


def latency(binary, library):
    print("### A scrape while GPUs have a bad day, as Prometheus asks, twenty a second\n")
    print(f"| | p50 | p99 | worst | aim {AIM * 1e3:.0f} ms |")
    print("| --- | --- | --- | --- | --- |")
    machine = h200(8)
    machine["cards"][3]["calls"] = {"nvmlDeviceGetUtilizationRates": {"hang": {"steps": [[0, False], [1, True]]}}}
    with driver(library, machine) as fake, agent(binary, fake, every=1) as (_, port):
        wait_for("all cards", 30, lambda: ups(port) == 8)
        latency_row("8 H200, all well", scrapes(port, 15))
        fake.clock(1)
        latency_row("8 H200, one hangs for ever", scrapes(port, 40))
        if ups(port) != 7:
            sys.exit(f"of eight cards one hangs, and {ups(port)} are up")
    for path in sorted(glob.glob(os.path.join(SCENARIOS, "*.json"))):
        with open(path) as file:
            scenario = json.load(file)
        with driver(library, scenario) as fake, agent(binary, fake, every=1) as (_, port):
            wait_for("the page", 30, lambda: fetch(port))
            taken = []
            for clock in range(0, 61, 10):
                fake.clock(clock)
                taken += scrapes(port, 1)
            latency_row("scenario " + os.path.basename(path).removesuffix(".json"), sorted(taken))
    print()


def main(binary, library, exporter):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"Measured on {description()}. The driver is a fake; a call takes {CALL_US} µs,")
    slow = ", ".join(f"{name} {us / 1000:g} ms" for name, us in SLOW_US.items())
    print(f"but {slow}.\n")
    cost(binary, library)
    peer_cost(library, exporter)
    latency(binary, library)


if __name__ == "__main__":
    main(*sys.argv[1:])
