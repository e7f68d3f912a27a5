"""The cases with an engine. It runs on the accelerator in every mode, and each caller must get its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.errors import DeadlineError
from engine.modes import CONTRACTS, MODES
from engine.offload.retry_setting import Retry
from simaccel.testing.contract_suite.harness import Harness

JOBS = 12


def _modes(harness: Harness) -> Iterator[tuple[Engine, str]]:
    for notify, row in MODES.items():
        for contract in CONTRACTS if row.by_callback else CONTRACTS[:1]:
            for retry in (Retry(), Retry("at_once")):
                with Engine(harness.accel, notify, contract, retry) as engine:
                    yield engine, f"notify={notify}, contract={contract}, retry={retry.wake}"


def jobs_get_their_results(harness: Harness) -> None:
    """Stackful and stackless jobs get their own results in every mode, even if there are more jobs than slots."""
    for engine, mode in _modes(harness):

        def stackful(number: int, engine: Engine = engine) -> list[bytes]:
            return [engine.call(harness.op, b"%d %d" % (number, turn)) for turn in range(3)]

        async def stackless(number: int, engine: Engine = engine) -> list[bytes]:
            return [await engine.aio.call(harness.op, b"%d %d" % (number, turn)) for turn in range(3)]

        with Scheduler() as sched:
            jobs = [sched.spawn(stackless if number % 2 else stackful, number) for number in range(JOBS)]
            sched.run()
            for number, job in enumerate(jobs):
                wanted = [harness.software(b"%d %d" % (number, turn)) for turn in range(3)]
                harness.ensure(job.result() == wanted, f"every job gets its own results, with {mode}")


def blocking_calls_get_their_results(harness: Harness) -> None:
    """A call outside of any job blocks until its result is there, in every mode."""
    for engine, mode in _modes(harness):
        for number in range(3):
            result = engine.call(harness.op, b"%d" % number)
            harness.ensure(result == harness.software(b"%d" % number), f"a blocking call gets its result, with {mode}")


def tasks_get_their_results(harness: Harness) -> None:
    """asyncio tasks get their own results in every mode, by `engine.aio.call` and by `engine.aio.run`."""
    for engine, mode in _modes(harness):

        async def main(engine: Engine = engine) -> list[bytes]:
            tasks: list[Awaitable[bytes]] = [
                engine.aio.call(harness.op, b"%d" % number)
                if number % 2
                else engine.aio.run(engine.call, harness.op, b"%d" % number)
                for number in range(JOBS)
            ]
            return list(await asyncio.gather(*tasks))

        wanted = [harness.software(b"%d" % number) for number in range(JOBS)]
        harness.ensure(asyncio.run(main()) == wanted, f"every task gets its own result, with {mode}")


def given_up_does_no_harm(harness: Harness) -> None:
    """A completion that comes after its deadline is dropped, and the calls after it get their own results."""
    for engine, mode in _modes(harness):
        for number in range(3):
            try:
                result = engine.call(harness.op, b"%d" % number, deadline_ns=1)
            except DeadlineError:
                result = harness.software(b"%d" % number)
            harness.ensure(
                result == harness.software(b"%d" % number), f"a late result reaches no other call, with {mode}"
            )
            result = engine.call(harness.op, b"after %d" % number)
            harness.ensure(
                result == harness.software(b"after %d" % number),
                f"a call after a late one gets its own result, with {mode}",
            )


ENGINE_CASES = (
    jobs_get_their_results,
    blocking_calls_get_their_results,
    tasks_get_their_results,
    given_up_does_no_harm,
)
