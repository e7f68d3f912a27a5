"""The submitting side by itself: what is announced and who is woken, also after an exception in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Accelerator, ClosedError, Request, UsageError, VirtualClock
from sim.gate import Gate
from sim.ring import SubmissionRing
from sim.statistics import Counters
from sim.submission import Submission

pytestmark = pytest.mark.python_source  # it puts parts of its own in place of ours


class Bell:
    """Stands for a worker that sleeps. The first `wake` raises `error` if there is one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.asleep, self.rung = 1, 0
        self.error = error
        self.wakes = 0

    def wake(self) -> bool:
        self.wakes += 1
        error, self.error = self.error, None
        if error is not None:
            raise error
        return True


class Hook:
    """Puts requests onto the ring. It may raise after that, or swallow the doorbell."""

    def __init__(self, ring: SubmissionRing, error: BaseException | None = None, *, swallows: bool = False) -> None:
        self._ring = ring
        self._error = error
        self._swallows = swallows

    def arrive(self, request: Any) -> bool:
        assert self._ring.push(request)
        if self._error is not None:
            raise self._error
        return True

    def swallow_ring(self) -> bool:
        return self._swallows


class Side:
    """A submitting side with its parts, at the time 7."""

    def __init__(self, worker: Bell | None = None, ring: SubmissionRing | None = None) -> None:
        self.ring = ring or SubmissionRing(4)
        self.gate = Gate()
        self.counters = Counters(0)
        self.submission = Submission(self.ring, self.gate, self.counters, lambda: 7, 1 << 20)
        self.submission.worker = worker  # type: ignore[assignment]

    def install(self, hook: Hook) -> None:
        self.gate.hook = hook  # type: ignore[assignment]
        self.gate.checks_submits = True


def request() -> Request:
    return Request("echo", b"x")


def submit(side: Side) -> None:
    assert side.submission.submit(request())


def enqueue(side: Side) -> None:
    assert side.submission.enqueue(request())
    side.submission.doorbell()


ways = pytest.mark.parametrize("way", [submit, enqueue])


@ways
def test_a_worker_that_was_woken_is_counted_as_one_doorbell(way: Callable[[Side], object]) -> None:
    bell = Bell()
    side = Side(bell)
    for count in (1, 2):
        way(side)
        assert (bell.wakes, side.counters.doorbells) == (count, count)
        assert side.ring.rung == side.ring.tail == count


@ways
def test_an_exception_while_the_doorbell_is_rung_comes_out_and_the_bell_is_rung(way: Callable[[Side], object]) -> None:
    bell = Bell(KeyboardInterrupt())
    side = Side(bell)
    with pytest.raises(KeyboardInterrupt):
        way(side)
    assert bell.wakes == 2
    assert side.ring.rung == side.ring.tail == 1


@pytest.mark.parametrize("bell", [Bell(), None], ids=["real", "virtual"])
def test_what_is_on_the_ring_when_an_exception_comes_is_announced(bell: Bell | None) -> None:
    """If the ring is full now, nobody would ring for it."""
    side = Side(bell)
    side.install(Hook(side.ring, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        side.submission.submit(request())
    assert side.ring.rung == side.ring.tail == 1
    assert bell is None or bell.wakes == 1


def test_a_refused_submit_announces_nothing() -> None:
    side = Side(Bell())
    assert side.submission.enqueue(request())
    side.gate.change_refusal(ClosedError("closed"), instead_of=None)
    with pytest.raises(ClosedError):
        side.submission.submit(request())
    assert (side.ring.tail, side.ring.rung) == (1, 0)


def test_a_doorbell_that_a_fault_swallows_wakes_nobody() -> None:
    bell = Bell()
    side = Side(bell)
    side.install(Hook(side.ring, swallows=True))
    assert side.submission.submit(request())
    side.submission.doorbell()
    assert (side.ring.tail, side.ring.rung, bell.wakes) == (1, 0, 0)


@ways
def test_the_time_of_the_submit_is_noted(way: Callable[[Side], object]) -> None:
    side = Side()
    way(side)
    assert side.ring.slots[0] is not None
    assert side.ring.slots[0].submitted_ns == 7


class FreesMeanwhile(SubmissionRing):
    """A ring that is full at the first look, and a moment later no longer."""

    looked = False

    def push(self, request: Any) -> bool:
        first, self.looked = not self.looked, True
        return False if first else super().push(request)


def test_a_slot_that_falls_free_after_the_look_is_taken() -> None:
    side = Side(ring=FreesMeanwhile(4))
    asked = request()
    assert side.submission.enqueue(asked) is True
    assert side.ring.slots[0] is asked
    assert side.counters.ring_full == 0


def test_a_device_may_take_one_byte_and_no_more() -> None:
    with Accelerator(clock=VirtualClock(), max_payload_bytes=1) as accel:
        accel.prepare(Request("echo", b"1"))
        with pytest.raises(UsageError, match="at most 1;"):
            accel.prepare(Request("echo", b"12"))


def test_a_kernel_refuses_what_it_can_not_take_before_the_submit() -> None:
    with Accelerator(clock=VirtualClock()) as accel, pytest.raises(UsageError, match="aux"):
        accel.prepare(Request("sha256", b"", b"more"))
