"""How long an operation in virtual time takes. The benchmarks show it; it tells how many seeds a test suite can
afford."""

from __future__ import annotations

from time import perf_counter_ns

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from sim import Accelerator, VirtualClock


def virtual_operation_ns(jobs: int = 64, each: int = 400, *, notify: str = "callback", stackless: bool = True) -> float:
    """How many ns of real time an operation of the null kernel takes on one core. A Scheduler runs `jobs` jobs, and
    each does `each` operations, one after the other."""
    with Accelerator(256, clock=VirtualClock(), seed=1) as accel, Engine(accel, notify) as engine, Scheduler() as sched:

        async def awaits() -> None:
            for _ in range(each):
                await engine.aio.call("null")

        def calls() -> None:
            for _ in range(each):
                engine.call("null")

        spawned = [sched.spawn(awaits if stackless else calls) for _ in range(jobs)]
        before_ns = perf_counter_ns()
        sched.run()
        took_ns = perf_counter_ns() - before_ns
        for job in spawned:
            job.result()
        return took_ns / (jobs * each)
