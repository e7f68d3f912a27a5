"""One way of the main job: all the work through one device and one engine, then every result checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.meter import Meter
from simaccel.cli.workload.options import RunOptions
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.cli.workload.results import WayResult
from simaccel.cli.workload.run_trace import RunTrace
from simaccel.cli.workload.software import SoftwareOperation
from simaccel.cli.workload.stopwatch import Stopwatch, until_interrupted
from simaccel.cli.workload.work import Work, rounds
from simaccel.tracing.perfetto import PerfettoTrace

Outcome = tuple[Work, bytes | Exception]


def run_way(
    options: RunOptions,
    way: str,
    kinds: Sequence[SoftwareOperation],
    work: Iterable[Work],
    bar: ProgressBar,
    failures: Failures,
    trace: RunTrace = None,
) -> WayResult:
    """Do all the work in rounds, with `options.jobs` jobs at once. Every failure and every wrong result is reported.

    After Ctrl-C the result covers what was done until then. A second Ctrl-C is raised.
    """
    if trace is not None:
        trace.add(0, "way", None, way)
    meter = Meter()
    checks = _Checks(way, failures)
    stopwatch = Stopwatch()
    with until_interrupted(stopwatch) as stack:
        accel = stack.enter_context(options.accelerator(trace))
        engine = stack.enter_context(
            options.engine(accel, way, meter.observe, trace if isinstance(trace, PerfettoTrace) else None)
        )
        sched = stack.enter_context(Scheduler())
        stopwatch.of(accel, engine)
        sessions = {kind.op: engine.session(kind.op, kind.key) for kind in kinds if kind.key is not None}
        for batch in rounds(work):
            items = iter(batch)
            with stopwatch:
                jobs = [
                    sched.spawn(_job, engine, items, sessions, meter, checks.outcomes, bar)
                    for _ in range(min(options.jobs, len(batch)))
                ]
                sched.run()
            for job in jobs:
                job.result()
            checks.check()
            # Before the next round is prepared: two at once would take twice the memory.
            batch.clear()
    checks.check()
    return stopwatch.result(way, meter, checks)


class _Checks:
    """Compares results with software, and counts the right, the wrong and the failed ones."""

    def __init__(self, way: str, failures: Failures) -> None:
        self.outcomes: list[Outcome] = []
        """Those that `check` has not looked at yet."""
        self.verified = self.failed = self.wrong = 0
        self._way = way
        self._failures = failures

    def check(self) -> None:
        """Check all new outcomes, and forget them."""
        for item, outcome in self.outcomes:
            if isinstance(outcome, Exception):
                self.failed += 1
                self._failures.add(f"{item}, by {self._way}: {outcome}")
            elif not item.request.right(outcome):
                self.wrong += 1
                self._failures.add(f"{item}, by {self._way}: the result is wrong")
            else:
                self.verified += 1
        self.outcomes.clear()


def _job(
    engine: Engine,
    items: Iterator[Work],
    sessions: dict[str, Any],
    meter: Meter,
    outcomes: list[Outcome],
    bar: ProgressBar,
) -> None:
    """The body of each job: does one piece of work after another, until none is left."""
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
        bar.step()
