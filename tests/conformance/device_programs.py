"""Random programs for the whole way of an operation: device, engine, jobs and scheduler in virtual time.

There is no libcrypto to compare with here. Instead we check what must hold for every program. Each job ends with the
result of its own operation, or with the exception of its deadline or cancel. No job is woken for nothing. The status is
what the contract says. The device's counters add up. Nothing is left behind.
"""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import dataclass

from engine import DeadlineError, Engine, EngineError, Job, Retry, Scheduler, current_job
from engine.modes import CONTRACTS, MODES, NOTIFY
from sim import Accelerator, VirtualClock
from tests.oracle.errors import DisagreementError
from waitctx import Status

_SLOW_NS = 100_000


@dataclass(frozen=True, slots=True)
class Program:
    """One scenario, drawn from its number."""

    number: int
    notify: str
    contract: str
    depth: int
    jobs: int
    operations: int
    deadlines: bool

    @classmethod
    def draw(cls, number: int) -> Program:
        rng = random.Random(number)
        return cls(
            number=number,
            notify=NOTIFY[number % len(NOTIFY)],
            contract=CONTRACTS[number // len(NOTIFY) % len(CONTRACTS)],
            depth=rng.choice((1, 2, 4, 16)),
            jobs=rng.randint(1, 12),
            operations=rng.randint(1, 6),
            deadlines=rng.random() < 0.4,
        )


def run_device_programs(count: int) -> int:
    """Run this many programs. Raise DisagreementError at the first that does not do what it must."""
    for number in range(count):
        program = Program.draw(number)
        try:
            _run(program)
        except DisagreementError:
            raise
        except (EngineError, AssertionError) as error:
            raise DisagreementError(f"{program}: {error!r}") from error
    return count


def _run(program: Program) -> None:
    fds_before = len(os.listdir("/proc/self/fd"))
    rng = random.Random(-program.number - 1)
    clock = VirtualClock()
    accel = Accelerator(program.depth, 2, "uniform:10us,90us", seed=program.number, clock=clock)
    engine = Engine(accel, program.notify, program.contract, Retry())
    late: list[int] = []
    with accel, engine, Scheduler() as scheduler:
        jobs: list[Job] = []
        for job in range(program.jobs):
            blobs = [b"%d %d %d" % (program.number, job, step) for step in range(program.operations)]
            cuts = [program.deadlines and rng.random() < 0.2 for _ in blobs]
            fn = _stackful if rng.random() < 0.5 else _stackless
            jobs.append(scheduler.spawn(fn, engine, program, blobs, cuts, late))
        scheduler.run()
        for each in jobs:
            each.result()
        clock.advance(100 * _SLOW_NS)  # operations that were given up complete now, and nobody must be told
        if engine.polled:
            engine.poll()
        _check_counters(program, accel, engine, len(late))
    fds_after = len(os.listdir("/proc/self/fd"))
    _must(fds_after == fds_before, program, f"{fds_after - fds_before} fds stayed open")


def _stackful(engine: Engine, program: Program, blobs: list[bytes], cuts: list[bool], late: list[int]) -> None:
    for blob, cut in zip(blobs, cuts, strict=True):
        try:
            digest = engine.call("sha256", blob, deadline_ns=1 if cut else None)
        except DeadlineError:
            _must(cut, program, "a deadline was missed that was never set")
            late.append(1)
        else:
            _check_result(program, blob, digest, cut)


async def _stackless(engine: Engine, program: Program, blobs: list[bytes], cuts: list[bool], late: list[int]) -> None:
    for blob, cut in zip(blobs, cuts, strict=True):
        try:
            digest = await engine.aio.call("sha256", blob, deadline_ns=1 if cut else None)
        except DeadlineError:
            _must(cut, program, "a deadline was missed that was never set")
            late.append(1)
        else:
            _check_result(program, blob, digest, cut)


def _check_result(program: Program, blob: bytes, digest: bytes, cut: bool) -> None:
    _must(not cut, program, "an operation outlived its deadline of 1 ns")
    _must(digest == hashlib.sha256(blob).digest(), program, "a job got another's result")
    job = current_job()
    assert job is not None
    assert job.wait_ctx is not None
    by_callback = MODES[program.notify].by_callback
    expected = Status.OK if by_callback and program.contract != "dasync" else Status.UNSUPPORTED
    if by_callback and program.contract == "dasync":  # never set, but by an EAGAIN or a failure before
        return
    _must(job.wait_ctx.status == expected, program, f"status {job.wait_ctx.status!r}, the contract says {expected!r}")


def _check_counters(program: Program, accel: Accelerator, engine: Engine, late: int) -> None:
    counted, seen = accel.statistics(), engine.statistics
    total = counted.completed + counted.failed + counted.orphaned + counted.in_flight
    _must(counted.submitted == total, program, f"the counters do not add up: {counted}")
    _must(counted.in_flight == 0, program, f"{counted.in_flight} slots were not given back")
    _must(counted.spurious == 0, program, f"{counted.spurious} completions came for nobody")
    _must(counted.orphaned <= late, program, f"{counted.orphaned} completions found nobody, {late} were given up")
    _must(counted.handler_errors == 0, program, "a completion's handler raised")
    _must(engine.in_flight == 0, program, "the engine still waits for something")
    _must(seen.operations == program.jobs * program.operations, program, f"miscounted: {seen}")
    # By callback and a plain wake each, there is no way to be resumed for nothing unless a deadline crossed it.
    _must(late > 0 or seen.spurious_wakes == 0, program, f"{seen.spurious_wakes} resumes for nothing")


def _must(holds: bool, program: Program, message: str) -> None:
    if not holds:
        raise DisagreementError(f"{program}: {message}")
