"""Reads every scenario by nvidia-ml-py and nvitop, and compares each value with what the scenario says.

readers.py FOLDER [SCENARIO]     FOLDER has the fake as libnvidia-ml.so.1
"""

import glob
import os
import pathlib
import subprocess
import sys

from expected import Refused, Scenario

SECONDS = [0, 10]


def main(folder, only=None):
    folder = pathlib.Path(folder)
    if only is None:
        every_scenario(folder)
        return
    # The library reads its variables when it is asked first.
    files = {what: folder / what.lower() for what in ("SCENARIO", "CLOCK")}
    os.environ.update({f"OPSAGENT_FAKE_NVML_{what}": str(file) for what, file in files.items()})
    files["SCENARIO"].write_text(pathlib.Path(only).read_text(encoding="utf-8"), encoding="utf-8")
    files["CLOCK"].write_text("0", encoding="utf-8")

    import calls
    import events
    import nvitop_reader

    compared = Compared(only)
    init = Scenario(only, 0).machine.told.get("init")
    if init:
        compared.same("nvmlInit", lambda: error(init), calls.init)
        print(compared.count)
        return
    calls.init()
    events.check(Scenario(only, 0), files["CLOCK"], SECONDS, compared)
    for seconds in SECONDS:
        files["CLOCK"].write_text(str(seconds), encoding="utf-8")
        scenario = Scenario(only, seconds)
        calls.check(scenario, compared)
        nvitop_reader.check(scenario, compared)
    print(compared.count)


def every_scenario(folder):
    """Each in a process of its own, for the library has one state a process."""
    total, paths = 0, sorted(glob.glob("scenarios/*.json"))
    running = []
    for number, path in enumerate(paths):
        own = folder / str(number)
        own.mkdir()
        library = (folder / "libnvidia-ml.so.1").read_bytes()
        for function in Scenario(path, 0).without:
            spoilt = library.replace(b"\0%s\0" % function.encode(), b"\0_%s\0" % function.encode()[1:])
            assert spoilt != library, f"no {function} to spoil"
            library = spoilt
        (own / "libnvidia-ml.so.1").write_bytes(library)
        command = [sys.executable, sys.argv[0], str(own), path]
        environment = {**os.environ, "LD_LIBRARY_PATH": str(own)}
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    failed = False
    for process in running:
        told, _ = process.communicate(timeout=120)
        failed = failed or process.returncode != 0
        total += int(told) if process.returncode == 0 else 0
    if failed:
        sys.exit("readers: the values above differ")
    print(f"readers: {len(paths)} scenarios, {total} answers as they should be")


class Compared:
    """Compares what is expected with what is read; either may be an error."""

    def __init__(self, scenario):
        self.scenario, self.count = scenario, 0

    def same(self, what, expected, read):
        want, got = outcome(expected), outcome(read)
        if want != got:
            sys.exit(f"{self.scenario}: {what}: expected {want}, read {got}")
        self.count += 1


def outcome(act):
    try:
        value = act()
    except Refused as refused:
        return refused.args[0]
    return int(value) if isinstance(value, float) else value


def error(name):
    raise Refused(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
