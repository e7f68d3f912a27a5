"""While all wait, the scheduler sleeps: counted in looks at its fds, which no slowness of the machine can change.

A hook stands for the rest of the world: it is called when the scheduler is about to sleep, and completes one operation.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine import Retry, Scheduler
from engine.drivers.poller import Poller
from engine.modes import NOTIFY
from simaccel.testing import ManualAccelerator
from tests.engine.ways import complete_next, manual

JOBS, OPERATIONS = 32, 4


class Sleeps:
    """Counts what the scheduler asks of its poller: looks (timeout 0), and sleeps by how long they may be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: Callable[[], None]) -> None:
        self.looks = 0
        self.sleeps: list[int | None] = []
        wait = Poller.wait

        def counted(poller: Poller, timeout_ns: int | None) -> list[int]:
            if timeout_ns == 0:
                self.looks += 1
                return wait(poller, 0)
            self.sleeps.append(timeout_ns)
            world()
            found = wait(poller, 0)
            assert found or timeout_ns is not None, "it would have slept for ever: a wake was lost"
            return found

        monkeypatch.setattr(Poller, "wait", counted)


@pytest.mark.parametrize("notify", NOTIFY)
def test_each_sleep_ends_with_a_completion(notify: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sleep without an end for each completion, and at most two looks: no loop is busy."""
    with manual(notify, real=True) as (accel, engine), Scheduler() as scheduler:
        sleeps = Sleeps(monkeypatch, lambda: _complete(accel))

        def job() -> None:
            for _ in range(OPERATIONS):
                engine.call("null")

        for _ in range(JOBS):
            scheduler.spawn(job)
        scheduler.run()
        completions = JOBS * OPERATIONS
        assert accel.submitted == completions
        assert set(sleeps.sleeps) <= {None}
        assert len(sleeps.sleeps) <= completions
        assert sleeps.looks <= 2 * completions + 2
        assert engine.statistics.spurious_wakes == 0


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_full_ring_is_waited_for_asleep_too(notify: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a free slot wakes who waits for it: nobody tries in vain."""
    with manual(notify, depth=2, real=True) as (accel, engine), Scheduler() as scheduler:
        sleeps = Sleeps(monkeypatch, lambda: _complete(accel))
        for _ in range(JOBS):
            scheduler.spawn(engine.call, "null")
        scheduler.run()
        assert set(sleeps.sleeps) <= {None}
        assert len(sleeps.sleeps) <= JOBS
        assert engine.statistics.eagains == JOBS - 2


def test_those_that_ask_again_by_themselves_are_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """EAGAIN without a promise, and a device that does not move: sleeps of 100 us, doubled up to 10 ms."""
    with (
        manual("callback", retry=Retry(wake="at_once"), depth=1, real=True) as (accel, engine),
        Scheduler() as scheduler,
    ):

        def world() -> None:
            if sleeps.sleeps[-1] is None or len(sleeps.sleeps) % 20 == 0:
                _complete(accel)

        sleeps = Sleeps(monkeypatch, world)
        for _ in range(3):
            scheduler.spawn(engine.call, "null")
        scheduler.run()
        expected = [100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 6_400_000, 10_000_000]
        assert sleeps.sleeps[: len(expected)] == expected
        assert set(sleeps.sleeps[len(expected) : 20]) == {10_000_000}
        assert engine.statistics.operations == 3


def _complete(accel: ManualAccelerator) -> None:
    """As the device's thread does it: behind it a poller polls for itself."""
    if accel.polled:
        accel.complete(accel.requests[0])
    else:
        complete_next(accel)
