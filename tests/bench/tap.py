"""Measures the tap beside nginx and LiteLLM, and prints the table. Started by tests/bench/tap.

    python3 tap.py AGENT STREAMLOAD NGINX LITELLM RESULTS
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import proxies
import tap_table
from machine import cpu_seconds, description

# Short ones, in which each has its turn: the machine is not the same from one half minute to the next.
ROUNDS = int(os.environ.get("TAP_BENCH_ROUNDS", "12"))
# What a stream takes of a proxy is two files; some more are open anyway.
IDLE = [1000, 10_000]
SPARE_FILES = 200
# What LiteLLM is asked to hold: it takes a quarter of a minute to open these.
LITELLM_IDLE = 1000

# Phase: mode and options of streamload. A stream's user asks again when it ends, so there are always so many.
PHASES = {
    # The time to the first token, of one who asks in turn directly and through each proxy, beside the other streams of
    # all of them: whatever the machine does meanwhile hits all alike.
    "first_1": ["streams", "-streams", "1", "-seconds", "4"],
    "first_64": ["streams", "-streams", "64", "-tokens", "50", "-gap", "20000", "-warm", "1.2", "-seconds", "4"],
    "first_512": ["streams", "-streams", "512", "-tokens", "20", "-gap", "100000", "-warm", "2.2", "-seconds", "4"],
    # Nobody else asks: all of the proxy's time is these streams'.
    "paced": ["streams", "-streams", "64", "-tokens", "100", "-gap", "10000", "-warm", "1.2", "-seconds", "1.5"],
    "saturated": ["streams", "-streams", "64", "-tokens", "1000", "-gap", "0", "-seconds", "1"],
    "short": ["short", "-streams", "64", "-seconds", "1"],
    "short_new": ["short", "-streams", "64", "-fresh", "-seconds", "1"],
}
PROBED = ["first_1", "first_64", "first_512"]
# LiteLLM takes seconds for what the others do in a millisecond, so it gets one round of its own, in which what
# leaves it with work to do comes last.
LITELLM_SECONDS = {"first_1": 6, "short": 5, "short_new": 5, "saturated": 8, "paced": 10, "first_64": 12, "first_512": 20}


def run(tool, phase, proxies_asked, direct=None, seconds=None):
    """One phase, on these proxies at once; `direct` is the server's address where the way beside them is asked too.
    What came of each proxy's own is given apart."""
    pids = [str(pid) for proxy in proxies_asked for pid in proxy.pids()]
    command = [tool, *PHASES[phase], "-via", ",".join(proxy.address for proxy in proxies_asked)]
    if direct:
        command += ["-direct", direct]
    if pids:
        command += ["-pids", ",".join(pids)]
    if seconds:
        command += ["-seconds", str(seconds)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120, **proxies.on(proxies.cores()[1]))
    told = json.loads(told.stdout)
    probes = told.pop("probe_via", [None] * len(proxies_asked))
    return [{**told, "probe_via": probe} if probe else told for probe in probes]


def calm(proxy):
    """Waits until the proxy has no more work: of streams that were cut some is left. Half a minute at most."""
    for _ in range(60):
        before = sum(cpu_seconds(pid) for pid in proxy.pids())
        time.sleep(0.5)
        if sum(cpu_seconds(pid) for pid in proxy.pids()) - before < 0.02:
            return


def measure(tool, proxy, server, phases, seconds=None):
    """Each phase on one proxy alone."""
    results = {}
    for phase in phases:
        calm(proxy)
        direct = server if phase in PROBED else None
        results[phase] = run(tool, phase, [proxy], direct, (seconds or {}).get(phase))[0]
    return results


def one_round(tool, direct, pair, server):
    """What each proxy and the way beside them came to: by turns, and first tokens of all at once."""
    beside = [phase for phase in PHASES if phase not in PROBED]
    results = {proxy.name: {} for proxy in (direct, *pair)}
    for phase in PROBED:
        for proxy in pair:
            calm(proxy)
        for proxy, told in zip(pair, run(tool, phase, pair, server)):
            results[proxy.name][phase] = told
    for phase in beside:
        for proxy in (direct, *pair):
            results[proxy.name].update(measure(tool, proxy, server, [phase]))
    return results


def memory(tool, proxy, counts):
    """RSS in KiB without a stream and with so many idle ones, each of which gave its first chunk."""
    taken = {0: proxy.rss()}
    for count in counts:
        command = [tool, "idle", "-via", proxy.address, "-streams", str(count)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              **proxies.on(proxies.cores()[1])) as child:
            told = json.loads(child.stdout.readline())
            time.sleep(1)
            if told["open"] == count and not told.get("bad"):
                taken[count] = proxy.rss()
            child.stdin.close()
        calm(proxy)
    return taken


def race(raw, folder, tools):
    agent, tool, nginx, litellm = tools
    idle = [min(count, (proxies.more_files() - SPARE_FILES) // 2) for count in IDLE]
    with proxies.server(tool) as server:
        with proxies.nginx(nginx, folder, server) as one, proxies.opsagent(agent, folder, server) as other:
            direct = proxies.Proxy("direct", server.split(":")[1], one.child)
            direct.pids = lambda: []
            for number in range(ROUNDS):
                say(f"round {number + 1} of {ROUNDS}")
                # Who is first changes, so that what drifts hits both.
                pair = (one, other) if number % 2 else (other, one)
                for name, told in one_round(tool, direct, pair, server).items():
                    raw["rounds"][name].append(told)
        for start in (lambda: proxies.nginx(nginx, folder, server), lambda: proxies.opsagent(agent, folder, server)):
            with start() as proxy:
                say(f"memory of {proxy.name}")
                raw["memory"][proxy.name] = memory(tool, proxy, idle)
        if litellm:
            with proxies.litellm(litellm, folder, server) as proxy:
                say("LiteLLM")
                raw["memory"][proxy.name] = memory(tool, proxy, [LITELLM_IDLE])
                raw["rounds"][proxy.name] = [measure(tool, proxy, server, LITELLM_SECONDS, LITELLM_SECONDS)]


def say(what):
    print(what, file=sys.stderr, flush=True)


def version(*command):
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return re.search(r"\d+\.\d+[\w.+-]*", told)[0]


def main(agent, tool, nginx, litellm, results):
    # A plain end lets every `with` clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.environ.get("TAP_BENCH_LITELLM") == "0":
        litellm = None
    about = {"machine": description(), "nginx": version(nginx, "-v"), "rounds": ROUNDS,
             "cores": [sorted(cpus) for cpus in proxies.cores()]}
    if litellm:
        about["litellm"] = version(os.path.join(os.path.dirname(litellm), "pip"), "show", "litellm")
    raw = {"about": about, "rounds": {"direct": [], "nginx": [], "opsagent": []}, "memory": {}}
    path = os.path.join(results, time.strftime("tap-%Y-%m-%dT%H-%M-%SZ.json", time.gmtime()))
    try:
        with tempfile.TemporaryDirectory(prefix="opsagent-bench-") as folder, contextlib.chdir(folder):
            race(raw, folder, (agent, tool, nginx, litellm))
    finally:
        # What was measured is kept, whatever failed after it.
        with open(path, "w") as file:
            json.dump(raw, file, indent=1)
        say(f"raw results: {path}")
        with open(path) as file:
            tap_table.show(json.load(file))


if __name__ == "__main__":
    main(*(os.path.abspath(path) for path in sys.argv[1:]))
