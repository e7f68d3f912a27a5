"""The virtual clock: jumps, advances, and several devices on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Accelerator, Request, UsageError, VirtualClock
from tests.sim.sim_requests import Completions


def test_it_stands_still_by_itself() -> None:
    clock = VirtualClock(5)
    with Accelerator(latency="fixed:1us", clock=clock) as accel:
        Completions(accel).submit()
        assert clock.now_ns() == 5
        assert accel.in_flight == 1


def test_jump_goes_to_the_next_due_time_and_says_when_there_is_none() -> None:
    clock = VirtualClock()
    with Accelerator(latency="fixed:1us", clock=clock) as accel:
        completions = Completions(accel)
        completions.submit()
        completions.submit()
        stops = []
        while clock.jump():
            stops.append((clock.now_ns(), len(completions.done)))
        assert stops == [(0, 0), (1_000, 1), (2_000, 2)]
        assert clock.jump() is False
        assert clock.now_ns() == 2_000


def test_advance_does_all_on_its_way_at_its_own_time() -> None:
    clock = VirtualClock()
    times: list[int] = []
    with Accelerator(latency="fixed:1us", clock=clock) as accel:
        for _ in range(3):
            request = Request("null", b"", on_complete=lambda request: times.append(clock.now_ns()))
            accel.prepare(request)
            accel.submit(request)
        clock.advance(2_500)
        assert times == [1_000, 2_000]
        assert clock.now_ns() == 2_500
    assert times == [1_000, 2_000, 3_000]  # closing drains, in virtual time too


def test_two_devices_on_one_clock_keep_its_order() -> None:
    clock = VirtualClock()
    order: list[str] = []
    with (
        Accelerator(latency="fixed:3us", clock=clock) as slow,
        Accelerator(latency="fixed:2us", clock=clock) as fast,
    ):
        for name, accel in (("slow", slow), ("fast", fast)):
            for _ in range(3):
                request = Request("null", b"", on_complete=noted(order, name))
                accel.prepare(request)
                accel.submit(request)
        while clock.jump():
            pass
        # At 2 fast, 3 slow, 4 fast, 6 both in the order in which they were attached, 9 slow.
        assert order == ["fast", "slow", "fast", "slow", "fast", "slow"]
        assert clock.now_ns() == 9_000


def test_a_closed_device_is_stepped_no_more() -> None:
    clock = VirtualClock()
    accel = Accelerator(latency="fixed:1us", clock=clock)
    accel.call_at(5_000, lambda: None)
    accel.close()
    assert clock.jump() is False


@pytest.mark.parametrize("start_ns", [-1, 1.5, True, "now"])
def test_a_start_that_can_not_be(start_ns: Any) -> None:
    with pytest.raises(UsageError, match="start_ns"):
        VirtualClock(start_ns)


def test_work_for_a_device_that_was_stepped_already_begins_at_once() -> None:
    """Not at the end of the time that is advanced, however far that is."""
    clock = VirtualClock()
    with (
        Accelerator(latency="fixed:1us", clock=clock) as first,
        Accelerator(latency="fixed:3us", clock=clock) as second,
    ):
        passed_on = Request("null", b"")

        def pass_on(_: Request) -> None:
            first.prepare(passed_on)
            first.submit(passed_on)

        request = Request("null", b"", on_complete=pass_on)
        second.prepare(request)
        second.submit(request)
        clock.advance(1_000_000)
    assert (passed_on.submitted_ns, passed_on.started_ns, passed_on.finished_ns) == (3_000, 3_000, 4_000)


def test_it_does_not_go_back() -> None:
    clock = VirtualClock(100)
    with pytest.raises(UsageError, match="does not go back"):
        clock.advance_to(99)
    with pytest.raises(UsageError, match="duration_ns=-1"):
        clock.advance(-1)
    assert clock.now_ns() == 100


@pytest.mark.parametrize("move", [VirtualClock.jump, lambda clock: clock.advance(10)], ids=["jump", "advance"])
def test_a_handler_can_not_move_the_clock(move: Callable[[VirtualClock], object]) -> None:
    """It is called from a step: a step inside a step would complete others in the middle of its batch."""
    clock = VirtualClock()
    said: list[str] = []
    with Accelerator(latency="fixed:1us", clock=clock) as accel:

        def handler(request: Request) -> None:
            with pytest.raises(UsageError) as caught:
                move(clock)
            said.append(str(caught.value))

        for _ in range(2):
            request = Request("null", b"", on_complete=handler)
            accel.prepare(request)
            accel.submit(request)
        clock.advance(2_000)
        assert len(said) == 2
        assert "from inside" in said[0]
        assert clock.now_ns() == 2_000


@pytest.mark.parametrize("clock", [5, "virtual", object()])
def test_what_is_no_clock_is_refused(clock: Any) -> None:
    with pytest.raises(UsageError, match="use a VirtualClock"):
        Accelerator(clock=clock)


def noted(order: list[str], name: str) -> Callable[[Request], None]:
    return lambda request: order.append(name)
