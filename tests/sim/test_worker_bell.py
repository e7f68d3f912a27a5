"""The worker by itself: its bell, its crash, how exactly it sleeps, and when there is none."""

from __future__ import annotations

import ctypes
import sys
import threading

import pytest

from sim import Accelerator, ClosedError
from sim.worker import CRASH_TRIES, Worker
from tests.sim.sim_requests import Completions


class Held:
    """A device whose first step waits until the test opens it, and that never has work."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def has_work(self) -> bool:
        return False

    def step(self) -> int | None:
        self.entered.set()
        self.open.wait()
        return None


def test_only_who_ends_a_sleep_is_told_that_it_did() -> None:
    device = Held()
    worker = Worker(device, lambda: 0, lambda error: None)
    device.entered.wait()
    assert worker.wake() is False  # it does not sleep
    worker.asleep = 5
    assert worker.wake() is True
    assert worker.rung == 5
    assert worker.wake() is False
    worker.rung = 0  # as another thread sees it that was faster with the bell, and has not noted it yet
    assert worker.wake() is False
    assert worker.rung == 0
    worker.asleep = 0
    device.open.set()
    worker.stop(lambda: True)


def test_no_worker_is_made_while_the_interpreter_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "is_finalizing", lambda: True)
        with pytest.raises(ClosedError, match="the interpreter ends"):
            Worker(Held(), lambda: 0, lambda error: None)
    assert threading.active_count() == before


class Steps:
    """A device that does nothing, and notes whether its worker counts as asleep in each step."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.asleep: list[int] = []
        self.stepped = threading.Semaphore(0)

    def has_work(self) -> bool:
        return False

    def step(self) -> int | None:
        if self.worker is not None:
            self.asleep.append(self.worker.asleep)
        self.stepped.release()
        return None


def test_a_worker_that_was_woken_does_not_count_as_asleep() -> None:
    """Else whoever submits meanwhile would ring for nothing, and be counted as one who has woken it."""
    device = Steps()
    device.worker = Worker(device, lambda: 0, lambda error: None)
    for _ in range(3):
        device.stepped.acquire()
        while not device.worker.wake():  # it goes to sleep just now
            pass
    device.worker.stop(lambda: True)
    assert set(device.asleep) == {0}


class Crashes(Held):
    """A device whose step raises."""

    def step(self) -> int | None:
        raise ValueError("of the step")


def test_what_is_raised_while_others_are_told_of_a_crash_is_reported_and_they_are_told(
    reported: list[BaseException],
) -> None:
    told: list[BaseException] = []
    ended = threading.Event()

    def on_crash(error: BaseException) -> None:
        told.append(error)
        if len(told) < CRASH_TRIES:
            raise MemoryError(len(told))
        ended.set()

    worker = Worker(Crashes(), lambda: 0, on_crash)
    ended.wait()
    worker.stop(lambda: True)
    assert [str(error) for error in reported] == ["of the step", *map(str, range(1, CRASH_TRIES))]
    assert told == reported[:1] * CRASH_TRIES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked how late it may end a sleep")
def test_timed_sleeps_of_the_worker_end_when_they_are_due() -> None:
    get_timer_slack = 30
    prctl = ctypes.CDLL(None).prctl
    with Accelerator(seed=1) as accel:
        accel.register("slack", lambda payload: b"%d ns" % prctl(get_timer_slack, 0, 0, 0, 0))
        completions = Completions(accel)
        request = completions.submit("slack")
        completions.wait()
        assert request.result == b"1 ns"
