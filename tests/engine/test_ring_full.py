"""A full ring: EAGAIN and a pause, turns for slots in order, limits and back-off, and what ends a wait for a slot."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine import (
    ClosedError,
    DeadlineError,
    Engine,
    Job,
    Retry,
    RingFullError,
    Scheduler,
    block_pauses,
    start_job,
)
from sim import Accelerator, VirtualClock
from tests.engine.ways import BY_FD, Calls, complete_next, manual, readable
from waitctx import Status, WaitCtx


class Waiters:
    """One job in flight on a ring of one slot, and as many that wait for it as one likes."""

    def __init__(self, engine: Engine, count: int, notify: str) -> None:
        self.contexts = [WaitCtx() for _ in range(count + 1)]
        self.calls = [Calls(ctx) if notify == "callback" else None for ctx in self.contexts]
        self.jobs = [
            start_job(engine.call, "echo", b"%d" % number, wait_ctx=ctx) for number, ctx in enumerate(self.contexts)
        ]

    def woken(self) -> list[int]:
        """The numbers of the paused jobs that an application would resume now."""
        return [number for number, job in enumerate(self.jobs) if job.paused and self._woken(number)]

    def _woken(self, number: int) -> bool:
        calls = self.calls[number]
        if calls is None:
            return readable(self.contexts[number].all_fds()[0])
        return calls.count > 0

    def resume(self, number: int) -> Job:
        """Resume a job, and forget that it was woken."""
        calls = self.calls[number]
        if calls is not None:
            calls.statuses.clear()
        self.jobs[number].resume()
        return self.jobs[number]

    def close(self) -> None:
        for job, ctx in zip(self.jobs, self.contexts, strict=True):
            job.cancel()
            ctx.close()


WAYS = pytest.mark.parametrize("notify", [*BY_FD, "callback"])


@WAYS
def test_a_slot_wakes_one_waiter_the_one_that_came_first(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 5, notify)
        assert waiters.woken() == []
        for number in range(5):
            complete_next(accel)
            assert waiters.woken() == [number, number + 1]
            assert waiters.resume(number).result() == b"echo:%d" % number
            assert waiters.resume(number + 1).paused
            assert len(accel.requests) == 1
        assert engine.statistics.eagains == 5
        waiters.close()


@WAYS
def test_who_is_resumed_out_of_turn_does_not_push_in(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 3, notify)
        for number in (3, 2):
            waiters.resume(number)
        complete_next(accel)
        for number in (3, 2):  # the slot is free, and promised to number 1
            assert waiters.resume(number).paused
        newcomer = Waiters(engine, 0, notify)
        assert accel.requests == []
        waiters.resume(1)
        assert [request.payload for request in accel.requests] == [b"1"]
        order = []
        while accel.requests:
            order.append(complete_next(accel).payload)
            for each in (waiters, newcomer):
                for number in each.woken():
                    each.resume(number)
        assert order == [b"1", b"2", b"3", b"0"]
        newcomer.close()
        waiters.close()


@WAYS
@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_turn_that_is_not_taken_goes_to_the_next(notify: str, how: str) -> None:
    """The slot is promised to a job that ends before it takes it."""
    with manual(notify, depth=1) as (accel, engine):
        first = Waiters(engine, 0, notify)
        ctx = WaitCtx()
        if notify == "callback":
            Calls(ctx)
        leaving = start_job(lambda: engine.call("echo", b"leaves", deadline_ns=10), wait_ctx=ctx)
        others = Waiters(engine, 1, notify)
        complete_next(accel)
        assert others.woken() == []
        if how == "cancel":
            leaving.cancel()
        else:
            accel.clock.time_ns = 10
            accel.timers[0].fire()
            leaving.resume()
            assert isinstance(leaving.exception, DeadlineError)
        assert others.woken() == [0]
        assert others.resume(0).paused
        assert [request.payload for request in accel.requests] == [b"0"]
        assert accel.free_slots == 0
        for waiters in (first, others):
            waiters.close()
        ctx.close()


def test_a_turn_given_in_the_moment_its_operation_ends_is_not_lost() -> None:
    """The device's thread takes the operation off the queue, the job ends it, the device's thread goes on."""
    with manual("fd", depth=1) as (accel, engine):
        waiters = Waiters(engine, 2, "fd")
        space = engine._performer.space
        ending = next(iter(space.waiting))

        class Cut(type(space.waiting)):  # type: ignore[misc]
            def popitem(self, last: bool = True) -> Any:
                taken = super().popitem(last)
                if taken[0] is ending:
                    waiters.jobs[1].cancel()
                return taken

        space.waiting = Cut(space.waiting)
        complete_next(accel)
        assert waiters.woken() == [0, 2]
        assert len(space.turns) == 1
        waiters.resume(2)
        assert [request.payload for request in accel.requests] == [b"2"]
        waiters.close()


@WAYS
def test_woken_at_once_it_tries_until_its_limit(notify: str) -> None:
    with manual(notify, retry=Retry(wake="at_once", limit=4), depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        for _ in range(3):
            if notify != "callback":
                assert waiters.woken() == [1]
            else:
                assert waiters.woken() == []
                assert waiters.contexts[1].status is Status.EAGAIN
            assert waiters.resume(1).paused
        waiters.resume(1)
        with pytest.raises(RingFullError, match=r"still full after 4 tries: .* larger depth, or a Retry with a higher"):
            waiters.jobs[1].result()
        assert len(accel.requests) == 1
        assert waiters.woken() == []  # no token is left
        waiters.close()


@WAYS
def test_back_off_doubles_up_to_its_limit_and_wakes(notify: str) -> None:
    retry = Retry(wake="at_once", backoff_ns=100, backoff_max_ns=500)
    with manual(notify, retry=retry, depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        for expected_ns in (100, 200, 400, 500, 500):
            (timer,) = accel.timers
            assert timer.due_ns - accel.clock.time_ns == expected_ns
            assert waiters.woken() == []
            accel.clock.time_ns = timer.due_ns
            timer.fire()
            assert waiters.woken() == [1]
            assert waiters.resume(1).paused
        complete_next(accel)
        assert waiters.woken() == [0]  # a free slot wakes nobody here
        accel.timers[0].fire()
        assert waiters.resume(1).paused
        assert accel.timers == []
        complete_next(accel)
        assert waiters.resume(1).result() == b"echo:1"
        waiters.close()


def test_an_early_resume_cancels_the_back_off() -> None:
    """Else its token would come later, into another operation."""
    with manual("fd", retry=Retry(wake="at_once", backoff_ns=100), depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, "fd")
        complete_next(accel)
        assert waiters.resume(1).paused
        assert accel.timers == []
        assert len(accel.requests) == 1
        waiters.close()


@pytest.mark.parametrize("blocked", [False, True])
def test_outside_of_a_job_it_sleeps_and_then_raises(blocked: bool) -> None:
    """Also in a job whose pauses are blocked. The sleeps are doubled, 50 us at first."""
    retry = Retry(blocking_limit=4)
    with manual("fd", retry=retry, depth=1) as (accel, engine), WaitCtx() as ctx:
        held = start_job(engine.call, "null", wait_ctx=ctx)
        slept: list[int] = []

        def jump() -> bool:
            (timer,) = accel.timers
            slept.append(timer.due_ns - accel.clock.time_ns)
            accel.clock.time_ns = timer.due_ns
            timer.fire()
            return True

        accel.clock.on_jump = jump

        def call() -> None:
            with block_pauses():
                engine.call("null")

        with pytest.raises(RingFullError, match="still full after 4 tries"):
            start_job(call).result() if blocked else engine.call("null")
        assert slept == [50_000, 100_000, 200_000, 400_000]
        assert (accel.timers, engine.in_flight, len(accel.requests)) == ([], 1, 1)
        held.cancel()


def test_outside_of_a_job_a_free_slot_ends_the_sleep() -> None:
    with manual("fd", depth=1) as (accel, engine), WaitCtx() as ctx:
        held = start_job(engine.call, "null", wait_ctx=ctx)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        assert engine.call("echo", b"x") == b"echo:x"
        assert accel.timers == []
        held.resume()
        assert held.done


@WAYS
def test_who_keeps_the_thread_takes_a_slot_that_is_promised_to_a_job_of_that_thread(notify: str) -> None:
    """The job can't run, so its turn would pass for nothing; it keeps its place in front."""
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        complete_next(accel)
        assert waiters.woken() == [0, 1]

        def jump() -> bool:
            if accel.requests:
                complete_next(accel)
            else:
                accel.timers[0].fire()
            return True

        accel.clock.on_jump = jump
        assert engine.call("echo", b"blocked") == b"echo:blocked"
        for number in (0, 1):
            waiters.resume(number)
        complete_next(accel)
        assert waiters.resume(1).result() == b"echo:1"
        waiters.close()


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("wake", ["space", "at_once"])
def test_no_job_starves(notify: str, wake: str) -> None:
    """Jobs that go on and on do not keep the two slots to themselves: those that came later get their turns."""
    ends: list[str] = []
    with (
        Accelerator(depth=2, clock=VirtualClock(), latency="fixed:1us") as accel,
        Engine(accel, notify, retry=Retry(wake=wake)) as engine,
        Scheduler() as scheduler,
    ):

        def job(name: str, operations: int) -> None:
            for _ in range(operations):
                engine.call("null")
            ends.append(name)

        for _ in range(8):
            scheduler.spawn(job, "long", 100)
        for _ in range(8):
            scheduler.spawn(job, "short", 1)
        scheduler.run()
        assert ends == ["short"] * 8 + ["long"] * 8


@WAYS
def test_closing_the_engine_ends_waiters_too(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 2, notify)
        engine.close()
        for number in range(3):
            waiters.resume(number)
            assert isinstance(waiters.jobs[number].exception, ClosedError)
        complete_next(accel)
        assert accel.answers == [1]
        waiters.close()


@WAYS
def test_a_deadline_passes_for_a_waiter_too(notify: str) -> None:
    """It ends at once, without a pause for a wake that has been."""
    with manual(notify, depth=1) as (accel, engine), WaitCtx() as ctx:
        waiters = Waiters(engine, 0, notify)
        if notify == "callback":
            Calls(ctx)
        job = start_job(lambda: engine.call("echo", b"x", deadline_ns=7), wait_ctx=ctx)
        accel.clock.time_ns = 7
        accel.timers[0].fire()
        job.resume()
        with pytest.raises(DeadlineError, match="echo did not complete within its deadline of 7 ns"):
            job.result()
        assert accel.submitted == 1
        waiters.close()


def test_a_callback_that_raises_costs_no_other_waiter_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))
    with manual("callback", depth=2) as (accel, engine):
        fillers = Waiters(engine, 1, "callback")
        waiters = Waiters(engine, 1, "callback")

        def bad(_: object) -> None:
            raise ZeroDivisionError("the callback's own")

        with WaitCtx() as ctx:
            ctx.set_callback(bad)
            first = start_job(engine.call, "echo", b"bad", wait_ctx=ctx)
            third = Waiters(engine, 0, "callback")
            for _ in range(2):
                complete_next(accel)
            assert waiters.woken() == [0, 1]
            assert third.woken() == []
            for number in (0, 1):
                waiters.resume(number)
            for _ in range(2):
                complete_next(accel)
            assert [type(error) for error in reported] == [ZeroDivisionError]
            assert third.woken() == [0]
            first.resume()
            third.resume(0)
            assert sorted(request.payload for request in accel.requests) == [b"0", b"bad"]
            first.cancel()
        for each in (fillers, waiters, third):
            each.close()
