"""The awaitable door in asyncio: tasks, cancellation, full rings, and loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from engine import (
    Engine,
    OperationError,
    Retry,
    RingFullError,
    Scheduler,
)
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock
from simaccel.testing import ManualAccelerator
from tests.engine.ways import BLOBS, DIGESTS, complete_next, manual, reached


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("virtual", [False, True])
def test_a_cancelled_task_gives_its_operation_up(notify: str, virtual: bool) -> None:
    """In flight, waiting for a slot, as a coroutine, as a stackful job: the others get theirs."""
    accel = Accelerator(depth=2, latency="fixed:20us", clock=VirtualClock() if virtual else None)

    async def main() -> None:
        calls: list[Coroutine[Any, Any, bytes]] = [engine.aio.call("echo", b"%d" % number) for number in range(8)]
        calls += [engine.aio.run(engine.call, "echo", b"%d" % number) for number in range(8, 16)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await reached(lambda: engine.in_flight == 16 or any(task.done() for task in tasks))
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [b"%d" % number for number in range(1, 16, 2)]
        for task, number in zip(tasks[::2], range(0, 16, 2), strict=True):
            assert task.cancelled() or task.result() == b"%d" % number

    with accel, Engine(accel, notify) as engine:
        asyncio.run(main())
        assert engine.in_flight == 0
    statistics = accel.statistics()
    assert statistics.submitted == statistics.completed + statistics.orphaned
    assert statistics.spurious == 0


def test_the_operation_of_a_cancelled_task_is_orphaned() -> None:
    async def main() -> None:
        task = asyncio.ensure_future(engine.aio.call("null"))
        await reached(lambda: bool(accel.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        complete_next(accel)
        assert accel.answers == [1]

    with manual(real=True) as (accel, engine):
        asyncio.run(main())


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_wake_too_early_waits_on(notify: str) -> None:
    async def main() -> None:
        tasks = [
            asyncio.ensure_future(engine.aio.call("echo", b"1")),
            asyncio.ensure_future(engine.aio.run(engine.call, "echo", b"2")),
        ]
        await reached(lambda: len(accel.requests) == 2)
        for _ in range(3):
            for request in accel.requests:
                request.wake()
            for _ in range(5):
                await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
        while accel.requests:
            complete_next(accel)
        assert await asyncio.gather(*tasks) == [b"echo:1", b"echo:2"]

    with manual(notify, real=True) as (accel, engine):
        asyncio.run(main())
        assert engine.statistics.spurious_wakes >= 2


@pytest.mark.parametrize("retry", [Retry(limit=3), Retry(wake="at_once", limit=3)], ids=["space", "at_once"])
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_a_full_ring(notify: str, retry: Retry) -> None:
    """Who waits gets the slot when it is free; who is told at once tries, and gives up at its limit."""

    async def main() -> None:
        first = asyncio.ensure_future(engine.aio.call("echo", b"1"))
        await reached(lambda: bool(accel.requests))
        calls = [engine.aio.call("echo", b"2"), engine.aio.run(engine.call, "echo", b"3")]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await reached(lambda: engine.in_flight == 3 or tasks[0].done())
        if retry.wake == "at_once":
            for task in tasks:
                with pytest.raises(RingFullError, match="after 3 tries"):
                    await task
        complete_next(accel)
        assert await first == b"echo:1"
        if retry.wake == "space":
            for task, expected in zip(tasks, [b"echo:2", b"echo:3"], strict=True):
                await reached(lambda: bool(accel.requests))
                complete_next(accel)
                assert await task == expected

    with manual(notify, retry=retry, depth=1, real=True) as (accel, engine):
        asyncio.run(main())


def test_loops_are_freed_and_each_may_use_the_same_engine() -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main(number: int) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        assert await engine.aio.sha256(BLOBS[number]) == DIGESTS[number]
        assert await engine.aio.run(engine.sha256, BLOBS[number]) == DIGESTS[number]

    with Accelerator() as accel, Engine(accel) as engine:
        for number in range(5):
            asyncio.run(main(number))
        gc.collect()
        assert [loop() for loop in loops] == [None] * 5


@pytest.mark.parametrize("notify", NOTIFY)
def test_loops_in_several_threads_share_an_engine(notify: str) -> None:
    results: dict[int, list[bytes]] = {}

    async def main() -> list[bytes]:
        half = [engine.aio.sha256(blob) for blob in BLOBS[:50]]
        other = [engine.aio.run(engine.sha256, blob) for blob in BLOBS[50:100]]
        return list(await asyncio.gather(*half, *other))

    def work(number: int) -> None:
        results[number] = asyncio.run(main())

    with Accelerator(depth=8) as accel, Engine(accel, notify) as engine:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == dict.fromkeys(range(4), DIGESTS[:100])


def test_a_loop_and_a_scheduler_share_an_engine() -> None:
    """A thread may have both, one after the other; what the one leaves does not disturb the other."""
    with Accelerator(clock=VirtualClock(), latency="fixed:1us") as accel, Engine(accel, "poll") as engine:
        for _ in range(3):
            assert asyncio.run(engine.aio.sha256(BLOBS[1])) == DIGESTS[1]
            with Scheduler() as scheduler:
                assert scheduler.map(engine.sha256, BLOBS[:5]) == DIGESTS[:5]


def test_a_task_group_of_many_kinds_of_failure() -> None:
    async def main() -> None:
        outcomes = await asyncio.gather(
            engine.aio.call("bad"),
            engine.aio.sha256(BLOBS[3]),
            engine.aio.call("unknown"),
            engine.aio.run(engine.call, "bad"),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], OperationError)
        assert outcomes[1] == DIGESTS[3]
        assert isinstance(outcomes[2], LookupError)
        assert isinstance(outcomes[3], OperationError)

    def bad(payload: bytes) -> bytes:
        raise ValueError("no")

    with Accelerator() as accel, Engine(accel, "callback") as engine:
        accel.register("bad", bad)
        asyncio.run(main())


def test_the_loop_does_not_turn_while_all_wait() -> None:
    """Counted in the loop's own steps: between two completions it is asleep in its selector."""
    with manual("poll", real=True) as (accel, engine):
        steps = asyncio.run(_count_steps(accel, engine))
    assert steps <= 12


async def _count_steps(accel: ManualAccelerator, engine: Engine) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(engine.aio.call("null"))
    await reached(lambda: bool(accel.requests))
    selector = loop._selector  # type: ignore[attr-defined]
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
