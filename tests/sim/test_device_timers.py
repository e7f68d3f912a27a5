"""Timers on the device's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Accelerator, VirtualClock
from sim.timers import Timer, Timers


def test_called_at_its_time_and_once() -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        called: list[int] = []
        accel.call_at(500, lambda: called.append(clock.now_ns()))
        clock.advance_to(499)
        assert called == []
        clock.advance_to(2_000)
        assert called == [500]


def test_a_time_that_has_passed_is_now() -> None:
    clock = VirtualClock(1_000)
    with Accelerator(clock=clock) as accel:
        called: list[int] = []
        accel.call_at(5, lambda: called.append(clock.now_ns()))
        clock.jump()
        assert called == [1_000]


def test_equal_times_in_the_order_in_which_they_were_set() -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        called: list[int] = []
        for index in range(10):
            accel.call_at(100, noted(called, index))
        clock.advance(100)
        assert called == list(range(10))


def noted(called: list[int], index: int) -> Callable[[], object]:
    return lambda: called.append(index)


def test_a_jump_goes_from_timer_to_timer() -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        times: list[int] = []
        for due_ns in (300, 100, 200):
            accel.call_at(due_ns, lambda: times.append(clock.now_ns()))
        while clock.jump():
            pass
        assert times == [100, 200, 300]


def test_cancelled_it_is_not_called_and_time_does_not_stop_there() -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        timer = accel.call_at(100, lambda: pytest.fail("cancelled"))
        timer.cancel()
        timer.cancel()
        clock.jump()  # takes notice
        assert clock.jump() is False
        assert clock.now_ns() == 0


def test_cancelled_by_another_of_the_same_instant() -> None:
    clock = VirtualClock()
    called: list[str] = []
    with Accelerator(clock=clock) as accel:
        timers: list[Timer] = []
        accel.call_at(100, lambda: timers[0].cancel())
        timers.append(accel.call_at(100, lambda: called.append("cancelled before its turn")))
        clock.advance(100)
    assert called == []


def test_a_timer_may_set_a_timer() -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        times: list[int] = []

        def tick() -> None:
            times.append(clock.now_ns())
            if len(times) < 4:
                accel.call_at(clock.now_ns() + 10, tick)

        accel.call_at(10, tick)
        clock.advance(1_000)
        assert times == [10, 20, 30, 40]


def test_a_timer_that_raises_is_reported_and_the_others_are_called(reported: list[BaseException]) -> None:
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel:
        called: list[str] = []
        error = ValueError("of the timer")

        def fails() -> None:
            raise error

        accel.call_at(100, fails)
        accel.call_at(100, lambda: called.append("the other"))
        clock.advance(100)
        assert called == ["the other"]
        assert reported == [error]
        assert accel.statistics().handler_errors == 1


def test_in_real_time_the_worker_calls_it_and_not_early() -> None:
    with Accelerator() as accel:
        called = threading.Event()
        times: list[int] = []
        due_ns = accel.clock.now_ns() + 2_000_000

        def call() -> None:
            times.append(accel.clock.now_ns())
            called.set()

        accel.call_at(due_ns, call)
        called.wait()
        assert times[0] >= due_ns


def test_in_real_time_an_earlier_timer_wakes_the_worker_from_a_longer_sleep() -> None:
    with Accelerator() as accel:
        called = threading.Event()
        later = accel.call_at(accel.clock.now_ns() + 3_600_000_000_000, lambda: None)
        accel.call_at(accel.clock.now_ns() + 1_000, called.set)
        called.wait()
        later.cancel()


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 200)),
        st.tuples(st.just("cancel"), st.integers(0, 400)),
        st.tuples(st.just("go"), st.integers(0, 50)),
    ),
    max_size=300,
)


@given(_STEPS)
def test_any_program_against_a_table(steps: list[tuple[str, int]]) -> None:
    timers = Timers()
    now_ns = 0
    made: list[Timer] = []
    due_by_index: dict[int, int] = {}
    called: list[int] = []
    expected: list[int] = []
    for step, value in steps:
        if step == "set":
            due_by_index[len(made)] = now_ns + value
            made.append(timers.call_at(now_ns + value, noted(called, len(made))))
        elif step == "cancel" and made:
            made[value % len(made)].cancel()
            due_by_index.pop(value % len(made), None)
        elif step == "go":
            now_ns += value
            for call in timers.take_due(now_ns):
                call()
            due = sorted((due_ns, index) for index, due_ns in due_by_index.items() if due_ns <= now_ns)
            expected += [index for _, index in due]
            for _, index in due:
                del due_by_index[index]
            assert called == expected
            assert timers.next_due_ns() == min(due_by_index.values(), default=None)


def test_cancelled_timers_do_not_pile_up() -> None:
    """Deadlines are nearly all cancelled long before they are due."""
    timers = Timers()
    for index in range(10_000):
        timers.call_at(10**12 + index, lambda: None).cancel()
        timers.take_due(index)
    assert len(timers.heap) < 200
