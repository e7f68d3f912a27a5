"""The way of one operation, where something comes in between: a close, a fork, a failure, an exception."""

from __future__ import annotations

import gc
import os
from typing import Any
from weakref import ref

import pytest

from engine import ClosedError, Engine, OperationError, start_job
from engine.offload.operation import Operation
from engine.offload.perform import HEURISTIC_SYMMETRIC
from engine.offload.slot_queue import SlotQueue
from simaccel.testing import ManualAccelerator
from tests.engine.ways import complete_next, manual
from waitctx import Status, WaitCtx


def test_an_engine_that_is_closed_while_an_operation_is_prepared_takes_it_no_more() -> None:
    """`close` did not see the operation, so nobody would ever end it."""
    with manual() as (accel, engine), WaitCtx() as ctx:
        prepare = accel.prepare

        def prepare_and_close(request: Any) -> None:
            prepare(request)
            engine.close()

        accel.prepare = prepare_and_close  # type: ignore[method-assign]
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        assert isinstance(job.exception, ClosedError)
        assert (engine.in_flight, accel.requests) == (0, [])
        assert engine.statistics.failed == 1


def test_what_a_closed_engine_refuses_is_not_prepared_and_no_operation() -> None:
    prepared: list[Any] = []
    with manual() as (accel, engine), WaitCtx() as ctx:
        accel.prepare = prepared.append  # type: ignore[assignment, method-assign]
        engine.close()
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        assert isinstance(job.exception, ClosedError)
        assert prepared == []
        assert engine.statistics.operations == 0


@pytest.mark.parametrize("lost", [False, True], ids=["fd is there", "fd is gone"])
def test_in_the_child_of_a_fork_each_operation_ends_and_says_why(lost: bool) -> None:
    with manual() as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        if lost:
            os.close(ctx.all_fds()[0])
        engine._performer.disown()
        assert engine.in_flight == 0
        job.resume()
        assert isinstance(job.exception, ClosedError)
        assert f"belongs to the parent process, {os.getppid()}" in str(job.exception)
        with pytest.raises(ClosedError, match="belongs to the parent process"):
            engine.call("echo")
        accel.requests.clear()


def test_an_operation_that_the_device_did_not_take_was_not_submitted() -> None:
    prepared: list[Operation] = []

    class TakesNone(ManualAccelerator):
        def prepare(self, request: Any) -> None:
            super().prepare(request)
            prepared.append(request)

        def submit(self, request: Any) -> bool:
            assert request.submitted  # it may complete before the submit returns
            raise ValueError("the device's own")

    with Engine(TakesNone()) as engine, WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        assert isinstance(job.exception, OperationError)
        assert "the device did not take echo: the device's own" in str(job.exception)
        assert [operation.submitted for operation in prepared] == [False]
        assert engine.in_flight == 0


def test_a_job_tells_what_it_waits_for_and_whether_the_device_has_it() -> None:
    """The third has not even tried, for the second was there before it."""
    with manual(depth=1) as (accel, engine), WaitCtx() as first, WaitCtx() as second, WaitCtx() as third:
        jobs = [start_job(engine.call, "echo", b"x", wait_ctx=ctx) for ctx in (first, second, third)]
        operations = [job.waiting for job in jobs if job.waiting is not None]
        assert operations[0] is accel.requests[0]
        for number, job in enumerate(jobs):
            assert [operation.submitted for operation in operations[number:]] == [True] + [False] * (2 - number)
            complete_next(accel)
            for resumed in jobs[number : number + 2]:  # this one ends, and the next one takes its slot
                resumed.resume()
            assert job.result() == b"echo:x"
            assert job.waiting is None


def test_a_kernel_that_does_not_say_that_it_is_asymmetric_counts_as_symmetric() -> None:
    class Polled(ManualAccelerator):
        polls = 0

        def poll(self, quota: int = 0) -> int:
            self.polls += 1
            return super().poll(quota)

    accel = Polled()
    with Engine(accel, "heuristic") as engine:
        jobs = [start_job(engine.call, "null") for _ in range(HEURISTIC_SYMMETRIC - 1)]
        assert accel.polls == 0
        jobs.append(start_job(engine.call, "null"))
        assert accel.polls == 1
        for job in jobs:
            job.cancel()


def test_a_deadline_leaves_no_timer_when_the_device_fails_the_operation() -> None:
    with manual() as (accel, engine), WaitCtx() as ctx:
        job = start_job(lambda: engine.call("echo", b"x", deadline_ns=1_000), wait_ctx=ctx)
        assert len(accel.timers) == 1
        complete_next(accel, error=ValueError("the kernel's"))
        job.resume()
        assert isinstance(job.exception, OperationError)
        assert accel.timers == []
        assert ctx.status is Status.ERR


def test_who_observes_is_given_each_operation_that_succeeded_with_the_time_of_its_resume() -> None:
    seen: list[tuple[Any, int]] = []
    accel = ManualAccelerator()

    def observe(operation: Operation) -> None:
        seen.append((operation.result, operation.resumed_ns))

    with Engine(accel, observe=observe) as engine, WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        complete_next(accel)
        accel.clock.time_ns = 700
        job.resume()
        job = start_job(engine.call, "echo", b"2", wait_ctx=ctx)
        complete_next(accel, error=ValueError("the kernel's"))
        job.resume()
    assert seen == [(b"echo:1", 700)]


def test_an_exception_while_a_caller_gives_up_comes_out_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = SlotQueue.leave
    raised: list[BaseException] = []

    def interrupted(slots: SlotQueue, operation: Operation) -> None:
        if not raised:
            raised.append(KeyboardInterrupt())
            raise raised[0]
        leave(slots, operation)

    with manual(depth=1) as (accel, engine), WaitCtx() as ctx, WaitCtx() as other:
        holds = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        waits = start_job(lambda: engine.call("echo", b"y", deadline_ns=1_000), wait_ctx=other)
        assert len(engine._performer.slots.waiting) == len(accel.timers) == 1
        monkeypatch.setattr(SlotQueue, "leave", interrupted)
        with pytest.raises(KeyboardInterrupt):
            waits.cancel()
        assert waits.done
        assert len(engine._performer.slots.waiting) == len(accel.timers) == 0
        assert engine.in_flight == 1
        complete_next(accel)
        holds.resume()
        assert holds.result() == b"echo:x"


def test_a_paused_job_that_nobody_keeps_is_freed_and_its_operation_ends() -> None:
    """Its own frames refer to it no more: the collector sees none of the frames of a paused greenlet."""
    with manual() as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        gone = ref(job)
        del job
        gc.collect()
        assert gone() is None
        assert engine.in_flight == 0
        accel.requests.clear()
