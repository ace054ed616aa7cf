"""What the measurements stand on: processes and their cost, pages and their latency."""

import contextlib
import glob
import gzip
import json
import os
import platform
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


@contextlib.contextmanager
def process(*command, **options):
    """A child that is gone when the block ends, whatever ends it."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def fakes(host, count, models=1):
    """Fake servers: a list of (kind, port)."""
    script = os.path.join(HERE, "fakes.py")
    command = [sys.executable, script, host, str(count), str(models)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = child.stdout.readline()
        if not line:
            sys.exit("the fake servers did not start: see above")
        yield json.loads(line)
    finally:
        child.stdin.close()
        child.wait()


def cpu_seconds(pid):
    """Time that the process's threads ran. The scheduler's own count where the kernel has it: its ticks are
    too coarse for a process that sleeps nearly always."""
    nanoseconds = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(FileNotFoundError), open(path) as file:
            nanoseconds += int(file.read().split()[0])
    if nanoseconds:
        return nanoseconds / 1e9
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid, key):
    """A number out of /proc/PID/status, such as VmRSS in KiB."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_address():
    """An address of this machine that is not loopback: targets there are polled as those of other machines
    are. Loopback where there is none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: connecting a datagram socket only chooses a route. 192.0.2.1 belongs to nobody.
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    return "127.0.0.1"


# As a plain client asks, and as Prometheus does.
PLAIN = ""
PROMETHEUS = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\nAccept-Encoding: gzip\r\n"


class Page:
    """A kept-alive connection to a page."""

    def __init__(self, port, path="/metrics", headers=PLAIN):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode()
        self.file = self.socket.makefile("rb")

    def get(self):
        """One GET: its body as it came and the seconds it took."""
        start = time.perf_counter()
        self.socket.sendall(self.request)
        line = self.file.readline()
        if b" 200 " not in line:
            raise OSError(f"not 200: {line!r}")
        length, chunked = 0, False
        while (line := self.file.readline().strip().lower()) != b"":
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            chunked |= name == b"transfer-encoding" and b"chunked" in value
        body = self.chunks() if chunked else self.file.read(length)
        return body, time.perf_counter() - start

    def chunks(self):
        body = b""
        while size := int(self.file.readline(), 16):
            body += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return body

    def text(self):
        body, _ = self.get()
        return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()

    def close(self):
        self.file.close()
        self.socket.close()


def fetch(port, path="/metrics"):
    """The page once, over a connection of its own."""
    page = Page(port, path)
    try:
        return page.text()
    finally:
        page.close()


def latencies(port, headers, count=300):
    """Seconds of so many GETs, one after the other, sorted, and the bytes of the last body."""
    page = Page(port, headers=headers)
    try:
        for _ in range(10):
            page.get()
        taken = [page.get() for _ in range(count)]
    finally:
        page.close()
    return sorted(seconds for _, seconds in taken), len(taken[-1][0])


def percentile(values, part):
    return values[min(len(values) - 1, int(part * len(values)))]


def series(text):
    return sum(1 for line in text.splitlines() if line and not line.startswith("#"))


def wait_for(what, seconds, condition, pause=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(pause)
    sys.exit(f"{what}: not after {seconds} s")


def description():
    """The machine and the date, in a line."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    load = os.getloadavg()[0]
    cores = os.cpu_count()
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}; {date}; load {load:.1f} at the start"
