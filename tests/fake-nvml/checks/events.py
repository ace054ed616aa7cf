"""XIDs, as nvidia-ml-py is told of them."""

import pynvml
from calls import nvml


def check(scenario, clock, seconds, compared):
    """All that the scenario has up to the last second come once each, in their order; then there are none."""
    events = pynvml.nvmlEventSetCreate()
    wanted = []
    for index, card in enumerate(scenario.cards):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        register = lambda: nvml(pynvml.nvmlDeviceRegisterEvents, handle, pynvml.nvmlEventTypeXidCriticalError, events)
        compared.same(f"card {index}, events", lambda: card.number("event_types") and None, register)
        wanted += [(event[0], event[1]) for event in card.told.get("xid", []) if event[0] <= seconds[-1]]
    wanted = [xid for _, xid in sorted(wanted, key=lambda event: event[0])]
    clock.write_text(str(seconds[-1]), encoding="utf-8")
    wait = lambda: nvml(pynvml.nvmlEventSetWait_v2, events, 10).eventData
    for xid in wanted:
        compared.same("an event", lambda: xid, wait)
    try:
        extra = wait()
    except Exception as error:  # The end of the wait.
        extra = error.args[0]
    compared.same("no other event", lambda: "TIMEOUT", lambda: extra)
    pynvml.nvmlEventSetFree(events)
    clock.write_text(str(seconds[0]), encoding="utf-8")
