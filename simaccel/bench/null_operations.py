"""Null operations through a worker thread, many in flight: with our jobs, and with what Python itself has.

Every load is closed: there is a fixed number of callers, and each asks again as soon as it has its answer. The
operation does no work, so what is measured is the way to the worker and back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import perf_counter_ns
from types import FunctionType
from typing import Any, cast

from engine import Engine, Scheduler, cleanup_pool
from simaccel.bench.rig import Rig

_MIN_DEPTH = 256


def ring_depth(in_flight: int) -> int:
    """The smallest ring that never fills."""
    return max(_MIN_DEPTH, 1 << (in_flight - 1).bit_length())


def jobs_ns(
    rig: Rig, notify: str, stackless: bool, jobs: int, each: int, *, repeat: int = 1, assist: bool = False
) -> float:
    """The ns for an operation with `jobs` jobs at once in one scheduler, each of which does `each` null operations. All
    of it is done `repeat` times. With `assist`, on an accelerator with assistance."""
    try:
        with ExitStack() as stack:
            options = {"assist": True} if assist else {}
            accel = stack.enter_context(rig.accelerator(depth=ring_depth(jobs), **options))
            engine = stack.enter_context(Engine(accel, notify=notify))
            scheduler = stack.enter_context(Scheduler())
            body = asks(engine, stackless)
            took_ns = 0
            for _ in range(repeat):
                done = [scheduler.spawn(body, each) for _ in range(jobs)]
                before_ns = perf_counter_ns()
                scheduler.run()
                took_ns += perf_counter_ns() - before_ns
                for job in done:
                    job.result()
            return took_ns / (jobs * each * repeat)
    finally:
        cleanup_pool()


def asks(engine: Engine, stackless: bool, op: str = "null", payload: bytes = b"") -> FunctionType:
    """The function of a job that takes a number, and calls the operation that many times, one after the other."""

    async def awaits(each: int) -> None:
        call = engine.aio.call
        for _ in range(each):
            await call(op, payload)

    def calls(each: int) -> None:
        call = engine.call
        for _ in range(each):
            call(op, payload)

    return cast(FunctionType, awaits if stackless else calls)


def null() -> bytes:
    """The null kernel for Python's own executors."""
    return b""


def pool_ns(in_flight: int, count: int, workers: int | None = 1) -> float:
    """ThreadPoolExecutor: submit, and wait for the oldest result whenever `in_flight` calls are in flight."""
    with ThreadPoolExecutor(workers) as pool:
        submit = pool.submit
        before_ns = perf_counter_ns()
        futures = deque(submit(null) for _ in range(in_flight))
        for _ in range(count - in_flight):
            futures.popleft().result()
            futures.append(submit(null))
        while futures:
            futures.popleft().result()
        return (perf_counter_ns() - before_ns) / count


def run_in_executor_ns(
    in_flight: int, each: int, workers: int | None = 1, loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> float:
    """loop.run_in_executor: `in_flight` tasks, each with `each` calls, on an asyncio loop or on the given one."""

    async def ask(pool: ThreadPoolExecutor) -> None:
        run = asyncio.get_running_loop().run_in_executor
        for _ in range(each):
            await run(pool, null)

    async def main() -> float:
        with ThreadPoolExecutor(workers) as pool:
            asks: list[Coroutine[Any, Any, None]] = [ask(pool) for _ in range(in_flight)]
            before_ns = perf_counter_ns()
            await asyncio.gather(*asks)
            return (perf_counter_ns() - before_ns) / (in_flight * each)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


def gevent_ns(in_flight: int, each: int) -> float:
    """gevent's threadpool with one thread: `in_flight` greenlets, each with `each` calls. Raises ImportError without
    gevent."""
    import gevent
    from gevent.threadpool import ThreadPool

    pool = ThreadPool(1)

    def ask() -> None:
        for _ in range(each):
            pool.apply(null)

    try:
        before_ns = perf_counter_ns()
        gevent.joinall([gevent.spawn(ask) for _ in range(in_flight)], raise_error=True)
        return (perf_counter_ns() - before_ns) / (in_flight * each)
    finally:
        pool.kill()
