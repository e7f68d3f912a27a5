"""The device: fetches requests, runs them on its units, completes them when they are due.

There is no thread and no fd in here, and time is only numbers from a clock: a worker thread steps the device in real
time, a virtual clock in virtual time. A step does this:

1. Fetch what the doorbell announced, and give each request a unit, a start and a due time.
2. Do the work of a request ahead of its due time, one request at a time, so that no completion has to wait for the work
   of another one.
3. Put what is due onto the completion ring; completions due at the same instant in an order that the seed decides.
4. Fire the interrupt, whose handler reaps the ring: it frees the slots and then hands each completion to its owner.

Without a timing model a request takes the time that its work takes, and 1 to 3 become one straight loop.

An exception may come between any two steps. Each request therefore stays where it is until it has arrived at the next
place: on the submission ring, in `_fetched`, on the schedule, on the completion ring (docs/decisions/0026).
"""

from __future__ import annotations

from collections import deque
from heapq import heappop
from typing import Any

from sim.clock import Clock
from sim.completion import Reaper
from sim.errors import InternalError
from sim.gate import Gate, Hook
from sim.interrupt import Coalescing, Interrupt
from sim.randomness import Randomness
from sim.report import ForeignCalls
from sim.request import Submittable
from sim.ring import CompletionRing, SubmissionRing
from sim.schedule import Schedule, Scheduled
from sim.statistics import Counters
from sim.timers import Timers
from sim.timing import INSTANT, Timing
from sim.units import UnitBank

SHORT_NS = 50_000
"""In the straight loop, completions wait for at most about this much of other requests' work."""


class Device:
    """The inside of one accelerator. All methods belong to the thread that steps it.

    The parts are public: the rings, the interrupt, the gate and the counters are also used by the threads that submit,
    the reaper by those that poll.
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
        self.schedule = Schedule(clock, self.counters, randomness.stream("order"), counts_late=has_model)
        self._timing = timing
        # In real time without a model nothing is ever due later, so nothing needs a schedule.
        self._straight = not clock.virtual and not has_model
        self._service_rng = randomness.stream("service")
        self._latency_rng = randomness.stream("latency")
        self._fetched: list[Submittable] = []
        """The batch that a step is working on. It is off the ring; the first `_passed` of it are on the schedule. A
        step that an exception ends leaves the rest here, and the next step goes on with it."""
        self._passed = 0
        self.placing: Scheduled | None = None
        """What `place` made of the first request of the batch that has not passed, if it got that far."""

    def install(self, hook: Hook) -> None:
        """From now on all requests go by this hook. The caller holds the gate's lock.

        Only for one hook; calling it again with that one does no harm.
        """
        self.gate.hook = hook
        self._straight = False
        # Set last: what a submit leaves with the hook must find a device that asks the hook.
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
        """About how many requests wait for their work to be done. Any thread."""
        ring = self.ring
        return ring.tail - ring.head + max(0, len(self._fetched) - self._passed) + len(self.schedule.ahead)

    def drained(self) -> bool:
        """Hand out what is complete, also if the interrupt is masked. True if nothing more will ever complete.

        To be called after a step.
        """
        self.reaper.reap()
        return not (self.ring.rung != self.ring.head or self.schedule.heap or self._passed < len(self._fetched))

    def step(self) -> int | None:
        """Do all that is due now; return when something is due next, None for never.

        Exceptions, such as a KeyboardInterrupt in the user's own thread, are raised. The next step goes on from there.
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
                if self._straight:
                    self._run_straight(self._fetched[self._passed :])
                else:
                    self._assign()
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

    def _call_timers(self, now_ns: int | None) -> None:
        timers = self.timers
        while (timer := timers.first_due(now_ns)) is not None:
            fn, begun = timer.fn, timer.begun
            timer.begun = True
            if begun:  # an exception came the first time: it is called once more, but no third time
                timers.drop(timer)
            if fn is not None:
                self.foreign.call(fn)
            timers.drop(timer)

    def call_timers(self) -> None:
        """Call all timers, whenever they are due: the device ends before their time comes."""
        self._call_timers(None)

    # Without a timing model

    def _run_straight(self, batch: list[Submittable]) -> None:
        """Run a batch one after the other. Short ones complete together, a long one as soon as it is done."""
        now = self.clock.now_ns
        done_ns = first_ns = shown_ns = now()
        done: list[Submittable] = []
        for request in batch:
            request.started_ns = done_ns
            try:
                request.result = request.kernel.run(request.payload, request.aux, request.key)
            except BaseException as error:  # even what would end a program ends only the request here
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
            passed = self._passed + len(done)
            self.completions.check_room(len(done))
            self.interrupt.pend(now_ns, len(done))
            self.completions.entries += done
            self._passed = passed
            self.reaper.interrupt_if_due(now_ns)

    # With one

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
        """Give a request a unit and its times. It is not on the schedule yet. `fault`: see `Scheduled`."""
        size_bytes = len(request.payload)
        service_ns = self._timing.service_ns(request.op, size_bytes, self._service_rng)
        _, request.started_ns, end_ns = self.units.assign(now_ns, service_ns)
        due_ns = end_ns + self._timing.latency_ns(request.op, size_bytes, self._latency_rng)
        self.counters.busy_ns += service_ns
        self.placing = scheduled = Scheduled(request, due_ns, fault)
        return scheduled

    def _retire(self, now_ns: int) -> None:
        """Put what is due onto the completion ring."""
        self.completions.check_room(0)
        schedule = self.schedule
        while (scheduled := schedule.first_due(now_ns)) is not None:
            scheduled.request.finished_ns = scheduled.due_ns
            self.interrupt.pend(now_ns)
            # As `land` and `Schedule.remove_first` do, which would be two calls more for each request.
            self.completions.entries += (scheduled.request,)
            scheduled.landed = True
            heappop(schedule.heap)

    def land(self, scheduled: Scheduled) -> None:
        """Put it onto the completion ring, once."""
        if not scheduled.landed:
            self.completions.check_room(1)
            # Not `append`: CPython looks for signals after a call, and none may come before the next line.
            self.completions.entries += (scheduled.request,)
            scheduled.landed = True

    # Ending

    def crash(self, error: BaseException) -> None:
        """The worker has ended by this exception: refuse submits, fail what is in flight, and call the timers."""
        gate = self.gate
        refusal = InternalError(f"the device's worker crashed: {error!r}")
        with gate.lock:  # so that no submit that saw no refusal comes after `abort` has read the ring
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
        """Complete all that is in flight and announced with that error. An interrupt will tell of it."""
        hook, ring, completions, schedule = self.gate.hook, self.ring, self.completions, self.schedule
        fetched = ring.announced()
        victims = [*schedule.in_flight(), *self._fetched[self._passed :], *fetched]
        # Each only once, and not what has completed: an exception may have left a request in two places.
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
        # It tells also of completions whose own interrupt was lost.
        self.interrupt.pend(now_ns, len(victims) + len(completions.entries))
        heap: list[tuple[int, int, int, Scheduled]] = []
        ahead: deque[Scheduled] = deque()
        parked: dict[Scheduled, object] = {}
        overtaken: dict[Scheduled, int] = {}
        nothing: list[Submittable] = []
        head = ring.head + len(fetched)
        # From here on nothing is called and nothing can fail: all that was in flight is complete, and nowhere else.
        completions.entries += victims
        schedule.heap, schedule.ahead, ring.head = heap, ahead, head
        schedule.parked, schedule.overtaken = parked, overtaken
        self._fetched, self._passed, self.placing = nothing, 0, None
        ring.clear(len(fetched))
