"""How a wait for a slot ends without one: limit, deadline, cancel, close; and what then becomes of the turn."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine import (
    ClosedError,
    DeadlineError,
    Retry,
    RingFullError,
    start_job,
)
from tests.engine.waiters import WAYS, Waiters
from tests.engine.ways import Calls, complete_next, manual
from waitctx import Status, WaitCtx


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
        space = engine._performer.slots
        ending = next(iter(space.waiting))

        class Cut(type(space.waiting)):  # type: ignore[misc]
            def __delitem__(self, operation: Any) -> None:
                super().__delitem__(operation)
                if operation is ending:
                    waiters.jobs[1].cancel()

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
