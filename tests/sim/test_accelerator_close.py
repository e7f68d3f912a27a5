"""The end of an accelerator: what is in flight completes or fails, nothing is left, and nobody hangs."""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import AbstractContextManager

import pytest

from sim import Accelerator, ClosedError, Request, UsageError, VirtualClock
from tests.sim.sim_requests import Completions, Gate

both_clocks = pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "real"])


def clock(virtual: bool) -> VirtualClock | None:
    return VirtualClock() if virtual else None


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("simaccel-worker")]


@both_clocks
def test_close_drains(virtual: bool) -> None:
    accel = Accelerator(8, latency="fixed:1ms", clock=clock(virtual))
    completions = Completions(accel)
    completions.fill()
    accel.close()
    assert [request.error for request in completions.done] == [None] * 8
    assert accel.in_flight == 0
    assert accel.closed


@both_clocks
def test_leaving_the_with_block_drains(virtual: bool) -> None:
    with Accelerator(8, latency="fixed:1ms", clock=clock(virtual)) as accel:
        completions = Completions(accel)
        completions.fill()
    assert [request.error for request in completions.done] == [None] * 8


@both_clocks
def test_leaving_by_an_exception_fails_what_is_in_flight(virtual: bool) -> None:
    accel = Accelerator(8, latency="fixed:3600s", clock=clock(virtual))
    completions = Completions(accel)
    completions.fill()
    with pytest.raises(ZeroDivisionError), accel:
        raise ZeroDivisionError
    assert [type(request.error) for request in completions.done] == [ClosedError] * 8
    assert [request.result for request in completions.done] == [None] * 8
    statistics = accel.statistics()
    assert (statistics.failed, statistics.in_flight) == (8, 0)


@both_clocks
def test_without_drain_everything_fails_in_its_order(virtual: bool) -> None:
    accel = Accelerator(8, latency="fixed:3600s", clock=clock(virtual))
    completions = Completions(accel)
    sent = completions.fill()
    accel.close(drain=False)
    assert completions.done == sent
    assert all(isinstance(request.error, ClosedError) for request in sent)


@both_clocks
def test_what_was_never_announced_fails(virtual: bool) -> None:
    accel = Accelerator(8, clock=clock(virtual))
    completions = Completions(accel)
    request = completions.request()
    accel.enqueue(request)
    accel.close()
    assert completions.done == [request]
    assert isinstance(request.error, ClosedError)


@both_clocks
def test_what_nobody_polled_for_is_delivered(virtual: bool) -> None:
    accel = Accelerator(8, clock=clock(virtual))
    accel.attach(lambda slots: None, polled=True)
    completions = Completions(accel)
    completions.fill()
    accel.close()
    assert [request.error for request in completions.done] == [None] * 8


@both_clocks
def test_close_twice(virtual: bool) -> None:
    accel = Accelerator(8, clock=clock(virtual))
    completions = Completions(accel)
    completions.submit()
    accel.close()
    accel.close()
    accel.close(drain=False)
    assert len(completions.done) == 1


@both_clocks
def test_submit_after_close_is_refused(virtual: bool) -> None:
    with Accelerator(8, clock=clock(virtual)) as accel:
        completions = Completions(accel)
    request = completions.request()
    for put in (accel.submit, accel.enqueue):
        with pytest.raises(ClosedError, match="the accelerator was closed"):
            put(request)
    assert accel.in_flight == 0
    accel.doorbell()  # does nothing
    assert "closed" in repr(accel)


@both_clocks
def test_a_handler_that_submits_while_it_is_closed_is_refused(virtual: bool) -> None:
    said: list[BaseException] = []
    with Accelerator(8, latency="fixed:1ms", clock=clock(virtual)) as accel:

        def again(request: Request) -> None:
            following = Request("null", b"")
            accel.prepare(following)
            try:
                accel.submit(following)
            except ClosedError as error:
                said.append(error)

        request = Request("null", b"", on_complete=again)
        accel.prepare(request)
        accel.submit(request)
    assert len(said) == 1
    assert said[0].__traceback__ is not None


@both_clocks
def test_close_from_a_handler_is_refused_and_changes_nothing(virtual: bool) -> None:
    said: list[str] = []
    done = threading.Event()
    on = clock(virtual)
    with Accelerator(8, latency="fixed:10us", clock=on) as accel:

        def closes(request: Request) -> None:
            with pytest.raises(UsageError) as caught:
                accel.close()
            said.append(str(caught.value))
            done.set()

        request = Request("null", b"", on_complete=closes)
        accel.prepare(request)
        accel.submit(request)
        if on is not None:
            on.advance(10_000)
        done.wait()
        assert "can't be closed by the handler of a completion" in said[0]
        assert not accel.closed
        completions = Completions(accel)
        completions.submit()  # it goes on as before
    assert len(completions.done) == 1


def test_close_waits_for_the_kernel_that_runs() -> None:
    accel = Accelerator(8)
    gate, completions = Gate(accel), Completions(accel)
    request = completions.submit("gate", b"through")
    gate.entered.acquire()
    closing = threading.Thread(target=accel.close)
    closing.start()
    assert completions.done == []
    gate.open()
    closing.join()
    assert completions.done == [request]
    assert request.result == b"through"


def test_close_joins_the_thread() -> None:
    before = threads()
    accel = Accelerator()
    assert len(threads()) == len(before) + 1
    accel.close()
    assert threads() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts the fds of /proc")
def test_a_device_has_no_fd() -> None:
    before = os.listdir("/proc/self/fd")
    with Accelerator() as accel:
        completions = Completions(accel)
        completions.submit()
        completions.wait()
        assert os.listdir("/proc/self/fd") == before
    assert os.listdir("/proc/self/fd") == before


@both_clocks
def test_a_timer_that_sets_the_next_one_does_not_hold_it_up(virtual: bool) -> None:
    accel = Accelerator(clock=clock(virtual))
    called: list[str] = []

    def again() -> None:
        called.append("again")
        assert len(called) < 10
        accel.call_at(0, again)

    accel.call_at(accel.clock.now_ns() + 10**15, lambda: called.append("later"))
    accel.call_at(accel.clock.now_ns() + 10**14, again)
    accel.close()
    assert called == ["again", "later"]


@both_clocks
def test_timers_that_are_not_due_do_not_hold_it_up(virtual: bool) -> None:
    accel = Accelerator(8, clock=clock(virtual))
    accel.call_at(accel.clock.now_ns() + 3_600_000_000_000, lambda: None)
    accel.close()
    assert accel.in_flight == 0


@both_clocks
def test_a_forgotten_accelerator_is_warned_of_and_stopped(virtual: bool) -> None:
    before = threads()
    accel = Accelerator(8, latency="fixed:3600s", clock=clock(virtual))
    completions = Completions(accel)
    completions.accel = None  # type: ignore[assignment]
    request = Request("null", b"", on_complete=completions._complete)
    accel.prepare(request)
    accel.submit(request)
    held = [accel]
    del accel
    with pytest.warns(ResourceWarning, match="was never closed"):
        held.clear()
    assert threads() == before
    assert isinstance(request.error, ClosedError)


def test_a_forgotten_accelerator_is_stopped_also_where_warnings_are_errors() -> None:
    before = threads()
    raised: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: raised.append(unraisable.exc_type)
    try:
        Accelerator()  # dropped at once
        gc.collect()
    finally:
        sys.unraisablehook = hook
    assert raised == [ResourceWarning]
    assert threads() == before


def test_a_context_manager_gives_itself() -> None:
    accel: AbstractContextManager[Accelerator] = Accelerator(clock=VirtualClock())
    with accel as entered:
        assert entered is accel
