"""The device: fetches requests, runs them on its units, completes them when they are due.

No thread, no lock and no fd in here, and time only as numbers from a clock: a worker thread steps it in real time, a
virtual clock in virtual time. What it does at a step:

1. Fetch what the doorbell announced, and give each request a unit, a start and a due time.
2. Do the work of a request ahead of its due time, one at a time, so that no completion waits for another's work.
3. Put what is due onto the completion ring; completions due at the same instant in an order that the seed decides.
4. Fire the interrupt, whose handler reaps the ring: frees the slots, then hands each completion to its owner.

Without a timing model a request takes what its work takes, and 1 to 3 shrink to one straight loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from operator import attrgetter

from sim.clock import Clock
from sim.errors import InternalError, SimError
from sim.interrupt import Coalescing, Interrupt
from sim.randomness import Randomness
from sim.report import report_unraisable
from sim.request import Delivery, Submittable
from sim.ring import CompletionRing, SubmissionRing
from sim.statistics import Counters
from sim.timers import Timers
from sim.timing import INSTANT, Timing
from sim.units import UnitBank

SHORT_NS = 50_000
"""Work that goes on for longer than this does not hold back the completions before it."""


_op = attrgetter("op")


class _Scheduled:
    """A request that has its unit and its times."""

    __slots__ = ("due_ns", "request", "worked")

    def __init__(self, request: Submittable, due_ns: int) -> None:
        self.request = request
        self.due_ns = due_ns
        self.worked = False


class Device:
    """One accelerator's inside. All methods but `reap` belong to the thread that steps it."""

    def __init__(
        self, depth: int, units: int, timing: Timing, coalescing: Coalescing, randomness: Randomness, clock: Clock
    ) -> None:
        self.clock = clock
        self.ring = SubmissionRing(depth)
        self.completions = CompletionRing(depth)
        self.units = UnitBank(units)
        self.interrupt = Interrupt(coalescing)
        self.timers = Timers()
        self.counters = Counters(clock.now_ns())
        self.refusal: SimError | None = None
        """Why nothing may be submitted any more; None as long as it may."""
        self.on_space: list[Callable[[int], None]] = []
        """Each is called with the number of slots that a reap has just freed."""
        self._timing = timing
        # Real time and no model: nothing is ever due later, so nothing needs a schedule.
        self._straight = not clock.virtual and timing == INSTANT
        self._service_rng = randomness.stream("service")
        self._latency_rng = randomness.stream("latency")
        self._tie_rng = randomness.stream("order")
        self._serial = 0
        self._schedule: list[tuple[int, int, int, _Scheduled]] = []
        self._ahead: deque[_Scheduled] = deque()

    # Stepping

    def has_work(self) -> bool:
        """Whether a step would do something at once."""
        return self.ring.rung != self.ring.head or bool(self._ahead) or self.timers.has_news()

    def drained(self) -> bool:
        """Behind a step: hand out what is complete, also if masked; whether all has completed that ever will."""
        self.reap()
        return not (self.ring.rung != self.ring.head or self._schedule)

    def step(self) -> int | None:
        """Do all that is due now; return when something is due next, None for never."""
        while True:
            batch = self.ring.fetch()
            if batch:
                self.counters.count_batch(len(batch))
                if self._straight:
                    self._run_straight(batch)
                else:
                    self._assign(batch)
            now_ns = self.clock.now_ns()
            if self._schedule and self._schedule[0][0] <= now_ns:
                self._retire(now_ns)
            for call in self.timers.take_due(now_ns):
                self._guarded(call)
            if self.interrupt.fire(now_ns):
                self._handle_interrupt(now_ns)
            if self._ahead:
                self._work(self._ahead.popleft())
            elif self.ring.rung == self.ring.head:
                return self.next_due_ns()

    def next_due_ns(self) -> int | None:
        """The next time at which a step will have something to do."""
        dues = (self._schedule[0][0] if self._schedule else None, self.timers.next_due_ns(), self.interrupt.due_ns())
        return min((due for due in dues if due is not None), default=None)

    def _run_straight(self, batch: list[Submittable]) -> None:
        """Run a batch one after the other, each completed as soon as it is done."""
        now = self.clock.now_ns
        done_ns = first_ns = shown_ns = now()
        done: list[Submittable] = []
        for request in batch:
            request.started_ns = done_ns
            try:
                request.result = request.kernel.run(request.payload, request.aux, request.key)
            except Exception as error:
                request.error = error
            request.finished_ns = done_ns = now()
            done.append(request)
            if done_ns - shown_ns >= SHORT_NS:
                self._complete_straight(done, done_ns)
                done.clear()
                shown_ns = now()
        self._complete_straight(done, done_ns)
        self.counters.busy_ns += done_ns - first_ns

    def _complete_straight(self, done: list[Submittable], now_ns: int) -> None:
        if done:
            self.completions.extend(done)
            self.interrupt.pend(now_ns, len(done))
            if self.interrupt.fire(now_ns):
                self._handle_interrupt(now_ns)

    def _assign(self, batch: list[Submittable]) -> None:
        now_ns = self.clock.now_ns()
        timing, assign = self._timing, self.units.assign
        for request in batch:
            size_bytes = len(request.payload)
            service_ns = timing.service_ns(request.op, size_bytes, self._service_rng)
            _, request.started_ns, end_ns = assign(now_ns, service_ns)
            due_ns = end_ns + timing.latency_ns(request.op, size_bytes, self._latency_rng)
            scheduled = _Scheduled(request, due_ns)
            self._serial += 1
            heappush(self._schedule, (due_ns, self._tie_rng.getrandbits(32), self._serial, scheduled))
            self._ahead.append(scheduled)
            self.counters.busy_ns += service_ns

    def _work(self, scheduled: _Scheduled) -> None:
        """Do the work of one request, if a reset has not taken it away and nobody did it before."""
        if scheduled.worked:
            return
        scheduled.worked = True
        request = scheduled.request
        try:
            request.result = request.kernel.run(request.payload, request.aux, request.key)
        except Exception as error:
            request.error = error

    def _retire(self, now_ns: int) -> None:
        schedule = self._schedule
        while schedule and schedule[0][0] <= now_ns:
            scheduled = heappop(schedule)[3]
            if not scheduled.worked:  # due before it was its turn: the model is faster than the work
                self._work(scheduled)
                now_ns = self.clock.now_ns()
                scheduled.due_ns = max(scheduled.due_ns, now_ns)
            scheduled.request.finished_ns = scheduled.due_ns
            self.completions.push(scheduled.request)
            self.interrupt.pend(now_ns)

    # Completing

    def _handle_interrupt(self, now_ns: int) -> None:
        self.reap()
        took_ns = self.clock.now_ns() - now_ns
        if took_ns > self.counters.longest_interrupt_ns:
            self.counters.longest_interrupt_ns = took_ns

    def reap(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all; return how many. The interrupt's handler, and polling's.

        Slots are free, and the counts right, before a completion's owner is told: it may look at once.
        """
        batch = self.completions.take(quota)
        if not batch:
            return 0
        counters, ring = self.counters, self.ring
        if counters.full_since_ns is not None:
            counters.time_at_full_ns += self.clock.now_ns() - counters.full_since_ns
            counters.full_since_ns = None
        counters.sample(batch)
        failed = sum(request.error is not None for request in batch)
        counters.failed += failed
        counters.completed += len(batch) - failed
        counters.by_op.update(map(_op, batch))
        ring.reaped += len(batch)
        for request in batch:
            try:
                delivery = request.complete()
            except BaseException as error:
                counters.handler_errors += 1
                report_unraisable(error, "the handler of a completion raised; the device goes on", request)
                continue
            if delivery:
                self._recount(request, delivery)
        for tell in self.on_space:
            tell(len(batch))
        return len(batch)

    def _recount(self, request: Submittable, delivery: Delivery) -> None:
        counters = self.counters
        if request.error is not None:
            counters.failed -= 1
        else:
            counters.completed -= 1
        counters.by_op[request.op] -= 1
        if delivery == Delivery.ORPHANED:
            counters.orphaned += 1
        else:
            counters.spurious += 1

    def crash(self, error: BaseException) -> None:
        """The thread that stepped this is at its end: refuse what comes, fail what is in flight."""
        self.refusal = InternalError(f"the device's worker crashed: {error!r}")
        self.abort(self.refusal)

    def abort(self, error: Exception) -> None:
        """Fail all that is in flight with that error, and deliver it."""
        self.ring.rung = self.ring.tail
        victims = self.ring.fetch()
        victims += [scheduled.request for *_, scheduled in sorted(self._schedule, key=lambda entry: entry[:3])]
        self._schedule.clear()
        self._ahead.clear()
        for request in victims:
            request.result, request.error = None, error
            request.finished_ns = self.clock.now_ns()
            request.started_ns = request.started_ns or request.finished_ns
            self.completions.push(request)
        self.reap()
        if self.ring.outstanding:
            raise InternalError(f"{self.ring.outstanding} requests are left after an abort")

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            self.counters.handler_errors += 1
            report_unraisable(error, "a timer's function raised; the device goes on", call)
