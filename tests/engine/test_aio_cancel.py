"""A task of asyncio or trio that is cancelled, at every moment of its operation: nothing is lost or told twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from engine import ClosedError, Engine, OperationError, current_job, pause_job
from engine.aio import running_driver
from engine.drivers.loop_driver import LoopDriver
from sim import Accelerator
from tests.engine.ways import complete_next, manual
from tests.loops import Loop, TaskCancelled, both_loops, reached, turn

Door = Callable[[Engine, str], Coroutine[Any, Any, bytes]]


def awaited(engine: Engine, op: str) -> Coroutine[Any, Any, bytes]:
    return engine.aio.call(op)


def stackful(engine: Engine, op: str) -> Coroutine[Any, Any, bytes]:
    return engine.aio.run(engine.call, op)


def stackless(engine: Engine, op: str) -> Coroutine[Any, Any, bytes]:
    async def job() -> bytes:
        return await engine.aio.call(op)

    return engine.aio.run(job)


doors = pytest.mark.parametrize("door", [awaited, stackful, stackless])
notified = pytest.mark.parametrize("notify", ["fd", "callback", "poll"])


@both_loops
@doors
def test_before_it_has_begun_nothing_is_submitted(loop: Loop, door: Door) -> None:
    async def main() -> None:
        call = door(engine, "null")
        task = loop.spawn(call)
        task.cancel()
        await task.wait()
        assert task.cancelled
        call.close()  # asyncio does not begin it at all

    with manual(real=True) as (accel, engine):
        loop.run(main)
        assert accel.submitted == 0
        assert engine.statistics.operations == 0


@both_loops
@doors
@notified
def test_while_it_waits_for_a_slot_the_slot_goes_to_the_next(loop: Loop, door: Door, notify: str) -> None:
    async def main() -> None:
        tasks = []
        for number in range(3):
            tasks.append(loop.spawn(door(engine, f"echo{number}")))
            await reached(lambda: engine.in_flight == len(tasks))
        tasks[1].cancel()
        await tasks[1].wait()
        assert tasks[1].cancelled
        assert engine.in_flight == 2
        complete_next(accel)
        assert await tasks[0] == b"echo0:"
        await reached(lambda: bool(accel.requests))
        complete_next(accel)
        assert await tasks[2] == b"echo2:"

    with manual(notify, depth=1, real=True) as (accel, engine):
        loop.run(main)
        assert accel.submitted == 2
        assert not engine._performer.slots.waiting
        assert not engine._performer.slots.turns


@both_loops
@doors
@notified
@pytest.mark.parametrize("turns", range(6))
def test_at_the_moment_of_its_completion(loop: Loop, door: Door, notify: str, turns: int) -> None:
    """After 0 to 5 turns: it is completed, the loop knows of it, the task is about to run, it has its result."""

    async def main() -> None:
        task = loop.spawn(door(engine, "null"))
        await reached(lambda: bool(accel.requests))
        complete_next(accel)
        for _ in range(turns):
            await turn()
        task.cancel()
        await task.wait()
        counted = engine.statistics
        assert (counted.operations, engine.in_flight, accel.answers) == (1, 0, [None])
        if task.cancelled:
            assert turns < 5
        else:
            assert task.result() == b"null:"
            assert counted.failed == 0
        assert await loop.spawn(_next()) == b"next:"

    async def _next() -> Any:
        task = loop.spawn(door(engine, "next"))
        await reached(lambda: bool(accel.requests))
        complete_next(accel)
        return await task

    with manual(notify, real=True) as (accel, engine):
        loop.run(main)
        assert engine.statistics.spurious_wakes == 0


@both_loops
def test_at_a_plain_pause_and_while_its_job_waits_for_an_fd_of_its_own(loop: Loop) -> None:
    reading, writing = os.pipe()
    ended: list[str] = []

    def pauses() -> None:
        try:
            while True:
                pause_job()
        finally:
            ended.append("pauses")

    def reads() -> None:
        job = current_job()
        assert job is not None
        assert job.wait_ctx is not None
        job.wait_ctx.set_wait_fd(reads, reading)
        try:
            pause_job()
        finally:
            ended.append("reads")

    async def main() -> None:
        for job in (pauses, reads):
            task = loop.spawn(engine.aio.run(job))
            for _ in range(5):
                await turn()
            task.cancel()
            with pytest.raises(TaskCancelled):
                await task

    with manual(real=True) as (_, engine):
        loop.run(main)
    assert ended == ["pauses", "reads"]
    os.close(reading)  # nobody watches it any more
    os.close(writing)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@doors
def test_a_task_group_that_fails_cancels_the_others(backend: str, door: Door) -> None:
    async def fails() -> None:
        await reached(lambda: len(accel.requests) == 3)
        complete_next(accel, error=ValueError("broken"))

    async def together() -> None:
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(door, engine, f"echo{number}")
            group.start_soon(fails)

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as raised:
            await together()
        (error,) = raised.value.exceptions
        assert isinstance(error, OperationError)
        assert isinstance(error.__cause__, ValueError)
        assert engine.in_flight == 0

    with manual(real=True) as (accel, engine):
        anyio.run(main, backend=backend)
        while accel.requests:
            complete_next(accel)
        assert accel.answers == [None, 1, 1]
        assert (engine.statistics.operations, engine.statistics.failed) == (3, 3)


@both_loops
@doors
@notified
def test_ctrl_c_while_the_loop_sleeps(loop: Loop, door: Door, notify: str) -> None:
    """The device's own thread sends it, in the middle of the operation."""
    go_on = threading.Event()
    main_thread = threading.get_ident()
    drivers: list[LoopDriver] = []

    def held(payload: bytes) -> bytes:
        signal.pthread_kill(main_thread, signal.SIGINT)
        drivers[0].loop.call_soon(
            lambda: None
        )  # because asyncio sleeps through a signal that comes just before its sleep
        go_on.wait()
        return payload

    async def main() -> None:
        drivers.append(running_driver())
        await door(engine, "held")

    with Accelerator() as accel, Engine(accel, notify) as engine:
        accel.register("held", held)
        with pytest.raises(KeyboardInterrupt):
            loop.run(main)
        assert engine.in_flight == 0
        go_on.set()
        assert loop.run(lambda: engine.aio.call("echo", b"x")) == b"x"
        statistics = accel.statistics()
        assert (statistics.orphaned, statistics.completed, statistics.spurious) == (1, 1, 0)


@both_loops
@doors
@notified
def test_an_engine_that_is_closed_fails_those_that_wait(loop: Loop, door: Door, notify: str) -> None:
    """In flight, and for a slot."""

    async def main() -> None:
        tasks = [loop.spawn(door(engine, f"echo{number}")) for number in range(3)]
        await reached(lambda: engine.in_flight == 3)
        engine.close()
        for task in tasks:
            with pytest.raises(ClosedError, match="the engine was closed while this operation was in flight"):
                await task
        with pytest.raises(ClosedError):
            await door(engine, "late")

    with manual(notify, depth=1, real=True) as (_, engine):
        loop.run(main)


@both_loops
@doors
@notified
def test_an_accelerator_that_is_closed_fails_those_that_wait(loop: Loop, door: Door, notify: str) -> None:
    async def main() -> None:
        tasks = [loop.spawn(door(engine, "null")) for _ in range(3)]
        await reached(lambda: engine.in_flight == 3)
        accel.close(drain=False)
        for task in tasks:
            with pytest.raises(OperationError, match="closed"):
                await task

    with Accelerator(1, latency="fixed:3600s") as accel, Engine(accel, notify) as engine:
        loop.run(main)
