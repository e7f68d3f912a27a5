"""The worker's bell by itself: who is told that he has ended a sleep, and when no worker is made."""

from __future__ import annotations

import sys
import threading

import pytest

from sim import ClosedError
from sim.worker import Worker


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
