"""The contract's second half: an engine, in all its modes, on the accelerator in question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.errors import DeadlineError
from engine.modes import CONTRACTS, MODES
from engine.offload.retry import Retry
from simaccel.testing.contract_bench import Bench

JOBS = 12


def _modes(bench: Bench) -> Iterator[tuple[Engine, str]]:
    for notify, row in MODES.items():
        for contract in CONTRACTS if row.by_callback else CONTRACTS[:1]:
            for retry in (Retry(), Retry("at_once")):
                with Engine(bench.accel, notify, contract, retry) as engine:
                    yield engine, f"notify={notify}, contract={contract}, retry={retry.wake}"


def jobs_get_their_results(bench: Bench) -> None:
    """Jobs of both kinds get their own results, more of them than there are slots, in every mode."""
    for engine, mode in _modes(bench):

        def stackful(number: int, engine: Engine = engine) -> list[bytes]:
            return [engine.call(bench.op, b"%d %d" % (number, turn)) for turn in range(3)]

        async def stackless(number: int, engine: Engine = engine) -> list[bytes]:
            return [await engine.aio.call(bench.op, b"%d %d" % (number, turn)) for turn in range(3)]

        with Scheduler() as sched:
            jobs = [sched.spawn(stackless if number % 2 else stackful, number) for number in range(JOBS)]
            sched.run()
            for number, job in enumerate(jobs):
                wanted = [bench.software(b"%d %d" % (number, turn)) for turn in range(3)]
                bench.ensure(job.result() == wanted, f"every job gets its own results, with {mode}")


def blocking_calls_get_their_results(bench: Bench) -> None:
    """A call outside of a job waits for its result, in every mode."""
    for engine, mode in _modes(bench):
        for number in range(3):
            result = engine.call(bench.op, b"%d" % number)
            bench.ensure(result == bench.software(b"%d" % number), f"a blocking call gets its result, with {mode}")


def tasks_get_their_results(bench: Bench) -> None:
    """asyncio tasks get their own results, awaited and as jobs, in every mode."""
    for engine, mode in _modes(bench):

        async def main(engine: Engine = engine) -> list[bytes]:
            tasks: list[Awaitable[bytes]] = [
                engine.aio.call(bench.op, b"%d" % number)
                if number % 2
                else engine.aio.run(engine.call, bench.op, b"%d" % number)
                for number in range(JOBS)
            ]
            return list(await asyncio.gather(*tasks))

        wanted = [bench.software(b"%d" % number) for number in range(JOBS)]
        bench.ensure(asyncio.run(main()) == wanted, f"every task gets its own result, with {mode}")


def given_up_does_no_harm(bench: Bench) -> None:
    """A completion later than its deadline is dropped, and what comes behind it gets its own result."""
    for engine, mode in _modes(bench):
        for number in range(3):
            try:
                result = engine.call(bench.op, b"%d" % number, deadline_ns=1)
            except DeadlineError:
                result = bench.software(b"%d" % number)
            bench.ensure(result == bench.software(b"%d" % number), f"no late result reaches another call, with {mode}")
            result = engine.call(bench.op, b"behind %d" % number)
            bench.ensure(
                result == bench.software(b"behind %d" % number), f"a call behind a late one gets its own, with {mode}"
            )


ENGINE_CASES = (
    jobs_get_their_results,
    blocking_calls_get_their_results,
    tasks_get_their_results,
    given_up_does_no_harm,
)
