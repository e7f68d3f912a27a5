"""Jobs on a loop of asyncio or trio: `engine.aio.run`."""

from __future__ import annotations

import os
from typing import Any

import pytest

from engine import (
    Engine,
    JobCancelled,
    NoJobsError,
    Retry,
    cleanup_pool,
    current_job,
    init_pool,
    pause_job,
)
from engine.aio import running_driver
from engine.drivers.loop_driver import LoopWaker
from sim import Accelerator, VirtualClock
from tests.engine.ways import complete_next, manual
from tests.loops import Loop, TaskCancelled, both_loops, reached, turn
from waitctx import Status


@both_loops
@pytest.mark.parametrize("notify", ["fd", "pipe", "callback", "poll"])
def test_cancelling_a_task_cancels_its_job_which_may_clean_up(loop: Loop, notify: str) -> None:
    """Also with another operation; the loop does not wait for that one."""
    cleaned: list[str] = []

    def job() -> None:
        try:
            engine.call("null")
        except JobCancelled:
            cleaned.append("cancelled")
            try:
                engine.call("null")
            finally:
                cleaned.append("cleaned up")
            raise

    async def main() -> None:
        task = loop.spawn(engine.aio.run(job))
        await reached(lambda: bool(accel.requests))
        task.cancel()
        with pytest.raises(TaskCancelled):
            await task

    with manual(notify, real=True) as (accel, engine):
        loop.run(main)
        assert cleaned == ["cancelled", "cleaned up"]
        while accel.requests:
            complete_next(accel)
        assert accel.answers == [1, 1]


@both_loops
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_stackful_job_leaves_the_loop_free(loop: Loop, notify: str) -> None:
    """Operations, plain pauses, an fd of its own, and ERR: the loop's other tasks go on all the while."""
    reading, writing = os.pipe()
    turns = 0

    def job() -> bytes:
        engine.call("null")
        pause_job()
        pause_job()
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        me.wait_ctx.set_wait_fd(job, reading)
        pause_job()
        data = os.read(reading, 10)
        me.wait_ctx.clear_fd(job)
        pause_job()
        me.wait_ctx.status = Status.EAGAIN
        pause_job()
        return data

    async def main() -> None:
        nonlocal turns
        task = loop.spawn(engine.aio.run(job))
        await reached(lambda: bool(accel.requests))
        complete_next(accel)
        for _ in range(50):
            await turn()
            turns += 1
        assert not task.done
        os.write(writing, b"data")
        assert await task == b"data"

    with manual(notify, real=True) as (accel, engine):
        loop.run(main)
    assert turns == 50
    os.close(reading)
    os.close(writing)


@both_loops
@pytest.mark.parametrize("contract", ["qat", "strict"])
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_job_in_flight_is_left_alone(loop: Loop, notify: str, contract: str) -> None:
    """However often the loop turns meanwhile."""

    async def main() -> None:
        task = loop.spawn(engine.aio.run(engine.call, "echo", b"x"))
        await reached(lambda: bool(accel.requests))
        for _ in range(50):
            await turn()
        complete_next(accel)
        assert await task == b"echo:x"

    with manual(notify, contract, real=True) as (accel, engine):
        loop.run(main)
        assert engine.statistics.spurious_wakes == 0


@both_loops
@pytest.mark.parametrize("virtual", [True, False])
@pytest.mark.parametrize("notify", ["fd", "pipe", "callback"])
def test_a_job_is_resumed_once_for_each_operation(loop: Loop, notify: str, virtual: bool) -> None:
    """The loop sees a readable fd once more before the job has taken the token out of it."""

    def job() -> None:
        for _ in range(5):
            engine.sha256(b"x")

    async def main() -> None:
        for task in [loop.spawn(engine.aio.run(job)) for _ in range(3)]:
            await task

    clock = VirtualClock() if virtual else None
    with Accelerator(latency="fixed:50us" if virtual else None, clock=clock) as accel, Engine(accel, notify) as engine:
        loop.run(main)
        assert (engine.statistics.operations, engine.statistics.spurious_wakes) == (15, 0)


@both_loops
def test_an_fd_that_was_readable_when_a_wait_ended_does_not_end_the_next_wait(loop: Loop) -> None:
    """Whatever ended the first wait: a timer may, if the operation is done and its token comes a moment later."""

    async def main() -> None:
        waker = LoopWaker(running_driver())
        first = loop.spawn(waker.wait())
        await turn()
        waker.deliver()
        waker.readable()  # before the task goes on: the loop may say so once more after that
        await first
        second = loop.spawn(waker.wait())
        await turn()
        waker.readable()  # the loop saw it before the task took the token out
        for _ in range(5):
            await turn()
        assert not second.done
        waker.readable()
        await second

    loop.run(main)


@both_loops
def test_two_jobs_on_a_loop_may_wait_for_one_fd(loop: Loop) -> None:
    reading, writing = os.pipe()

    def job() -> int:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        me.wait_ctx.set_wait_fd(job, reading)
        pause_job()
        return 1

    async def main() -> None:
        tasks = [loop.spawn(engine.aio.run(job)) for _ in range(2)]
        for _ in range(10):
            await turn()
        assert not any(task.done for task in tasks)
        os.write(writing, b"x")
        assert [await task for task in tasks] == [1, 1]

    with manual(real=True) as (_, engine):
        loop.run(main)
    os.close(reading)
    os.close(writing)


@both_loops
def test_a_job_that_pauses_with_err_twice_is_cancelled(loop: Loop) -> None:
    def job() -> None:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        while True:
            me.wait_ctx.status = Status.ERR
            pause_job()

    with manual() as (_, engine), pytest.raises(JobCancelled):
        loop.run(lambda: engine.aio.run(job))


@both_loops
def test_a_jobs_exception_and_an_exhausted_pool_come_out_of_the_await(loop: Loop) -> None:
    def job() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await engine.aio.run(job)
        task = loop.spawn(engine.aio.run(engine.call, "null"))
        await reached(lambda: bool(accel.requests))
        with pytest.raises(NoJobsError):
            await engine.aio.run(job)
        complete_next(accel)
        await task

    init_pool(max_size=1)
    try:
        with manual(real=True) as (accel, engine):
            loop.run(main)
    finally:
        cleanup_pool()


@both_loops
def test_jobs_that_ask_for_a_slot_ask_ever_more_rarely(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that each asked every ms would keep the loop from sleeping, and the worker from the GIL."""
    waits: list[float | None] = []
    wait = LoopWaker.wait

    async def noted(self: LoopWaker, timeout_s: float | None = None, *args: Any, **named: Any) -> None:
        waits.append(timeout_s)
        if len(waits) >= 9 and accel.requests:
            complete_next(accel)
        await wait(self, timeout_s, *args, **named)

    async def main() -> None:
        first = loop.spawn(engine.aio.run(engine.call, "echo", b"1"))
        await reached(lambda: bool(accel.requests))
        assert await engine.aio.run(engine.call, "echo", b"2") == b"echo:2"
        assert await first == b"echo:1"

    with manual("callback", retry=Retry(wake="at_once"), depth=1, real=True) as (accel, engine):
        monkeypatch.setattr(LoopWaker, "wait", noted)
        loop.run(main)
    asked = [timeout_s for timeout_s in waits if timeout_s is not None]
    assert asked[:7] == [0.001, 0.002, 0.004, 0.008, 0.016, 0.016, 0.016]
