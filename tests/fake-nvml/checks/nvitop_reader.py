"""The same scenario, as nvitop shows it."""

from itertools import takewhile

import nvitop
from expected import Refused

LARGEST_PID = 2**31 - 1


def check(scenario, compared):
    for index, card in enumerate(scenario.cards):
        if card.lost() or any(fate.get("hang") for fate in (card.told.get("calls") or {}).values()):
            continue
        device = nvitop.Device(index)
        snapshot = device.as_snapshot()
        same = lambda what, want, got: compared.same(f"{card.seconds} s, nvitop, card {index}, {what}", want, lambda: got)
        wants = {
            "name": lambda: card.text("name"),
            "uuid": lambda: card.text("uuid"),
            "bus_id": lambda: card.text("pci"),
            "memory_total": lambda: card.number("memory_total"),
            "memory_used": lambda: card.number("memory_used") + used_too(card, scenario),
            "temperature": lambda: card.number("temperature"),
            "power_usage": lambda: card.number("power_mw"),
            "power_limit": lambda: card.number("power_limit.management_mw"),
            "gpu_utilization": lambda: card.number("utilization"),
            "sm_clock": lambda: card.number("clock_mhz.sm"),
            "max_sm_clock": lambda: card.number("clock_max_mhz.sm"),
            "total_volatile_uncorrected_ecc_errors": lambda: card.number("ecc.uncorrected.volatile.total"),
        }
        for what, want in wants.items():
            if what.startswith("memory") and no_memory_of_its_own(card):
                continue
            got = getattr(snapshot, what, None) if what in snapshot.__dict__ else getattr(device, what)()
            same(what, lambda: or_na(want), None if got is nvitop.NA or got == "" else got)
        if any(process["pid"] > LARGEST_PID for process in stated(card)):
            continue  # It stumbles over them.
        same("processes", lambda: or_na(lambda: users(card)), shown_users(device))
        same("MIG devices", lambda: or_na(lambda: migs(card)), shown_migs(device))


def stated(card):
    processes = card.told.get("processes")
    return processes if isinstance(processes, list) else []


def users(card):
    """Bytes by process, of compute and graphics together."""
    found = {}
    for kind in ("compute", "graphics"):
        found.update({pid: memory for pid, memory, _ in card.processes(kind)})
    return found


def shown_users(device):
    memory = {pid: process.gpu_memory() for pid, process in device.processes().items()}
    return {pid: None if bytes_ is nvitop.NA else bytes_ for pid, bytes_ in memory.items()} or None


def migs(card):
    """Up to the first index without one, where it stops to look."""
    card.fate("nvmlDeviceGetMigDeviceHandleByIndex")
    there = takewhile(bool, card.migs())
    return [(mig.text("uuid"), mig.number("gpu_instance"), mig.number("memory_used")) for mig in there]


def shown_migs(device):
    if not device.is_mig_mode_enabled():
        return None
    return [(mig.uuid(), mig.gpu_instance_id(), mig.memory_used()) for mig in device.mig_devices()] or None


def or_na(want):
    try:
        value = want()
    except Refused:
        return None
    return None if value in ("", [], {}) else value


def no_memory_of_its_own(card):
    """nvitop then shows that of the machine."""
    try:
        return not card.number("memory_total")
    except Refused as refused:
        return refused.args[0] == "NOT_SUPPORTED"


def used_too(card, scenario):
    """The first version of the function counts what is reserved as used."""
    return card.number("memory_reserved", 0) if "nvmlDeviceGetMemoryInfo_v2" in scenario.without else 0
