"""The awaitable door in asyncio and trio: tasks, cancellation, full rings, and loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest
import trio

from engine import (
    Engine,
    OperationError,
    Retry,
    RingFullError,
    Scheduler,
)
from engine.aio import running_driver
from engine.drivers.loop_driver import LoopDriver
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock
from simaccel.testing import ManualAccelerator
from tests.engine.ways import BLOBS, DIGESTS, complete_next, manual
from tests.loops import LOOPS, Loop, TaskCancelled, both_loops, reached, turn


@both_loops
@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("virtual", [False, True])
def test_a_cancelled_task_gives_its_operation_up(loop: Loop, notify: str, virtual: bool) -> None:
    """In flight, waiting for a slot, as a coroutine, as a stackful job: the others get theirs."""
    accel = Accelerator(depth=2, latency="fixed:20us", clock=VirtualClock() if virtual else None)

    async def main() -> None:
        calls: list[Coroutine[Any, Any, bytes]] = [engine.aio.call("echo", b"%d" % number) for number in range(8)]
        calls += [engine.aio.run(engine.call, "echo", b"%d" % number) for number in range(8, 16)]
        tasks = [loop.spawn(call) for call in calls]
        await reached(lambda: engine.in_flight == 16 or any(task.done for task in tasks))
        for task in tasks[::2]:
            task.cancel()
        for task in tasks:
            await task.wait()
        assert [task.result() for task in tasks[1::2]] == [b"%d" % number for number in range(1, 16, 2)]
        for task, number in zip(tasks[::2], range(0, 16, 2), strict=True):
            assert task.cancelled or task.result() == b"%d" % number

    with accel, Engine(accel, notify) as engine:
        loop.run(main)
        assert engine.in_flight == 0
    statistics = accel.statistics()
    assert statistics.submitted == statistics.completed + statistics.orphaned
    assert statistics.spurious == 0


@both_loops
def test_the_operation_of_a_cancelled_task_is_orphaned(loop: Loop) -> None:
    async def main() -> None:
        task = loop.spawn(engine.aio.call("null"))
        await reached(lambda: bool(accel.requests))
        task.cancel()
        with pytest.raises(TaskCancelled):
            await task
        complete_next(accel)
        assert accel.answers == [1]

    with manual(real=True) as (accel, engine):
        loop.run(main)


@both_loops
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_wake_too_early_waits_on(loop: Loop, notify: str) -> None:
    async def main() -> None:
        tasks = [
            loop.spawn(engine.aio.call("echo", b"1")),
            loop.spawn(engine.aio.run(engine.call, "echo", b"2")),
        ]
        await reached(lambda: len(accel.requests) == 2)
        for _ in range(3):
            for request in accel.requests:
                request.wake()
            for _ in range(5):
                await turn()
        assert not any(task.done for task in tasks)
        while accel.requests:
            complete_next(accel)
        assert [await task for task in tasks] == [b"echo:1", b"echo:2"]

    with manual(notify, real=True) as (accel, engine):
        loop.run(main)
        assert engine.statistics.spurious_wakes >= 2


@both_loops
@pytest.mark.parametrize("retry", [Retry(limit=3), Retry(wake="at_once", limit=3)], ids=["space", "at_once"])
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_full_ring(loop: Loop, notify: str, retry: Retry) -> None:
    """Who waits gets the slot when it is free; who is told at once tries, and gives up at its limit."""

    async def main() -> None:
        first = loop.spawn(engine.aio.call("echo", b"1"))
        await reached(lambda: bool(accel.requests))
        calls = [engine.aio.call("echo", b"2"), engine.aio.run(engine.call, "echo", b"3")]
        tasks = [loop.spawn(call) for call in calls]
        await reached(lambda: engine.in_flight == 3 or tasks[0].done)
        if retry.wake == "at_once":
            for task in tasks:
                with pytest.raises(RingFullError, match="after 3 tries"):
                    await task
        complete_next(accel)
        assert await first == b"echo:1"
        if retry.wake == "space":
            for _ in tasks:
                await reached(lambda: bool(accel.requests))
                complete_next(accel)
            assert [await task for task in tasks] == [b"echo:2", b"echo:3"]

    with manual(notify, retry=retry, depth=1, real=True) as (accel, engine):
        loop.run(main)


@both_loops
def test_loops_are_freed_and_each_may_use_the_same_engine(loop: Loop) -> None:
    drivers: list[weakref.ref[LoopDriver]] = []
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main(number: int) -> None:
        drivers.append(weakref.ref(running_driver()))
        if loop.name == "asyncio":
            loops.append(weakref.ref(asyncio.get_running_loop()))
        assert await engine.aio.sha256(BLOBS[number]) == DIGESTS[number]
        assert await engine.aio.run(engine.sha256, BLOBS[number]) == DIGESTS[number]

    with Accelerator() as accel, Engine(accel) as engine:
        for number in range(5):
            loop.run(partial(main, number))
        gc.collect()
        assert [driver() for driver in drivers] == [None] * 5
        assert [one() for one in loops] == [None] * len(loops)


@pytest.mark.parametrize("notify", NOTIFY)
def test_loops_in_several_threads_share_an_engine(notify: str) -> None:
    """Of both libraries."""
    results: dict[int, list[bytes]] = {}

    async def main(loop: Loop) -> list[bytes]:
        half = [engine.aio.sha256(blob) for blob in BLOBS[:50]]
        other = [engine.aio.run(engine.sha256, blob) for blob in BLOBS[50:100]]
        return await loop.gather(*half, *other)

    def work(number: int) -> None:
        loop = LOOPS[number % 2]
        results[number] = loop.run(partial(main, loop))

    with Accelerator(depth=8) as accel, Engine(accel, notify) as engine:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == dict.fromkeys(range(4), DIGESTS[:100])


@both_loops
def test_a_loop_and_a_scheduler_share_an_engine(loop: Loop) -> None:
    """A thread may have both, one after the other; what the one leaves does not disturb the other."""
    with Accelerator(clock=VirtualClock(), latency="fixed:1us") as accel, Engine(accel, "poll") as engine:
        for _ in range(3):
            assert loop.run(lambda: engine.aio.sha256(BLOBS[1])) == DIGESTS[1]
            with Scheduler() as scheduler:
                assert scheduler.map(engine.sha256, BLOBS[:5]) == DIGESTS[:5]


@both_loops
def test_tasks_that_fail_in_many_ways(loop: Loop) -> None:
    async def main() -> None:
        outcomes = await loop.gather(
            engine.aio.call("bad"),
            engine.aio.sha256(BLOBS[3]),
            engine.aio.call("unknown"),
            engine.aio.run(engine.call, "bad"),
        )
        assert isinstance(outcomes[0], OperationError)
        assert outcomes[1] == DIGESTS[3]
        assert isinstance(outcomes[2], LookupError)
        assert isinstance(outcomes[3], OperationError)

    def bad(payload: bytes) -> bytes:
        raise ValueError("no")

    with Accelerator() as accel, Engine(accel, "callback") as engine:
        accel.register("bad", bad)
        loop.run(main)


@both_loops
def test_the_loop_does_not_turn_while_all_wait(loop: Loop) -> None:
    """Counted in the loop's own steps: between two completions it is asleep."""
    with manual("poll", real=True) as (accel, engine):
        count = _count_steps_of_trio if loop.name == "trio" else _count_steps_of_asyncio
        steps = loop.run(lambda: count(accel, engine, loop))
    assert steps <= 12


async def _count_steps_of_asyncio(accel: ManualAccelerator, engine: Engine, loop: Loop) -> int:
    task = loop.spawn(engine.aio.call("null"))
    await reached(lambda: bool(accel.requests))
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    select, steps = selector.select, 0

    def counted(timeout: float | None = None) -> Any:
        nonlocal steps
        steps += 1
        if timeout is None or timeout > 0:  # asleep, until the device does something
            accel.complete(accel.requests[0])
        return select(0)

    selector.select = counted
    try:
        await task
    finally:
        del selector.select
    return steps


async def _count_steps_of_trio(accel: ManualAccelerator, engine: Engine, loop: Loop) -> int:
    class Counted(trio.abc.Instrument):
        steps = 0

        def before_io_wait(self, timeout: float) -> None:
            self.steps += 1
            if timeout > 0 and accel.requests:  # about to sleep, until the device does something
                accel.complete(accel.requests[0])

    task = loop.spawn(engine.aio.call("null"))
    await reached(lambda: bool(accel.requests))
    counted = Counted()
    trio.lowlevel.add_instrument(counted)
    await task
    trio.lowlevel.remove_instrument(counted)
    return counted.steps
