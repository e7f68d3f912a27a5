"""Runs a scenario: its jobs with its faults, then a calm phase, then the check of the invariants."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256, sha384
from random import Random

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.errors import EngineError, JobCancelled
from engine.jobs.job import Job
from engine.jobs.start import start_job
from engine.offload.retry_setting import Retry
from engine.offload.statistics import EngineStatistics
from sim import Accelerator, Coalescing, RealClock, Statistics, Trace, VirtualClock
from sim.clock import Clock
from sim.randomness import Randomness
from simaccel.testing.invariants import InvariantError, Ledger, check_invariants
from simaccel.testing.scenario import OPS, Scenario

WATCHDOG_S = 60.0
SETTLE_NS = 1_000_000
"""A time that is longer than any interrupt can be delayed by coalescing."""
HAND_STEPS = 200_000

_SOFTWARE: dict[str, Callable[[bytes], bytes]] = {
    "echo": bytes,
    "sha256": lambda data: sha256(data).digest(),
    "sha384": lambda data: sha384(data).digest(),
}
_RETRIES = {"space": Retry(), "at_once": Retry("at_once"), "backoff": Retry("at_once", backoff_ns=1_000)}


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """The outcome of a run in which all invariants held."""

    digest: str
    """The digest of the trace."""
    device: Statistics
    engine: EngineStatistics
    told: dict[str, int]
    """How many operations ended with "ok", and how many with each exception, by its name."""


def run_scenario(scenario: Scenario, trace: Trace | None = None) -> ScenarioOutcome:
    """Run the scenario. Raises InvariantError if anything is lost, goes to the wrong job or is counted wrongly, or if
    the calm phase fails."""
    trace = Trace() if trace is None else trace
    clock: Clock = RealClock() if scenario.real else VirtualClock()
    with (
        Accelerator(
            scenario.depth,
            scenario.units,
            scenario.latency,
            seed=scenario.seed,
            clock=clock,
            coalescing=Coalescing(scenario.coalescing),
            trace=trace,
        ) as accel,
        Engine(
            accel, scenario.notify, scenario.contract, _RETRIES[scenario.retry], deadline_ns=scenario.deadline_ns
        ) as engine,
    ):
        ledger = Ledger(engine)
        with accel.faults.install(*scenario.faults):
            _DRIVES[scenario.drive](scenario, ledger)
        _calm_down(accel, engine)
        _work_again(engine, ledger)
        check_invariants(accel, engine, ledger)
        _check_deliveries(accel, ledger)
        if accel.in_flight:
            raise InvariantError([f"{accel!r} still has requests in flight after a reset and a calm phase"])
        told: dict[str, int] = {}
        for entry in ledger.entries:
            name = "ok" if entry.error is None else type(entry.error).__name__
            told[name] = told.get(name, 0) + 1
        return ScenarioOutcome(
            trace.digest(),
            accel.statistics(),
            engine.statistics,
            dict(sorted(told.items())),
        )


# What the jobs do


def _work(scenario: Scenario, ledger: Ledger, job: int) -> None:
    for operation in range(scenario.operations):
        op, payload, expected = _operation(job, operation)
        with suppress(EngineError):  # the caller was told, and that is all that we check here
            ledger.call(op, payload, expected)


async def _work_async(scenario: Scenario, ledger: Ledger, job: int) -> None:
    for operation in range(scenario.operations):
        op, payload, expected = _operation(job, operation)
        with suppress(EngineError):
            await ledger.aio_call(op, payload, expected)


def _operation(job: int, operation: int) -> tuple[str, bytes, bytes]:
    op = OPS[(job + operation) % len(OPS)]
    payload = f"{op} {operation} of job {job}".encode()
    return op, payload, _SOFTWARE[op](payload)


# Who runs them


def _by_scheduler(scenario: Scenario, ledger: Ledger) -> None:
    with Scheduler() as sched:
        for number in range(scenario.jobs):
            sched.spawn(_work_async if number % 2 else _work, scenario, ledger, number)
        sched.run()


def _by_asyncio(scenario: Scenario, ledger: Ledger) -> None:
    async def main() -> None:
        tasks = [
            asyncio.ensure_future(
                _work_async(scenario, ledger, number)
                if number % 2
                else ledger.engine.aio.run(_work, scenario, ledger, number)
            )
            for number in range(scenario.jobs)
        ]
        if scenario.seed % 3 == 0:
            for _ in range(scenario.seed % 7):
                await asyncio.sleep(0)
            tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError | JobCancelled):
                raise result

    asyncio.run(main())


def _by_hand(scenario: Scenario, ledger: Ledger) -> None:
    """Resume paused jobs whether they were woken or not, cancel a few, and let time pass in between."""
    rng = Randomness(scenario.seed).stream("hand")
    clock = ledger.engine.clock
    jobs: list[Job] = []
    new = scenario.jobs
    for _ in range(HAND_STEPS):
        draw = rng.random()
        if new and (draw < 0.3 or not jobs):
            number = scenario.jobs - new
            new -= 1
            job = start_job(_work_async if number % 2 else _work, scenario, ledger, number)
            jobs.append(job)
        elif jobs and draw < 0.6:
            job = _any(rng, jobs)
            if draw < 0.31:
                job.cancel()
            else:
                job.resume()
        elif not (ledger.engine.polled and ledger.engine.poll()):
            clock.jump()
        jobs = [job for job in jobs if not job.done]
        if not jobs and not new:
            return
    raise InvariantError([f"the jobs did not end in {HAND_STEPS:,} steps: {jobs}"])


def _any(rng: Random, jobs: list[Job]) -> Job:
    return jobs[int(rng.random() * len(jobs))]


def _blocking(scenario: Scenario, ledger: Ledger) -> None:
    if not scenario.real:
        for number in range(scenario.jobs):
            _work(scenario, ledger, number)
        return
    threads = [threading.Thread(target=_work, args=(scenario, ledger, number)) for number in range(scenario.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG_S)
        if thread.is_alive():
            raise InvariantError([f"a thread still waits for {ledger.engine!r} after {WATCHDOG_S} s"])


_DRIVES: dict[str, Callable[[Scenario, Ledger], None]] = {
    "scheduler": _by_scheduler,
    "asyncio": _by_asyncio,
    "hand": _by_hand,
    "blocking": _blocking,
}


# The calm phase


def _calm_down(accel: Accelerator, engine: Engine) -> None:
    """Now that the fault rules are gone, plug in the device, reset it to free what it lost, and wait until that is
    done."""
    _settle(accel, engine)
    accel.faults.plug_in()
    accel.faults.reset()
    _settle(accel, engine)


def _settle(accel: Accelerator, engine: Engine) -> None:
    settled = threading.Event()
    accel.call_at(accel.clock.now_ns() + SETTLE_NS, settled.set)
    clock = accel.clock
    if isinstance(clock, VirtualClock):
        while not settled.is_set():
            clock.jump()
    elif not settled.wait(WATCHDOG_S):
        raise InvariantError([f"{accel!r} called no timer for {WATCHDOG_S} s"])
    if engine.polled:
        while engine.poll():
            pass


def _check_deliveries(accel: Accelerator, ledger: Ledger) -> None:
    """Check the count of completed requests: it must be the results that jobs got, and those that came just before the
    job was cancelled. A late completion must not count."""
    got = sum(entry.error is None for entry in ledger.entries)
    left = sum(isinstance(entry.error, JobCancelled | asyncio.CancelledError) for entry in ledger.entries)
    completed = accel.statistics().completed
    if not got <= completed <= got + left:
        raise InvariantError(
            [f"{got} operations got their results and {left} were cancelled, but {completed} completed"]
        )


def _work_again(engine: Engine, ledger: Ledger) -> None:
    """Call operations outside of jobs, and in more jobs than there are slots, so that some must wait for a slot."""

    def work(number: int) -> None:
        payload = f"calm {number}".encode()
        try:
            ledger.call("sha256", payload, sha256(payload).digest(), deadline_ns=int(WATCHDOG_S * 1e9))
        except EngineError as error:
            raise InvariantError([f"in the calm phase, {error!r}"]) from error

    for number in range(3):
        work(number)
    with Scheduler() as scheduler:
        scheduler.map(work, range(3, 5 + engine.accel.free_slots))
