"""One way of an open load: transactions begin at their intended times, as jobs, whether or not those before are done.

Latency counts from the intended time. So a load that is late, because this machine is, makes latencies longer instead
of hiding them: no coordinated omission. One job is the pacer, which sleeps until the next time and puts what is due
into a queue. Up to `--jobs` other jobs serve that queue. Time in the queue is time that the application took, so it
counts as latency.

Little's law is checked on every run, as for `simulate`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.jobs.job import Job
from engine.jobs.pause import current_job, pause_job
from sim.errors import InternalError
from sim.randomness import Randomness
from simaccel.cli.workload.alarm import Alarm
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.meter import Meter
from simaccel.cli.workload.open_options import OpenLoad
from simaccel.cli.workload.options import RunOptions
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.cli.workload.results import LoadSummary, WayResult
from simaccel.cli.workload.reused_requests import ReusedRequests
from simaccel.cli.workload.run_trace import RunTrace
from simaccel.cli.workload.software import SoftwareOperation
from simaccel.cli.workload.stopwatch import Stopwatch, until_interrupted
from simaccel.load import Latency
from simaccel.load.mix import Transaction
from simaccel.tracing.perfetto import PerfettoTrace
from waitctx import Status


def run_open_way(
    options: RunOptions,
    load: OpenLoad,
    way: str,
    kinds: Mapping[str, SoftwareOperation],
    bar: ProgressBar,
    failures: Failures,
    trace: RunTrace = None,
) -> WayResult:
    """Send the load in one way. Every failure and every wrong result is reported.

    After Ctrl-C the result covers what was done until then. A second Ctrl-C is raised.
    """
    if trace is not None:
        trace.add(0, "way", None, way)
    drawing = trace if isinstance(trace, PerfettoTrace) else None
    times = load.times_ns(options.seed)
    requests = ReusedRequests(load.mix, kinds, Randomness(options.seed).stream("workload"), way, failures)
    meter = Meter()
    stopwatch = Stopwatch()
    sender: _Sender | None = None
    with until_interrupted(stopwatch) as stack:
        accel = stack.enter_context(options.accelerator(trace))
        engine = stack.enter_context(options.engine(accel, way, meter.observe, drawing))
        sched = stack.enter_context(Scheduler())
        alarm = stack.enter_context(Alarm(accel))
        stopwatch.of(accel, engine)
        sessions = {kind.op: engine.session(kind.op, kind.key) for kind in kinds.values() if kind.key is not None}
        drawn = load.kinds(len(times), options.seed)
        sender = _Sender(load, times, drawn, options.jobs, engine, sched, alarm, requests, meter, bar, drawing)
        with stopwatch:
            pacer = sender.begin(sessions)
            sched.run()
        pacer.result()
    requests.check()
    result = stopwatch.result(way, meter, requests)
    return result if sender is None else sender.complete(result)


class _Sender:
    """Sends one load. For the scheduler's thread alone."""

    def __init__(
        self,
        load: OpenLoad,
        times: Sequence[int],
        kinds: Sequence[int],
        most: int,
        engine: Engine,
        sched: Scheduler,
        alarm: Alarm,
        requests: ReusedRequests,
        meter: Meter,
        bar: ProgressBar,
        drawing: PerfettoTrace | None,
    ) -> None:
        self._load = load
        self._times = times
        self._transactions = [load.mix.transactions[kind] for kind in kinds]
        self._most = most
        self._engine = engine
        self._sched = sched
        self._alarm = alarm
        self._requests = requests
        self._meter = meter
        self._bar = bar
        self._drawing = drawing
        self._sessions: Mapping[str, Any] = {}
        self._now_ns: Callable[[], int] = engine.clock.now_ns
        self._begun_ns = 0
        self._next = 0
        """How many transactions have arrived: they are in the queue, or have begun."""
        self._due: deque[tuple[int, int]] = deque()
        """Numbers of transactions that wait for a job, and when they were put there."""
        self._serving = 0
        """Jobs that serve the queue."""
        self._latencies = {one.name: array("q") for one in load.mix.transactions}
        self._late = array("q")
        """By how much each was put into the queue later than intended."""
        self._inside = self._inside_ns = self._last_ns = 0
        """For Little's law: the transactions inside, their number summed over time, and the time of the last sum."""
        self._latency_ns = 0
        """The sum of the times from the queue to the end, which has to be the same."""

    def begin(self, sessions: Mapping[str, Any]) -> Job:
        """Time 0 of the load is now. Returns the pacer, a new job of the scheduler."""
        self._sessions = sessions
        self._begun_ns = self._last_ns = self._now_ns()
        return self._sched.spawn(self._pace)

    def _pace(self) -> None:
        job = current_job()
        assert job is not None
        assert job.wait_ctx is not None
        wake = job.wait_ctx.callback
        assert wake is not None, "a scheduler's job has a callback"
        self._sched.keep_going(self._engine)
        while self._next < len(self._times):
            self._take_due(self._now_ns())
            if self._next < len(self._times):
                job.wait_ctx.status = Status.OK  # a callback will come
                self._alarm.set(self._begun_ns + self._times[self._next], partial(wake.fn, wake.arg))
                pause_job()

    def _take_due(self, now_ns: int) -> None:
        """Put all that is due by now into the queue, and let jobs serve it."""
        times, until_ns, number = self._times, now_ns - self._begun_ns, self._next
        while number < len(times) and times[number] <= until_ns:
            self._late.append(until_ns - times[number])
            self._due.append((number, now_ns))
            number += 1
            if self._serving < self._most:
                self._serving += 1
                self._sched.spawn(self._serve)
        self._count(now_ns, number - self._next)
        self._next = number

    def _count(self, now_ns: int, more: int) -> None:
        self._inside_ns += self._inside * (now_ns - self._last_ns)
        self._last_ns = now_ns
        self._inside += more

    def _serve(self) -> None:
        """The body of each job but the pacer."""
        while self._due:
            number, queued_ns = self._due.popleft()
            transaction = self._transactions[number]
            if self._drawing is not None and len(transaction.steps) > 1:
                ended_ns = self._drawn(self._drawing, number, transaction)
            else:
                ended_ns = self._transact(number, transaction)
            self._latency_ns += ended_ns - queued_ns
            self._count(ended_ns, -1)
            self._bar.step()
            # Looked at here and not only when the alarm rings, because a busy thread sees the alarm late.
            if self._next < len(self._times) and self._times[self._next] <= ended_ns - self._begun_ns:
                self._take_due(ended_ns)
        self._serving -= 1

    def _drawn(self, drawing: PerfettoTrace, number: int, transaction: Transaction) -> int:
        """As `_transact`, with a slice for the transaction around those of its operations."""
        job = drawing.identify("job", current_job(), "_serve")
        drawing.add(self._now_ns(), "begins", None, job, transaction.name)
        ended_ns = self._transact(number, transaction)
        drawing.add(self._now_ns(), "ends", None, job)
        return ended_ns

    def _transact(self, number: int, transaction: Transaction) -> int:
        """Returns when it ended."""
        intended_ns = called_ns = self._begun_ns + self._times[number]
        for step in transaction.steps:
            reused = self._requests.next(step)
            request = reused.request
            try:
                result = self._engine.call(
                    step.op, request.payload, aux=request.aux, session=self._sessions.get(step.op)
                )
            except Exception as error:
                self._requests.raised(reused, error)
                return self._now_ns()
            self._meter.record(called_ns)
            called_ns = self._now_ns()
            self._requests.succeeded(reused, result)
        self._latencies[transaction.name].append(called_ns - intended_ns)
        return called_ns

    def complete(self, result: WayResult) -> WayResult:
        """The result with what this load adds. Raises InternalError if the run breaks Little's law."""
        if not result.interrupted and (self._inside or self._inside_ns != self._latency_ns):
            raise InternalError(
                f"Little's law does not hold: {self._inside_ns} ns inside, {self._latency_ns} ns in sum"
            )
        whole = array("q")
        for latencies in self._latencies.values():
            whole.extend(latencies)
        elapsed_ns = result.elapsed_ns
        summary = LoadSummary(
            arrivals=self._load.arrivals.spec,
            mix=self._load.mix.spec,
            transactions=len(whole),
            offered_per_s=self._load.arrivals.rate_per_s,
            answered_per_s=len(whole) * 1e9 / elapsed_ns if elapsed_ns else 0.0,
            mean_inside=self._inside_ns / elapsed_ns if elapsed_ns else 0.0,
            late=Latency.of(self._late),
            by_transaction={name: Latency.of(values) for name, values in self._latencies.items()},
        )
        return replace(result, total=replace(result.total, whole=Latency.of(whole)), load=summary)
