"""Deadlines, cancels, late and second completions: the caller is told once, the device owns its request to the end."""

from __future__ import annotations

from typing import Any

import pytest

from engine import DeadlineError, Engine, JobCancelled, JobState, Scheduler, UsageError, block_pauses, start_job
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock
from tests.engine.ways import Calls, complete_next, manual, readable
from tests.loops import LOOPS
from waitctx import WaitCtx

MESSAGE = "null did not complete within its deadline of 1,000 ns"
LATENCY = "fixed:1ms"


@pytest.mark.parametrize("notify", NOTIFY)
def test_a_deadline_passes_by_every_door(notify: str) -> None:
    with (
        Accelerator(clock=VirtualClock(), latency=LATENCY) as accel,
        Engine(accel, notify, deadline_ns=1_000) as engine,
        Scheduler() as scheduler,
    ):

        async def awaited() -> bytes:
            return await engine.aio.call("null")

        def blocked() -> bytes:
            with block_pauses():
                return engine.call("null")

        jobs = [scheduler.spawn(engine.call, "null"), scheduler.spawn(awaited), scheduler.spawn(blocked)]
        scheduler.run()
        for job in jobs:
            with pytest.raises(DeadlineError, match=MESSAGE):
                job.result()
        with pytest.raises(DeadlineError, match=MESSAGE):
            engine.call("null")
        for loop in LOOPS:
            with pytest.raises(DeadlineError, match=MESSAGE):
                loop.run(lambda: engine.aio.call("null"))
            with pytest.raises(DeadlineError, match=MESSAGE):
                loop.run(lambda: engine.aio.run(engine.call, "null"))
        assert (engine.statistics.operations, engine.statistics.failed, engine.in_flight) == (8, 8, 0)
        accel.clock.advance(10_000_000)  # type: ignore[union-attr]
        engine.poll() if engine.polled else None
        statistics = accel.statistics()
        assert (statistics.orphaned, statistics.spurious, statistics.completed) == (8, 0, 0)
        assert statistics.in_flight == 0


def test_the_deadline_of_a_call_overrides_the_engines() -> None:
    with Accelerator(clock=VirtualClock(), latency=LATENCY) as accel, Engine(accel, deadline_ns=1_000) as engine:
        assert engine.call("echo", b"in time", deadline_ns=2_000_000) == b"in time"
        with pytest.raises(DeadlineError, match="its deadline of 10 ns"):
            engine.call("echo", deadline_ns=10)


def test_a_deadline_in_real_time() -> None:
    """The device is far too slow; closed without draining it does not make us wait for it."""
    accel = Accelerator(latency="fixed:3600s")
    with Engine(accel, deadline_ns=1) as engine:
        with pytest.raises(DeadlineError):
            engine.call("null")
        with Scheduler() as scheduler, pytest.raises(DeadlineError):
            scheduler.map(engine.call, ["null"])
    accel.close(drain=False)
    assert accel.statistics().orphaned == 2


@pytest.mark.parametrize("order", ["completion first", "deadline first"])
@pytest.mark.parametrize("notify", ["fd", "pipe", "callback"])
def test_completion_and_deadline_at_one_time_tell_one_thing(notify: str, order: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx) if notify == "callback" else None
        job = start_job(lambda: engine.call("echo", b"x", deadline_ns=5), wait_ctx=ctx)
        accel.clock.time_ns = 5
        (timer,) = accel.timers
        if order == "completion first":
            complete_next(accel)
            timer.fire()
        else:
            timer.fire()
            complete_next(accel)
        assert calls is None or calls.count == 1
        job.resume()
        assert job.done
        if order == "completion first":
            assert job.result() == b"echo:x"
            assert accel.answers == [None]
        else:
            assert isinstance(job.exception, DeadlineError)
            assert accel.answers == [1]
        assert all(not readable(fd) for fd in ctx.all_fds())


def test_a_success_leaves_no_deadline_behind() -> None:
    with manual("fd") as (accel, engine), WaitCtx() as ctx:
        job = start_job(lambda: engine.call("null", deadline_ns=5), wait_ctx=ctx)
        assert len(accel.timers) == 1
        complete_next(accel)
        job.resume()
        assert job.done
        assert accel.timers == []


@pytest.mark.parametrize("value", [0, -1, 1.5, "1s", True])
def test_a_deadline_that_can_not_be(value: Any) -> None:
    with manual() as (accel, engine):
        with pytest.raises(UsageError, match=f"deadline_ns={value!r}: use a whole number of ns above 0"):
            engine.call("null", deadline_ns=value)
        with pytest.raises(UsageError, match=f"deadline_ns={value!r}: use"):
            Engine(accel, deadline_ns=value)
        assert (accel.submitted, engine.in_flight) == (0, 0)


@pytest.mark.parametrize("notify", ["fd", "pipe", "callback"])
def test_a_second_completion_is_spurious_and_tells_nobody(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx) if notify == "callback" else None
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        request = complete_next(accel)
        assert request.complete() == 2
        job.resume()
        assert job.result() == b"echo:x"
        assert request.complete() == 2
        assert calls is None or calls.count == 1
        assert all(not readable(fd) for fd in ctx.all_fds())
        job = start_job(engine.call, "echo", b"y", wait_ctx=ctx)
        assert request.complete() == 2  # nor does it end the next operation
        job.resume()
        assert job.paused
        complete_next(accel)
        job.resume()
        assert job.result() == b"echo:y"


@pytest.mark.parametrize("notify", ["fd", "pipe", "callback"])
def test_a_late_completion_is_orphaned_once_and_then_spurious(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        if notify == "callback":
            Calls(ctx)
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        assert job.cancel()
        assert engine.in_flight == 0
        (request,) = accel.requests
        accel.complete(request)
        assert accel.answers == [1]
        assert request.complete() == 2


def test_a_cancel_reaches_the_job_at_its_operation() -> None:
    """It may clean up there, also with another operation, and end as it likes."""
    with manual("fd") as (accel, engine), WaitCtx() as ctx:

        def job() -> bytes:
            try:
                return engine.call("echo", b"given up")
            except JobCancelled:
                return engine.call("echo", b"cleaned up")

        running = start_job(job, wait_ctx=ctx)
        assert not running.cancel()
        assert running.paused
        assert [request.payload for request in accel.requests] == [b"given up", b"cleaned up"]
        complete_next(accel)
        (fd,) = ctx.all_fds()
        assert not readable(fd)
        complete_next(accel)
        assert readable(fd)
        running.resume()
        assert running.state is JobState.FINISHED
        assert running.result() == b"echo:cleaned up"


def test_bridge_completions_that_come_late_are_counted() -> None:
    """Cancelled while on the device's thread: never a hang, and nothing is lost from the sums."""
    with Accelerator(depth=64) as accel, Engine(accel, "callback") as engine:
        with Scheduler() as scheduler:
            jobs = [scheduler.spawn(engine.sha256, b"x" * 1_000) for _ in range(64)]
        assert all(job.state is JobState.CANCELLED for job in jobs)
        contexts = [WaitCtx() for _ in range(64)]
        running = [start_job(engine.sha256, b"x" * 10_000, wait_ctx=ctx) for ctx in contexts]
        for job, ctx in zip(running, contexts, strict=True):
            job.cancel()
            ctx.close()
    statistics = accel.statistics()
    assert statistics.submitted == 64
    assert statistics.orphaned + statistics.completed == 64
    assert statistics.in_flight == 0
