"""One way of the main job: all the work through one device and one engine, then every result checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.cli.complaints import Complaints
from engine.cli.measuring import Meter, WayResult
from engine.cli.options import RunOptions
from engine.cli.progress import ProgressBar
from engine.cli.software import Kind
from engine.cli.workload import Work, rounds
from engine.engine import Engine
from engine.scheduler import Scheduler
from sim import Trace

Outcome = tuple[Work, bytes | Exception]


def run_way(
    options: RunOptions,
    way: str,
    kinds: Sequence[Kind],
    work: Iterable[Work],
    bar: ProgressBar,
    complaints: Complaints,
    trace: Trace | None = None,
) -> WayResult:
    """Do all the work, from `options.jobs` jobs at once, in rounds; what fails or is wrong is complained of."""
    if trace is not None:
        trace.add(0, "way", None, way)
    meter = Meter()
    outcomes: list[Outcome] = []
    verified = failed = wrong = elapsed_ns = busy_ns = 0
    with options.accelerator(trace) as accel, options.engine(accel, way, meter.observe) as engine, Scheduler() as sched:
        sessions = {kind.op: engine.session(kind.op, kind.key) for kind in kinds if kind.key is not None}
        now_ns = accel.clock.now_ns
        for batch in rounds(work):
            items = iter(batch)
            busy_ns -= accel.statistics().busy_ns
            started_ns = now_ns()
            jobs = [
                sched.spawn(_job, engine, items, sessions, meter, outcomes, bar)
                for _ in range(min(options.jobs, len(batch)))
            ]
            sched.run()
            elapsed_ns += now_ns() - started_ns
            busy_ns += accel.statistics().busy_ns
            for job in jobs:
                job.result()
            for item, outcome in outcomes:
                if isinstance(outcome, Exception):
                    failed += 1
                    complaints.add(f"{item}, by {way}: {outcome}")
                elif not item.request.right(outcome):
                    wrong += 1
                    complaints.add(f"{item}, by {way}: the result is wrong")
                else:
                    verified += 1
            # Before the next round is prepared: two at once would take twice the memory.
            batch.clear()
            outcomes.clear()
        return WayResult(
            notify=way,
            verified=verified,
            failed=failed,
            wrong=wrong,
            elapsed_ns=elapsed_ns,
            utilisation=min(busy_ns / (elapsed_ns * accel.units), 1.0) if elapsed_ns else 0.0,
            total=meter.total(),
            by_op=meter.rows(),
            engine=engine.statistics,
            device=accel.statistics(),
        )


def _job(
    engine: Engine,
    items: Iterator[Work],
    sessions: dict[str, Any],
    meter: Meter,
    outcomes: list[Outcome],
    bar: ProgressBar,
) -> None:
    """One of the jobs: takes the next piece of work until there is none."""
    now_ns = engine.clock.now_ns
    for item in items:
        request = item.request
        called_ns = now_ns()
        try:
            result = engine.call(item.op, request.payload, aux=request.aux, session=sessions.get(item.op))
        except Exception as error:
            outcomes.append((item, error))
        else:
            meter.record(called_ns)
            outcomes.append((item, result))
        bar.step(called_ns)
