"""Where the time of an operation goes, by way of waking, kind of job, coalescing, and number in flight."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import Engine, Scheduler, cleanup_pool
from engine.modes import MODES
from simaccel.bench.null_operations import ring_depth
from simaccel.bench.pause_resume import pair_samples_ns
from simaccel.bench.rig import Rig
from simaccel.bench.timed_accelerator import PAIR, STAGES, TimedAccelerator

WAYS = ("fd", "pipe", "callback", "external", "heuristic", "inline")
"""The ways of waking. fd and pipe. callback. external: the driver of the jobs polls. heuristic: the engine polls once
enough is in flight. inline: each caller polls and blocks its thread, so there is always one in flight."""
IN_FLIGHT = (1, 8, 64, 512, 4_096, 65_536)
COALESCED = 32
"""How many completions share an interrupt if it is coalesced; fewer if 50 us have passed before."""
PERCENTILES = (50.0, 99.0, 99.9)
CURVE = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 100.0)
_NOTIFY = {"external": "poll", "inline": "poll"}
_FDS_BESIDES = 64
_PAIRS = 2_000


@dataclass(frozen=True, slots=True)
class SplitCase:
    """What is measured in one cell of the split."""

    way: str
    kind: str
    in_flight: int
    coalesced: bool = False

    def __str__(self) -> str:
        coalesced = f", {COALESCED} an interrupt" if self.coalesced else ""
        return f"{self.way}, {self.kind}{coalesced}, {self.in_flight:,} in flight"


@dataclass(frozen=True, slots=True)
class SplitCell:
    """The results of a case, all in ns."""

    case: SplitCase
    count: int
    stages_ns: dict[str, list[float]]
    """The values of PERCENTILES for each stage, for "total", and for PAIR if there is a job."""
    curve_ns: list[float]
    """The total at each percentile of CURVE."""
    typical_ns: dict[str, float]
    """For each stage, its mean over the operations whose total is in the middle half. So the stages add up."""
    missing: str = ""
    """Why it could not be measured; "" if it was."""


def cases() -> Iterator[SplitCase]:
    """All cases that make sense. With polling there is no interrupt to coalesce; inline there is no job, and only one
    operation in flight."""
    for in_flight in IN_FLIGHT:
        for way in WAYS[:-1]:
            for kind in ("stackful", "stackless"):
                yield SplitCase(way, kind, in_flight)
                if way in ("fd", "callback"):
                    yield SplitCase(way, kind, in_flight, coalesced=True)
    yield SplitCase("inline", "no job", 1)


def measure(rig: Rig, case: SplitCase) -> SplitCell:
    """Measure one case."""
    missing = _missing(case)
    if missing:
        return SplitCell(case, 0, {}, [], {}, missing)
    each = max(2, {1: 1_500, 8: 400}.get(case.in_flight, 8_192 // case.in_flight))
    gc.collect()
    try:
        with ExitStack() as stack:
            options: dict[str, Any] = {"depth": ring_depth(case.in_flight)}
            if case.coalesced:
                options["coalescing"] = rig.coalescing(count=COALESCED, time_ns=50_000)
            accel = TimedAccelerator(stack.enter_context(rig.accelerator(**options)))
            engine = stack.enter_context(Engine(accel, notify=_NOTIFY.get(case.way, case.way)))
            if case.way == "inline":
                _calls(engine, accel, b"", each)
            else:
                scheduler = stack.enter_context(Scheduler())
                body = _awaits if case.kind == "stackless" else _calls
                jobs = [
                    scheduler.spawn(body, engine, accel, number.to_bytes(4, "big"), each)
                    for number in range(case.in_flight)
                ]
                scheduler.run()
                for job in jobs:
                    job.result()
            # The first operation of each job also pays for the job's start, its fd and cold caches.
            skip = case.in_flight if each > 2 else 0
            stages_ns = np.array([timed.stages_ns() for timed in accel.timed[skip:]], dtype=np.float64)
        return _cell(case, stages_ns)
    finally:
        cleanup_pool()


def _calls(engine: Engine, accel: TimedAccelerator, payload: bytes, each: int) -> None:
    call, calls, returned = engine.call, accel.calls, accel.returned
    for _ in range(each):
        calls()
        call("null", payload)
        returned(payload)


async def _awaits(engine: Engine, accel: TimedAccelerator, payload: bytes, each: int) -> None:
    call, calls, returned = engine.aio.call, accel.calls, accel.returned
    for _ in range(each):
        calls()
        await call("null", payload)
        returned(payload)


def _cell(case: SplitCase, stages_ns: Any) -> SplitCell:
    total_ns = stages_ns.sum(axis=1)
    columns = {**{stage: stages_ns[:, place] for place, stage in enumerate(STAGES)}, "total": total_ns}
    if case.way != "inline":
        columns[PAIR] = np.array(pair_samples_ns(case.kind == "stackless", _PAIRS), dtype=np.float64)
    low, high = np.percentile(total_ns, (25, 75))
    middle = stages_ns[(total_ns >= low) & (total_ns <= high)].mean(axis=0)
    return SplitCell(
        case,
        len(total_ns),
        {name: [float(value) for value in np.percentile(column, PERCENTILES)] for name, column in columns.items()},
        [float(value) for value in np.percentile(total_ns, CURVE)],
        {stage: float(value) for stage, value in zip(STAGES, middle, strict=True)},
    )


def _missing(case: SplitCase) -> str:
    needed = MODES[_NOTIFY.get(case.way, case.way)].fds_each * case.in_flight
    limit = raise_fd_limit()
    if needed + _FDS_BESIDES > limit:
        return f"needs {needed:,} fds, and RLIMIT_NOFILE is {limit:,}"
    return ""


def raise_fd_limit() -> int:
    """Raise the limit of fds as far as this process may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30
