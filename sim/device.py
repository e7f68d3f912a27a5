"""The device: it fetches requests, runs them on its units, and completes them when they are due.

There is no thread and no fd in here, and time is only numbers from a clock. In real time a worker thread steps the
device, in virtual time the clock does. A step does this:

1. Fetch what the doorbell announced, and give each request a unit, a start and a due time.
2. Do the work of requests ahead of their due times, one request at a time, so that no completion has to wait for the
   work of another one.
3. Put what is due onto the completion ring. The seed decides the order of completions that are due at the same instant.
4. Fire the interrupt. Its handler reaps the ring: it frees the slots and then hands each completion to its owner.

Without a timing model a request takes the time that its work takes, or none in virtual time. Then points 1 to 3 become
one straight loop.

An exception may come between any two steps. So a request leaves a place only when it has arrived at the next one. The
places are the submission ring, `_fetched`, the schedule and the completion ring (docs/decisions/0026).
"""

from __future__ import annotations

from collections import deque
from heapq import heappop
from typing import Any

from hotpath.submittable import Submittable
from sim.clock import Clock
from sim.completion import Reaper
from sim.errors import InternalError
from sim.gate import Gate, Hook
from sim.interrupt import Coalescing, Interrupt
from sim.randomness import Randomness
from sim.ring import CompletionRing, SubmissionRing
from sim.schedule import RequestSchedule, Scheduled
from sim.statistics import Counters
from sim.timers import Timer, Timers
from sim.timing import INSTANT, Timing
from sim.timing.models import Fixed
from sim.units import UnitBank
from sim.unraisable import ForeignCalls

SHORT_NS = 50_000
"""In the straight loop, a completion waits at most for about this much work of other requests."""


class Device:
    """The inside of one accelerator. Only the thread that steps it may call the methods.

    The parts are public, because other threads use them too: those that submit use the rings, the interrupt, the gate
    and the counters, and those that poll use the reaper.
    """

    def __init__(
        self, depth: int, units: int, timing: Timing, coalescing: Coalescing, randomness: Randomness, clock: Clock
    ) -> None:
        self.clock = clock
        self.gate = Gate()
        self.ring = SubmissionRing(depth)
        self.completions = CompletionRing(depth)
        self.interrupt = Interrupt(coalescing)
        self.counters = Counters(clock.now_ns())
        self.foreign = ForeignCalls(self.counters, clock.virtual)
        self.reaper = Reaper(self.ring, self.completions, self.interrupt, self.counters, clock, self.gate)
        self.units = UnitBank(units)
        self.timers = Timers()
        has_model = timing != INSTANT
        self.schedule = RequestSchedule(clock, self.counters, randomness.stream("order"), counts_late=has_model)
        self._timing = timing
        # A fixed duration needs no draw, which would be two calls for each request.
        self._fixed_service_ns = timing.service.duration_ns if type(timing.service) is Fixed else None
        self._fixed_latency_ns = timing.latency.duration_ns if type(timing.latency) is Fixed else None
        self.straight = not has_model
        """Whether requests need no schedule, because none is ever due later and no hook watches them."""
        self._service_rng = randomness.stream("service")
        self._latency_rng = randomness.stream("latency")
        self._fetched: list[Submittable] = []
        """The batch that a step is working on. It has left the ring, and its first `_passed` requests are on the
        schedule. If an exception ends the step, the others stay here, and the next step goes on with them."""
        self._passed = 0
        self.placing: Scheduled | None = None
        """What `place` made for the first request of the batch that is not on the schedule yet. None if an exception
        came before `place`."""

    def install(self, hook: Hook) -> None:
        """Send all requests through this hook from now on. The caller holds the gate's lock.

        A device has one hook for its whole life. Calling this again with the same hook does no harm.
        """
        self.gate.hook = hook
        self.straight = False
        # Set last: once a submit goes through the hook, the device must already ask the hook too.
        self.gate.checks_submits = True

    # Stepping

    def has_work(self) -> bool:
        """Whether a step would do something at once."""
        return (
            self.ring.rung != self.ring.head
            or bool(self.schedule.ahead)
            or self.timers.has_news()
            or bool((self.completions.reaped or self.reaper.untold_slots) and not self.interrupt.masked)
        )

    @property
    def queued(self) -> int:
        """Roughly how many requests wait for their work to be done. Any thread."""
        ring = self.ring
        return ring.tail - ring.head + max(0, len(self._fetched) - self._passed) + len(self.schedule.ahead)

    def drained(self) -> bool:
        """Hand out what is complete, even if the interrupt is masked. Returns whether nothing more will ever complete.

        Must be called after a step.
        """
        self.reaper.reap()
        return not (self.ring.rung != self.ring.head or self.schedule.heap or self._passed < len(self._fetched))

    def step(self) -> int | None:
        """Do all that is due now. Returns the time at which something is due next, or None if nothing is.

        An exception, such as a KeyboardInterrupt in the user's own thread, is raised. The next step goes on from there.
        """
        ring, schedule = self.ring, self.schedule
        while True:
            if ring.rung != ring.head and self._passed == len(self._fetched):
                batch = ring.announced()
                count = len(batch)
                head = ring.head + count
                self._fetched, self._passed, ring.head = batch, 0, head
                if count:
                    ring.clear(count)
                    self.counters.count_batch(count)
            if self._fetched:
                if not self.straight:
                    self._assign()
                elif self.clock.virtual:
                    self._run_at_once(self._fetched[self._passed :])
                else:
                    self._run_straight(self._fetched[self._passed :])
                self._fetched, self._passed = [], 0
            now_ns = self.clock.now_ns()
            if schedule.heap and schedule.heap[0][0] <= now_ns:
                hook = self.gate.hook
                if hook is None:
                    self._retire(now_ns)
                else:
                    hook.retire(now_ns)
            if self.timers.heap or self.timers.incoming:
                self._call_timers(now_ns)
            if self.interrupt.pending:
                self.reaper.interrupt_if_due(now_ns)
            if (self.completions.reaped or self.reaper.untold_slots) and not self.interrupt.masked:
                self.reaper.reap()
            if schedule.ahead:
                schedule.work(schedule.ahead.popleft())
            elif ring.rung == ring.head:
                return self._next_due_ns()

    def _next_due_ns(self) -> int | None:
        """The next time at which a step will have something to do."""
        next_ns = self.schedule.next_due_ns() if self.schedule.heap else None
        for due_ns in (self.timers.next_due_ns(), self.interrupt.due_ns()):
            if due_ns is not None and (next_ns is None or due_ns < next_ns):
                next_ns = due_ns
        return next_ns

    def _call_timers(self, now_ns: int) -> None:
        while (timer := self.timers.first_due(now_ns)) is not None:
            self._call_timer(timer)

    def _call_timer(self, timer: Timer) -> None:
        fn, begun = timer.fn, timer.begun
        timer.begun = True
        if begun:  # an exception ended the first call: so this is the second, and there is no third
            self.timers.drop(timer)
        if fn is not None:
            self.foreign.call(fn)
        self.timers.drop(timer)

    def call_timers(self) -> None:
        """Call all timers now, because the device ends before their time comes.

        Timers that these calls set are not called, because they are set after the end. Otherwise a timer that sets the
        next one would keep the device from ending.
        """
        for timer in self.timers.in_order():
            self._call_timer(timer)

    # Without a timing model

    def _run_straight(self, batch: list[Submittable]) -> None:
        """Run the requests of a batch one after the other. Short ones complete together, a long one when it is done."""
        now = self.clock.now_ns
        done_ns = first_ns = shown_ns = now()
        done: list[Submittable] = []
        for request in batch:
            request.started_ns = done_ns
            try:
                request.result = request.kernel.run(request.payload, request.aux, request.key)
            except BaseException as error:  # even an exception that ends a program, such as SystemExit, only fails this
                request.error = error
            request.finished_ns = done_ns = now()
            done.append(request)
            if done_ns - shown_ns >= SHORT_NS:
                self._land_all(done, done_ns)
                self.reaper.interrupt_if_due(done_ns)
                done.clear()
                shown_ns = now()
        self._land_all(done, done_ns)
        self.reaper.interrupt_if_due(done_ns)
        self.counters.busy_ns += done_ns - first_ns

    def _run_at_once(self, batch: list[Submittable]) -> None:
        """The same in virtual time, where all of them complete at this instant: the seed decides in which order.

        A KeyboardInterrupt that ends a kernel fails its request and is raised. The next step does the others.
        """
        now_ns = self.clock.now_ns()
        done: list[Submittable] = []
        self._fetched, self._passed = self.schedule.ordered(batch), 0
        try:
            for request in self._fetched:
                request.started_ns = request.finished_ns = now_ns
                try:
                    request.result = request.kernel.run(request.payload, request.aux, request.key)
                except BaseException as error:
                    request.error = error
                    done.append(request)
                    if isinstance(error, KeyboardInterrupt):
                        raise
                else:
                    done.append(request)
        finally:
            self._land_all(done, now_ns)

    def _land_all(self, done: list[Submittable], now_ns: int) -> None:
        """Put the next requests of the batch, which are done, onto the completion ring."""
        if done:
            passed = self._passed + len(done)
            self.completions.check_room(len(done))
            self.interrupt.pend(now_ns, len(done))
            self.completions.entries += done
            self._passed = passed

    # With a timing model

    def _assign(self) -> None:
        """Give each request that was fetched a unit, its times, and its place on the schedule."""
        now_ns = self.clock.now_ns()
        hook = self.gate.hook
        while self._passed < len(self._fetched):
            request = self._fetched[self._passed]
            if hook is not None:
                hook.assign(request, now_ns)
            else:
                self.schedule.add(self.placing or self.place(request, now_ns))
            if self.placing is not None:
                self.schedule.ahead.append(self.placing)
            passed = self._passed + 1
            self.placing, self._passed = None, passed

    def place(self, request: Submittable, now_ns: int, fault: Any = None) -> Scheduled:
        """Give a request a unit and its times, and return it without putting it onto the schedule.

        `fault` is kept in the `Scheduled` that is returned.
        """
        size_bytes = len(request.payload)
        service_ns, latency_ns = self._fixed_service_ns, self._fixed_latency_ns
        if service_ns is None:
            service_ns = self._timing.service_ns(request.op, size_bytes, self._service_rng)
        if latency_ns is None:
            latency_ns = self._timing.latency_ns(request.op, size_bytes, self._latency_rng)
        _, request.started_ns, end_ns = self.units.assign(now_ns, service_ns)
        due_ns = end_ns + latency_ns
        self.counters.busy_ns += service_ns
        self.placing = scheduled = Scheduled(request, due_ns, fault)
        return scheduled

    def _retire(self, now_ns: int) -> None:
        """Put what is due onto the completion ring."""
        self.completions.check_room(0)
        schedule = self.schedule
        while (scheduled := schedule.first_due(now_ns)) is not None:
            request = scheduled.request
            request.finished_ns = scheduled.due_ns
            self.interrupt.pend(now_ns)
            # As `land` and `RequestSchedule.remove_first` do, which would be two calls more for each request.
            self.completions.entries += (request,)
            scheduled.landed = True
            heappop(schedule.heap)

    def land(self, scheduled: Scheduled) -> None:
        """Put this request onto the completion ring, unless it has been there before."""
        if not scheduled.landed:
            self.completions.check_room(1)
            # Not `append`: after a call CPython runs signal handlers, and none may run before the next line.
            self.completions.entries += (scheduled.request,)
            scheduled.landed = True

    # Ending

    def crash(self, error: BaseException) -> None:
        """Refuse submits, fail what is in flight, and call the timers, because this exception ended the worker."""
        gate = self.gate
        refusal = InternalError(f"the device's worker crashed: {error!r}")
        with gate.lock:  # so that a submit that saw no refusal is on the ring before `abort` reads it
            gate.change_refusal(refusal, instead_of=gate.refusal)
        self.abort(refusal)
        self.call_timers()

    def abort(self, error: Exception) -> None:
        """Fail all that is in flight with that error, and tell the owners. Submits must be refused already."""
        self.ring.rung = self.ring.tail
        self.fail_all(error)
        self.reaper.reap()
        if self.ring.outstanding:
            raise InternalError(f"{self.ring.outstanding} requests are left after an abort")

    def fail_all(self, error: Exception) -> None:
        """Complete all requests in flight that were announced, with that error. An interrupt will tell the owners."""
        hook, ring, completions, schedule = self.gate.hook, self.ring, self.completions, self.schedule
        fetched = ring.announced()
        victims = [*schedule.in_flight(), *self._fetched[self._passed :], *fetched]
        # Each once, and none that has completed already: an exception may have left a request in two places.
        gone = set(map(id, completions.entries))
        victims = [request for request in {id(one): one for one in victims}.values() if id(request) not in gone]
        if hook is not None:
            hook.forget(fetched)
        now_ns = self.clock.now_ns()
        for request in victims:
            request.result, request.error = None, error
            request.finished_ns = now_ns
            request.started_ns = request.started_ns or now_ns
            if hook is not None:
                hook.note("complete", request, type(error).__name__)
        # All entries count as pending, so that it also tells of completions whose own interrupt was lost.
        self.interrupt.pend(now_ns, len(victims) + len(completions.entries))
        heap: list[tuple[int, int, int, Scheduled]] = []
        ahead: deque[Scheduled] = deque()
        parked: dict[Scheduled, object] = {}
        overtaken: dict[Scheduled, int] = {}
        nothing: list[Submittable] = []
        head = ring.head + len(fetched)
        # From here to the last assignment nothing is called and nothing can fail. After it, all that was in flight is
        # on the completion ring, and nowhere else.
        completions.entries += victims
        schedule.heap, schedule.ahead, ring.head = heap, ahead, head
        schedule.parked, schedule.overtaken = parked, overtaken
        self._fetched, self._passed, self.placing = nothing, 0, None
        ring.clear(len(fetched))
