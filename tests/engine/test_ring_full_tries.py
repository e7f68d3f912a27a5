"""The full ring by itself: who tries when, what wakes him for it, and what is left when he has his slot or gives up."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from engine import DeadlineError, OperationError, Retry, RingFullError
from engine.offload.operation import Operation
from engine.offload.ring_full import SPIN_NS, SPINS, RingFull
from engine.offload.slot_queue import SlotQueue
from engine.offload.statistics import Counters
from simaccel.testing import ManualAccelerator
from tests.engine.bells import Bell, operation_in
from tests.engine.ways import RealManualClock


class Caller(Bell):
    """A waker that also notes when its caller is about to pause."""

    def __init__(self, *, blocking: bool = False, silent: bool = False) -> None:
        super().__init__()
        self.blocking, self.silent_eagain = blocking, silent

    def wait_for_slot(self, operation: Operation) -> None:
        self.calls.append("pause")


class Full:
    """A ring of one slot, which is taken, and one operation that wants it."""

    def __init__(self, retry: Retry | None = None, caller: Caller | None = None, *, real: bool = False) -> None:
        self.accel = ManualAccelerator(depth=1)
        if real:
            self.accel.clock = RealManualClock()
        self.accel.clock.time_ns = 1_000
        self.slots = SlotQueue(self.accel)
        self.accel.attach(self.slots.freed, polled=False)
        self.counters = Counters()
        self.caller = caller or Caller()
        self.flight: dict[Operation, None] = {}
        self.operation, _ = operation_in(self.flight, self.caller)
        self.holder, _ = operation_in(self.flight)
        assert self.accel.submit(self.holder)
        self.ring_full = RingFull(self.accel, retry or Retry(), self.slots, self.counters)
        self.submit: Callable[[Any], bool] = self.accel.submit
        self._way: Coroutine[Any, Any, None] = self.ring_full.get_slot(
            self.operation, self.caller, lambda request: self.submit(request)
        )

    def goes_on(self) -> bool:
        """Let the caller run to its next pause. False if it has ended."""
        try:
            self._way.send(None)
        except StopIteration:
            return False
        return True

    def free(self) -> None:
        """The request that holds the slot completes."""
        self.accel.complete(self.accel.requests[0])

    @property
    def due(self) -> list[int]:
        """When the timers are due, from now on."""
        return [timer.due_ns - self.accel.clock.time_ns for timer in self.accel.timers]

    def check_got_it(self) -> None:
        """It has the slot, and a wake will come."""
        assert self.accel.requests == [self.operation]
        assert self.operation.submitted
        assert self.operation.promised
        self.check_left()

    def check_left(self) -> None:
        """It waits for no slot any more."""
        assert not self.slots.waiting
        assert not self.slots.turns
        assert self.accel.timers == []


def test_a_slot_that_is_free_by_now_is_taken_without_a_pause() -> None:
    full = Full()
    full.free()
    assert not full.goes_on()
    full.check_got_it()
    assert (full.counters.eagains, full.counters.slots, full.caller.calls) == (0, 0, [])


def test_who_comes_while_another_waits_does_not_try() -> None:
    full = Full()
    full.free()
    other, _ = operation_in(full.flight)
    full.accel.depth = 0
    full.slots.join(other)
    full.accel.depth = 1  # the slot is the other's, as soon as somebody tells of it
    assert full.goes_on()
    assert full.accel.submitted == 1
    assert other.turn


def test_who_waits_is_woken_once_a_slot_is_his() -> None:
    full = Full()
    assert full.goes_on()
    assert full.goes_on()  # resumed too early
    assert full.caller.calls == ["pause", "pause"]
    assert list(full.slots.waiting) == [full.operation]
    assert full.operation.promised
    assert full.due == []
    full.free()
    assert full.caller.calls == ["pause", "pause", "nudge"]
    assert not full.goes_on()
    full.check_got_it()
    assert (full.counters.eagains, full.counters.slots) == (2, 1)


def test_who_finds_his_slot_taken_by_another_engine_waits_on() -> None:
    full = Full()
    assert full.goes_on()
    full.free()
    assert full.accel.submit(full.holder)
    assert full.goes_on()
    assert not full.operation.submitted
    assert list(full.slots.waiting) == [full.operation]
    assert not full.operation.turn
    full.free()
    assert not full.goes_on()
    full.check_got_it()


@pytest.mark.parametrize("blocking", [False, True])
def test_who_is_settled_while_he_waits_does_not_try_again(blocking: bool) -> None:
    full = Full(caller=Caller(blocking=blocking))
    assert full.goes_on()
    assert full.operation.fail(DeadlineError("past its deadline"))
    full.accel.requests.clear()
    assert not full.goes_on()
    assert full.accel.submitted == 1
    assert not full.operation.submitted
    full.check_left()


def test_who_may_try_so_often_fails_after_that() -> None:
    full = Full(Retry(limit=2))
    assert [full.goes_on(), full.goes_on()] == [True, True]
    with pytest.raises(RingFullError, match="still full after 2 tries"):
        full.goes_on()
    assert full.caller.calls == ["pause"] * 2


def test_a_thread_sleeps_ever_longer_and_tries_without_its_turn() -> None:
    full = Full(Retry(limit=1, blocking_limit=3, backoff_max_ns=150_000), Caller(blocking=True))
    for wait_ns in (50_000, 100_000, 150_000):
        assert full.goes_on()
        assert full.due == [wait_ns]
        assert list(full.slots.waiting) == [full.operation]
    with pytest.raises(RingFullError, match="after 3 tries"):
        full.goes_on()
    assert full.due == []
    full = Full(caller=Caller(blocking=True))
    assert full.goes_on()
    full.accel.requests.clear()  # nobody tells of the slot
    assert not full.operation.turn
    assert not full.goes_on()
    full.check_got_it()


def test_by_callback_at_once_the_status_alone_tells() -> None:
    full = Full(Retry(wake="at_once"), Caller(silent=True))
    for _ in range(SPINS + 4):
        assert full.goes_on()
        assert not full.operation.promised
        full.check_left()
    assert full.caller.calls == ["pause"] * (SPINS + 4)
    full.free()
    assert not full.goes_on()
    full.check_got_it()


@pytest.mark.parametrize(("real", "limit"), [(False, None), (False, 99), (True, None), (True, 99)])
def test_by_fd_at_once_the_first_tries_are_woken_at_once_and_later_ones_not(real: bool, limit: int | None) -> None:
    """In virtual time without a limit, by a free slot: a timer for each try would keep the clock moving for ever."""
    full = Full(Retry(wake="at_once", limit=limit), real=real)
    for _ in range(SPINS - 1):
        assert full.goes_on()
        full.check_left()
    assert full.caller.calls == ["pause", "nudge"] * (SPINS - 1)
    full.caller.calls.clear()
    for _ in range(2):
        assert full.goes_on()
        if real or limit:
            assert full.due == [SPIN_NS]
            assert not full.slots.waiting
        else:
            assert full.due == []
            assert list(full.slots.waiting) == [full.operation]
        assert full.operation.promised
    assert full.caller.calls == ["pause", "pause"]
    full.free()
    assert not full.goes_on()
    full.check_got_it()


@pytest.mark.parametrize("silent", [False, True])
def test_with_a_back_off_a_timer_wakes_for_each_try(silent: bool) -> None:
    full = Full(Retry(wake="at_once", backoff_ns=700, backoff_max_ns=2_000), Caller(silent=silent))
    for wait_ns in (700, 1_400, 2_000):
        assert full.goes_on()
        assert full.due == [wait_ns]
        assert full.operation.promised
        assert not full.slots.waiting
    (timer,) = full.accel.timers
    timer.fire()
    assert full.caller.calls == ["pause"] * 3 + ["nudge"]
    full.free()
    assert not full.goes_on()
    full.check_got_it()


@pytest.mark.parametrize("pauses", [0, 1])
def test_a_submit_that_raises_fails_the_operation_and_says_why(pauses: int) -> None:
    full = Full(Retry(wake="at_once"))

    def fails(request: Any) -> bool:
        assert request.submitted
        raise ValueError("the device's own")

    for _ in range(pauses):
        assert full.goes_on()
    full.free()
    full.submit = fails
    with pytest.raises(OperationError, match="the device did not take echo: the device's own"):
        full.goes_on()
    assert not full.operation.submitted
