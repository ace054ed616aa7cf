"""What the fake does over time: calls that hang, fail and take long; cards that go and come; events; a new scenario.

behaviour.py FOLDER     FOLDER has the fake as libnvidia-ml.so.1, where the loader finds it
"""

import json
import os
import pathlib
import sys
import threading
import time

CARD = {"power_mw": 7, "temperature": {"ramp": [[10, 20], [20, 40]]}, "event_types": 8}
CARDS = [{"uuid": "one", **CARD}, {"uuid": "two", **CARD, "lost_at": 30, "back_at": 40}]
# Longer than any answer takes, and far shorter than what hangs.
MOMENT = 0.3


def main(folder):
    global folder_, pynvml
    folder_ = pathlib.Path(folder)
    for what in ("SCENARIO", "CLOCK", "TRACE"):
        os.environ[f"OPSAGENT_FAKE_NVML_{what}"] = str(folder_ / what.lower())
    play({})
    clock(0)
    import pynvml

    tests = [test for name, test in globals().items() if name.startswith("test_")]
    test_before_initialisation_nothing_is_answered()
    for test in tests[1:]:
        play({})
        clock(0)
        pynvml.nvmlInit()
        test()
        pynvml.nvmlShutdown()
    print(f"behaviour: {len(tests)} tests")


def play(more, cards=None):
    """Another scenario, renamed over the old one."""
    new = folder_ / "new"
    new.write_text(json.dumps({"driver": "1", "cards": cards or CARDS, **more}), encoding="utf-8")
    new.rename(folder_ / "scenario")


def clock(second):
    new = folder_ / "new"
    new.write_text(str(second), encoding="utf-8")
    new.rename(folder_ / "clock")


def card(index=0):
    return pynvml.nvmlDeviceGetHandleByIndex(index)


def refused(call, *arguments):
    """The error that a call ends with."""
    try:
        call(*arguments)
    except pynvml.NVMLError as error:
        return error.value
    return None


def timed(call, *arguments):
    start = time.monotonic()
    answer = call(*arguments)
    return answer, time.monotonic() - start


def stubs():
    describe = pynvml.nvmlLib.opsagent_fake_nvml_describes_itself
    describe.restype = pynvml.c_char_p
    lines = describe().decode().splitlines()
    return [line.split(" ")[1] for line in lines if line.startswith("stub ")]


def test_before_initialisation_nothing_is_answered():
    pynvml.nvmlInit()
    one = card()
    pynvml.nvmlShutdown()
    assert {getattr(pynvml.nvmlLib, stub)(one) for stub in stubs()} == {pynvml.NVML_ERROR_UNINITIALIZED}
    assert refused(pynvml.nvmlDeviceGetPowerUsage, one) == pynvml.NVML_ERROR_UNINITIALIZED
    assert refused(pynvml.nvmlDeviceGetCount) == pynvml.NVML_ERROR_UNINITIALIZED
    assert refused(pynvml.nvmlShutdown) == pynvml.NVML_ERROR_UNINITIALIZED
    play({"init": "DRIVER_NOT_LOADED"})
    assert refused(pynvml.nvmlInit) == pynvml.NVML_ERROR_DRIVER_NOT_LOADED


def test_what_no_monitor_asks_is_not_supported():
    assert {getattr(pynvml.nvmlLib, stub)(card()) for stub in stubs()} == {pynvml.NVML_ERROR_NOT_SUPPORTED}


def test_a_call_hangs_until_a_second_and_others_go_on():
    play({"calls": {"nvmlDeviceGetPowerUsage": {"hang_until": 5}}})
    hanging = in_thread(pynvml.nvmlDeviceGetPowerUsage, card())
    assert pynvml.nvmlDeviceGetUUID(card()) == "one"
    clock(4)
    assert hanging(MOMENT) is None
    clock(5)
    assert hanging(10) == 7


def test_a_call_hangs_on_one_card_until_the_scenario_says_otherwise():
    hang = {"calls": {"nvmlDeviceGetPowerUsage": {"hang": {"steps": [[0, False], [2, True]]}}}}
    play({}, [{**CARDS[0], **hang}, CARDS[1]])
    assert pynvml.nvmlDeviceGetPowerUsage(card()) == 7
    clock(2)
    hanging = in_thread(pynvml.nvmlDeviceGetPowerUsage, card())
    assert pynvml.nvmlDeviceGetPowerUsage(card(1)) == 7
    assert hanging(MOMENT) is None
    play({})
    assert hanging(10) == 7


def in_thread(call, *arguments):
    """Begins a call; gives what waits for its answer."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(*arguments)), daemon=True)
    thread.start()

    def answer(patience):
        thread.join(patience)
        return answers[0] if answers else None

    return answer


def test_a_call_fails_from_a_second_on():
    fail = {"error": {"steps": [[0, None], [3, "NO_PERMISSION"]]}}
    play({"calls": {"nvmlDeviceGetPowerUsage": fail, "nvmlDeviceGetCount_v2": {"error": "UNKNOWN"}}})
    assert pynvml.nvmlDeviceGetPowerUsage(card()) == 7
    assert refused(pynvml.nvmlDeviceGetCount) == pynvml.NVML_ERROR_UNKNOWN
    clock(3)
    assert refused(pynvml.nvmlDeviceGetPowerUsage, card()) == pynvml.NVML_ERROR_NO_PERMISSION


def test_calls_take_their_time():
    one = card()
    play({"delay_us": 50_000, "calls": {"nvmlDeviceGetPowerUsage": {"delay_us": 0}}})
    assert timed(pynvml.nvmlDeviceGetUUID, one)[1] >= 0.05
    fastest = min(timed(pynvml.nvmlDeviceGetPowerUsage, one)[1] for _ in range(20))
    assert fastest < 0.05, fastest


def test_a_ramp_is_a_straight_line():
    for second, celsius in {0: 20, 10: 20, 15: 30, 19: 38, 20: 40, 99: 40}.items():
        clock(second)
        assert pynvml.nvmlDeviceGetTemperature(card(), 0) == celsius, second


def test_a_lost_card_is_counted_and_comes_back():
    two = card(1)
    clock(30)
    assert pynvml.nvmlDeviceGetCount() == 2
    assert refused(card, 1) == pynvml.NVML_ERROR_GPU_IS_LOST
    assert refused(pynvml.nvmlDeviceGetPowerUsage, two) == pynvml.NVML_ERROR_GPU_IS_LOST
    assert pynvml.nvmlLib.nvmlDeviceGetPdi(two) == pynvml.NVML_ERROR_GPU_IS_LOST
    assert refused(pynvml.nvmlDeviceGetHandleByUUID, b"two") == pynvml.NVML_ERROR_GPU_IS_LOST
    assert pynvml.nvmlDeviceGetPowerUsage(card()) == 7
    clock(40)
    assert pynvml.nvmlDeviceGetUUID(card(1)) == "two"


def test_another_order_counts_from_the_next_initialisation():
    old = card()
    play({"order": [[5, [1, 0]], [9, [1]]]})
    clock(6)
    assert pynvml.nvmlDeviceGetUUID(card()) == "one"
    pynvml.nvmlInit()
    assert [pynvml.nvmlDeviceGetUUID(card(index)) for index in (0, 1)] == ["two", "one"]
    assert pynvml.nvmlDeviceGetUUID(old) == "two", "an old handle means another card"
    clock(9)
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() == 1
    assert refused(card, 1) == pynvml.NVML_ERROR_INVALID_ARGUMENT
    for _ in range(2):
        pynvml.nvmlShutdown()


def test_a_wait_for_events_takes_as_long_as_it_may():
    events = pynvml.nvmlEventSetCreate()
    pynvml.nvmlDeviceRegisterEvents(card(), 8, events)
    error, took = timed(refused, pynvml.nvmlEventSetWait_v2, events, 200)
    assert error == pynvml.NVML_ERROR_TIMEOUT
    assert took >= 0.2, took
    assert refused(pynvml.nvmlDeviceRegisterEvents, card(), 3, events) == pynvml.NVML_ERROR_NOT_SUPPORTED
    pynvml.nvmlEventSetFree(events)
    assert refused(pynvml.nvmlEventSetWait_v2, events, 0) == pynvml.NVML_ERROR_INVALID_ARGUMENT


def test_each_event_set_is_told_once_of_what_came_after_its_registration():
    play({}, [{**CARDS[0], "xid": [[1, 13], [2, 31], [2, 31, 4, 0]]}, CARDS[1]])
    sets = [pynvml.nvmlEventSetCreate(), pynvml.nvmlEventSetCreate()]
    pynvml.nvmlDeviceRegisterEvents(card(), 8, sets[0])
    clock(1)
    pynvml.nvmlDeviceRegisterEvents(card(), 8, sets[1])
    clock(2)
    told = [[], []]
    for of, events in zip(told, sets):
        while (event := one_event(events)) is not None:
            of.append(event)
    none = 0xFFFFFFFF
    assert told == [[(13, none), (31, none), (31, 4)], [(31, none), (31, 4)]], told


def one_event(events):
    try:
        event = pynvml.nvmlEventSetWait_v2(events, 0)
    except pynvml.NVMLError_Timeout:
        return None
    return event.eventData, event.gpuInstanceId


def test_every_call_is_written_down():
    trace = folder_ / "trace"
    before = len(trace.read_text(encoding="utf-8").splitlines())
    pynvml.nvmlDeviceGetPowerUsage(card())
    pynvml.nvmlLib.nvmlDeviceGetPdi(card())
    by_index = "nvmlDeviceGetHandleByIndex_v2"
    told = trace.read_text(encoding="utf-8").splitlines()[before:]
    assert told == [by_index, "nvmlDeviceGetPowerUsage", by_index, "nvmlDeviceGetPdi"], told


main(*sys.argv[1:])
