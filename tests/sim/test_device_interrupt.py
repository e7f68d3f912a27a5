"""The interrupt: coalescing by count and by time, the mask of polling, and being told once. In virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sim import Accelerator, Coalescing, UsageError, VirtualClock
from sim.interrupt import Interrupt
from tests.sim.sim_requests import Completions


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def coalesced(clock: VirtualClock) -> Iterator[Accelerator]:
    """An interrupt at 4 completions, or 1,000 ns after the first; each request takes 100 ns on the one unit."""
    with Accelerator(64, latency="fixed:100ns", clock=clock, coalescing=Coalescing(4, 1_000)) as accel:
        yield accel


def nothing(slots: int) -> None:
    """A listener for freed slots."""


def test_by_default_each_completion_interrupts(clock: VirtualClock) -> None:
    with Accelerator(8, latency="fixed:100ns", clock=clock) as accel:
        completions = Completions(accel)
        for _ in range(3):
            completions.submit()
        for count in range(1, 4):
            clock.advance(100)
            assert (len(completions.done), accel.statistics().interrupts) == (count, count)


def test_completions_of_one_instant_share_an_interrupt(clock: VirtualClock) -> None:
    with Accelerator(8, units=8, latency="fixed:100ns", clock=clock) as accel:
        completions = Completions(accel)
        completions.fill()
        clock.advance(100)
        assert (len(completions.done), accel.statistics().interrupts) == (8, 1)


def test_coalesced_by_count(coalesced: Accelerator, clock: VirtualClock) -> None:
    completions = Completions(coalesced)
    for _ in range(6):
        completions.submit()
    clock.advance_to(399)
    assert completions.done == []
    clock.advance_to(400)  # the fourth
    assert (len(completions.done), coalesced.statistics().interrupts) == (4, 1)


def test_coalesced_by_time(coalesced: Accelerator, clock: VirtualClock) -> None:
    completions = Completions(coalesced)
    completions.submit()
    completions.submit()
    clock.advance_to(1_099)  # the first completed at 100
    assert completions.done == []
    assert coalesced.in_flight == 2
    clock.advance_to(1_100)
    assert (len(completions.done), coalesced.statistics().interrupts) == (2, 1)


def test_the_coalescing_time_starts_anew_with_the_next_completion(coalesced: Accelerator, clock: VirtualClock) -> None:
    completions = Completions(coalesced)
    completions.submit()
    clock.advance_to(1_100)
    assert len(completions.done) == 1
    clock.advance_to(5_000)
    completions.submit()
    clock.advance_to(6_099)
    assert len(completions.done) == 1
    clock.advance_to(6_100)
    assert len(completions.done) == 2


def test_a_coalescing_time_of_zero_is_none(clock: VirtualClock) -> None:
    with Accelerator(8, latency="fixed:100ns", clock=clock, coalescing=Coalescing(100, 0)) as accel:
        completions = Completions(accel)
        completions.submit()
        clock.advance(100)
        assert len(completions.done) == 1


def test_a_jump_goes_to_the_coalescing_timer(coalesced: Accelerator, clock: VirtualClock) -> None:
    completions = Completions(coalesced)
    completions.submit()
    while clock.jump():
        pass
    assert clock.now_ns() == 1_100
    assert len(completions.done) == 1


def test_coalesced_by_time_on_a_worker() -> None:
    """Nothing else wakes it: a timer that it forgot would leave this waiting."""
    with Accelerator(8, coalescing=Coalescing(100, 1_000_000)) as accel:
        completions = Completions(accel)
        completions.submit()
        completions.wait()
    assert accel.statistics().interrupts == 1  # the worker has ended: it counts an interrupt when its owners were told


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "4"])
def test_a_count_that_can_not_be(count: Any) -> None:
    with pytest.raises(UsageError, match="coalescing count") as caught:
        Coalescing(count)
    assert repr(count) in str(caught.value)


@pytest.mark.parametrize("time_ns", [-1, 1.5, False, "50us"])
def test_a_time_that_can_not_be(time_ns: Any) -> None:
    with pytest.raises(UsageError, match="coalescing time") as caught:
        Coalescing(4, time_ns)
    assert repr(time_ns) in str(caught.value)


# Masked


def test_polled_nothing_completes_but_in_poll(clock: VirtualClock) -> None:
    with Accelerator(8, latency="fixed:100ns", clock=clock) as accel:
        accel.attach(nothing, polled=True)
        completions = Completions(accel)
        completions.fill()
        clock.advance(1_000_000)
        assert completions.done == []
        assert accel.poll(3) == 3
        assert accel.poll(3) == 3
        assert accel.poll(3) == 2
        assert accel.poll() == 0
        assert completions.payloads == [bytes([index]) for index in range(8)]
        statistics = accel.statistics()
        assert (statistics.interrupts, statistics.polls) == (0, 4)


def test_notified_once_at_the_next_completion(clock: VirtualClock) -> None:
    with Accelerator(8, latency="fixed:100ns", clock=clock) as accel:
        accel.attach(nothing, polled=True)
        completions = Completions(accel)
        told: list[int] = []
        completions.submit()
        completions.submit()
        accel.notify_once(lambda: told.append(clock.now_ns()))
        accel.notify_once(lambda: told.append(-clock.now_ns()))
        assert told == []
        clock.advance(1_000)
        assert told == [100, -100]  # each once
        accel.poll()


def test_who_asks_again_while_notified_is_told_of_the_next_completion(clock: VirtualClock) -> None:
    """And not of the same one: a loop that polls, finds nothing more and asks again kept the worker busy for ever."""
    told: list[int] = []

    def poll_and_ask_again() -> None:
        accel.poll()
        told.append(clock.now_ns())
        if len(told) < 100:
            accel.notify_once(poll_and_ask_again)

    with Accelerator(8, latency="fixed:100ns", clock=clock) as accel:
        accel.attach(nothing, polled=True)
        completions = Completions(accel)
        accel.notify_once(poll_and_ask_again)
        completions.submit()
        clock.advance(100)
        assert told == [100]
        completions.submit()
        clock.advance(100)
        assert told == [100, 200]


def test_notified_at_once_if_there_is_something_to_poll_for(clock: VirtualClock) -> None:
    with Accelerator(8, clock=clock) as accel:
        accel.attach(nothing, polled=True)
        Completions(accel).submit()
        clock.jump()
        told: list[str] = []
        accel.notify_once(lambda: told.append("now"))
        assert told == ["now"]
        accel.poll()


def test_a_function_to_be_notified_that_raises_is_reported(clock: VirtualClock, reported: list[BaseException]) -> None:
    error = ValueError("of a loop that was closed")
    told: list[str] = []

    def fails() -> None:
        raise error

    with Accelerator(8, clock=clock) as accel:
        accel.attach(nothing, polled=True)
        completions = Completions(accel)
        accel.notify_once(fails)
        accel.notify_once(lambda: told.append("the other"))
        completions.submit()
        clock.jump()
        assert accel.poll() == 1
    assert reported == [error]
    assert told == ["the other"]


def test_a_listener_for_slots_that_raises_is_reported(clock: VirtualClock, reported: list[BaseException]) -> None:
    error = ValueError("of the listener")
    told: list[int] = []

    def fails(slots: int) -> None:
        raise error

    with Accelerator(8, clock=clock) as accel:
        accel.attach(fails, polled=False)
        accel.attach(told.append, polled=False)
        completions = Completions(accel)
        completions.submit()
        clock.jump()
        assert len(completions.done) == 1
    assert reported == [error]
    assert told == [1]


def test_one_way_for_all_engines_of_a_device(clock: VirtualClock) -> None:
    with Accelerator(8, clock=clock) as accel:
        accel.attach(nothing, polled=True)
        with pytest.raises(UsageError, match="by polling by another engine"):
            accel.attach(nothing, polled=False)
        accel.attach(nothing, polled=True)
        accel.detach(nothing)
        with pytest.raises(UsageError):
            accel.attach(nothing, polled=False)
        accel.detach(nothing)
        accel.attach(nothing, polled=False)
        completions = Completions(accel)
        completions.submit()
        clock.jump()
        assert len(completions.done) == 1


def test_each_is_told_once_also_where_two_tell_at_once() -> None:
    """As two threads may do; here the second comes inside of the first."""
    told: list[str] = []
    interrupt = Interrupt(Coalescing())

    def first() -> None:
        told.append("first")
        interrupt.notify()

    for fn in (first, lambda: told.append("second"), lambda: told.append("third")):
        interrupt.ask(fn)
    interrupt.notify()
    interrupt.notify()
    assert told == ["first", "second", "third"]


def test_an_interrupt_without_completions_is_not_due() -> None:
    interrupt = Interrupt(Coalescing())
    assert interrupt.due_ns() is None
    assert not interrupt.is_due(1 << 60)
    interrupt.masked = True
    assert not interrupt.is_due(1 << 60)


def test_when_the_last_engine_that_polls_is_gone_completions_come_by_interrupt(clock: VirtualClock) -> None:
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)
        for listener in (nothing, nothing):
            accel.attach(listener, polled=True)
        accel.detach(nothing)
        completions.submit()
        clock.jump()
        assert completions.done == []
        accel.detach(nothing)
        clock.jump()
        assert len(completions.done) == 1
        completions.submit()
        clock.jump()
        assert len(completions.done) == 2


def test_freed_slots_are_told_of_after_the_completions(clock: VirtualClock) -> None:
    told: list[tuple[int, int]] = []
    with Accelerator(4, clock=clock) as accel:
        completions = Completions(accel)
        accel.attach(lambda slots: told.append((slots, len(completions.done))), polled=True)
        completions.fill()
        clock.jump()
        accel.poll(3)
        accel.poll()
        accel.poll()
    assert told == [(3, 3), (1, 4)]


def test_polling_inside_a_completion_handler(clock: VirtualClock) -> None:
    """A wake-up callback may well do so: it gets what is there, and does not wait for itself."""
    with Accelerator(4, clock=clock) as accel:
        accel.attach(nothing, polled=True)
        polled: list[int] = []
        completions = Completions(accel)
        for _ in range(3):
            request = completions.request()
            request.on_complete = lambda request: polled.append(accel.poll())
            accel.submit(request)
        clock.jump()
        assert accel.poll(1) == 1
        assert sum(polled) == 2
        assert accel.in_flight == 0
