"""What an operation costs in virtual time: a figure for the benchmarks, and how many seeds a suite can afford."""

from __future__ import annotations

from time import perf_counter_ns

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from sim import Accelerator, VirtualClock


def virtual_operation_ns(jobs: int = 64, each: int = 400, *, notify: str = "callback", stackless: bool = True) -> float:
    """ns of real time for an operation of the null kernel through a Scheduler, on one core: so many jobs, which do so
    many each, one after the other."""
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
