"""The device: fetches requests, runs them on its units, completes them when they are due.

No thread and no fd in here, and time only as numbers from a clock: a worker thread steps it in real time, a
virtual clock in virtual time. What it does at a step:

1. Fetch what the doorbell announced, and give each request a unit, a start and a due time.
2. Do the work of a request ahead of its due time, one at a time, so that no completion waits for another's work.
3. Put what is due onto the completion ring; completions due at the same instant in an order that the seed decides.
4. Fire the interrupt, whose handler reaps the ring: frees the slots, then hands each completion to its owner.

Without a timing model a request takes what its work takes, and 1 to 3 shrink to one straight loop.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

from sim.clock import Clock
from sim.completion import CompletionSide
from sim.errors import InternalError
from sim.faults.rulebook import Installed
from sim.faults.verdicts import Verdict
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.request import Submittable
from sim.timers import Timers
from sim.timing import INSTANT, Timing
from sim.units import UnitBank

SHORT_NS = 50_000
"""Work that goes on for longer than this does not hold back the completions before it."""

LATE_NS = 50_000
"""A completion that is later than the model says by less is no late one: a thread that wakes up takes as long."""


class Scheduled:
    """A request that has its unit and its times."""

    __slots__ = ("due_ns", "landed", "mark", "request", "verdict", "worked")

    def __init__(self, request: Submittable, due_ns: int) -> None:
        self.request = request
        self.due_ns = due_ns
        self.worked = False
        self.landed = False
        """Whether it is on the completion ring, or has been: then it is skipped wherever else it is found."""
        self.mark: tuple[Verdict, Installed] | None = None
        """What was found for it at its submit."""
        self.verdict: Verdict | None = None
        """The fault that it still has to meet."""


class Device(CompletionSide):
    """One accelerator's inside. All methods but `reap` belong to the thread that steps it."""

    def __init__(
        self, depth: int, units: int, timing: Timing, coalescing: Coalescing, randomness: Randomness, clock: Clock
    ) -> None:
        super().__init__(depth, coalescing, clock)
        self.units = UnitBank(units)
        self.timers = Timers()
        self._timing = timing
        # Real time and no model: nothing is ever due later, so nothing needs a schedule.
        self.straight = not clock.virtual and timing == INSTANT
        self._service_rng = randomness.stream("service")
        self._latency_rng = randomness.stream("latency")
        self._tie_rng = randomness.stream("order")
        self._serial = 0
        self._schedule: list[tuple[int, int, int, Scheduled]] = []
        self._ahead: deque[Scheduled] = deque()
        self._fetched: list[Submittable] = []
        """The batch that a step has in its hands: off the ring and not yet on the schedule, but for the first
        `_passed` of them. So an exception in between loses none: the next step goes on with it."""
        self._passed = 0
        self.placing: Scheduled | None = None
        """What was made of the first that has not passed, if it got so far."""

    # Stepping

    def has_work(self) -> bool:
        """Whether a step would do something at once."""
        return (
            self.ring.rung != self.ring.head
            or bool(self._ahead)
            or self.timers.has_news()
            or (self.unfinished and not self.interrupt.masked)
        )

    @property
    def queued(self) -> int:
        """How many requests wait for their work to be done, about. Also from other threads."""
        ring = self.ring
        return ring.tail - ring.head + max(0, len(self._fetched) - self._passed) + len(self._ahead)

    def drained(self) -> bool:
        """After a step: hand out what is complete, also if masked; whether all has completed that ever will."""
        self.reap()
        return not (self.ring.rung != self.ring.head or self._schedule or self._passed < len(self._fetched))

    def step(self) -> int | None:
        """Do all that is due now; return when something is due next, None for never.

        An exception, such as Ctrl-C where the thread is the user's own, comes out. The next step goes on from there.
        """
        ring = self.ring
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
                if self.straight:
                    self._run_straight(self._fetched[self._passed :])
                else:
                    self._assign()
                self._fetched, self._passed = [], 0
            now_ns = self.clock.now_ns()
            if self._schedule and self._schedule[0][0] <= now_ns:
                if self.slow is None:
                    self._retire(now_ns)
                else:
                    self.slow.retire(now_ns)
            if self.timers.heap or self.timers.incoming:
                self._call_timers(now_ns)
            if self.interrupt.pending:
                self.interrupt_if_due(now_ns)
            if (self.completions.reaped or self._space) and not self.interrupt.masked:
                self.reap()
            if self._ahead:
                self.work(self._ahead.popleft())
            elif ring.rung == ring.head:
                return self.next_due_ns()

    def _call_timers(self, now_ns: int | None) -> None:
        timers = self.timers
        while (timer := timers.first_due(now_ns)) is not None:
            fn, begun = timer.fn, timer.begun
            timer.begun = True
            if begun:  # interrupted the last time: once more, and no third time
                timers.drop(timer)
            if fn is not None:
                self.call_guarded(fn)
            timers.drop(timer)

    def call_timers(self) -> None:
        """Call all that was to be called later: the end of the device has come before their time."""
        self._call_timers(None)

    def next_due_ns(self) -> int | None:
        """The next time at which a step will have something to do."""
        while self._schedule and self._schedule[0][3].landed:
            heappop(self._schedule)
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
            except BaseException as error:  # what would end a program, too, ends only the request here
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
            self.interrupt_if_due(now_ns)

    def _assign(self) -> None:
        """Give what was fetched a unit and its times."""
        now_ns = self.clock.now_ns()
        while self._passed < len(self._fetched):
            request = self._fetched[self._passed]
            if self.slow is not None:
                self.slow.assign(request, now_ns)
            else:
                self.schedule(self.placing or self.place(request, now_ns, None))
            if self.placing is not None:
                self._ahead.append(self.placing)
            passed = self._passed + 1
            self.placing, self._passed = None, passed

    def place(self, request: Submittable, now_ns: int, mark: tuple[Verdict, Installed] | None) -> Scheduled:
        """Give a request a unit and its times."""
        size_bytes = len(request.payload)
        service_ns = self._timing.service_ns(request.op, size_bytes, self._service_rng)
        _, request.started_ns, end_ns = self.units.assign(now_ns, service_ns)
        due_ns = end_ns + self._timing.latency_ns(request.op, size_bytes, self._latency_rng)
        self.counters.busy_ns += service_ns
        scheduled = Scheduled(request, due_ns)
        scheduled.mark = mark
        self.placing = scheduled
        return scheduled

    def schedule(self, scheduled: Scheduled) -> None:
        """Have it complete when it is due. Twice is no harm: it completes once."""
        self._serial += 1
        heappush(self._schedule, (scheduled.due_ns, self._tie_rng.getrandbits(32), self._serial, scheduled))

    def unschedule(self, scheduled: Scheduled) -> None:
        """Have it complete no more."""
        schedule = [entry for entry in self._schedule if entry[3] is not scheduled]
        heapify(schedule)
        self._schedule = schedule

    def work(self, scheduled: Scheduled) -> None:
        """Do the work of one request, if a reset has not taken it away and nobody did it before."""
        if scheduled.worked:
            return
        scheduled.worked = True
        request = scheduled.request
        try:
            request.result = request.kernel.run(request.payload, request.aux, request.key)
        except BaseException as error:
            request.error = error
            if isinstance(error, KeyboardInterrupt) and self.clock.virtual:
                raise  # there the kernel runs in the thread of whoever pressed Ctrl-C

    def _retire(self, now_ns: int) -> None:
        self.completions.check_room(0)
        while (scheduled := self.first_due(now_ns)) is not None:
            scheduled.request.finished_ns = scheduled.due_ns
            self.interrupt.pend(now_ns)
            # As `land` and `leave_schedule`, which would be two calls more for each request.
            self.completions.entries += (scheduled.request,)
            scheduled.landed = True
            heappop(self._schedule)

    def land(self, scheduled: Scheduled) -> None:
        """Put it onto the completion ring, once."""
        if not scheduled.landed:
            self.completions.check_room(1)
            # No `append`: CPython looks for signals after a call, and none may come before the next line.
            self.completions.entries += (scheduled.request,)
            scheduled.landed = True

    def first_due(self, now_ns: int) -> Scheduled | None:
        """The next that is due, with its work done; None if nothing is. It stays on the schedule."""
        while (schedule := self._schedule) and schedule[0][0] <= now_ns:
            scheduled = schedule[0][3]
            if scheduled.landed:
                heappop(schedule)
                continue
            if not scheduled.worked:  # due before it was its turn: the model is faster than the work
                self.work(scheduled)
                done_ns = self.clock.now_ns()
                late_ns = done_ns - scheduled.due_ns
                if late_ns > 0:
                    if late_ns > LATE_NS and self._timing != INSTANT:
                        self.counters.late += 1
                        self.counters.late_ns += late_ns
                    scheduled.due_ns = done_ns
            return scheduled
        return None

    def leave_schedule(self, scheduled: Scheduled) -> None:
        """Take it off the front of the schedule: it has landed, or stands there once more, for later."""
        if self._schedule and self._schedule[0][3] is scheduled:
            heappop(self._schedule)

    # Ending

    def abort(self, error: Exception) -> None:
        """Fail all that is in flight with that error, and deliver it. What comes must be refused already."""
        self.ring.rung = self.ring.tail
        self.fail_all(error)
        self.reap()
        if self.ring.outstanding:
            raise InternalError(f"{self.ring.outstanding} requests are left after an abort")

    def fail_all(self, error: Exception) -> None:
        """Complete all that is in flight and announced with that error; an interrupt will tell of it."""
        slow, ring, completions = self.slow, self.ring, self.completions
        scheduled = [entry[3] for entry in sorted(self._schedule, key=lambda entry: entry[:3])]
        victims = [entry.request for entry in scheduled if not entry.landed]
        if slow is not None:
            victims = slow.victims(scheduled)
        fetched = ring.announced()
        victims += self._fetched[self._passed :]
        victims += fetched
        # Each once, and not what has completed: an exception may have left it in two places.
        gone = set(map(id, completions.entries))
        victims = [request for request in {id(one): one for one in victims}.values() if id(request) not in gone]
        if slow is not None:
            slow.forget_marks(fetched)
        now_ns = self.clock.now_ns()
        for request in victims:
            request.result, request.error = None, error
            request.finished_ns = now_ns
            request.started_ns = request.started_ns or now_ns
            if slow is not None:
                slow.note("complete", request, type(error).__name__)
        # Those too of which an interrupt was lost.
        self.interrupt.pend(now_ns, len(victims) + len(completions.entries))
        kept: dict[Scheduled, Installed] = {}
        overtaken: dict[Scheduled, int] = {}
        echoes: set[Scheduled] = set()
        schedule: list[tuple[int, int, int, Scheduled]] = []
        ahead: deque[Scheduled] = deque()
        nothing: list[Submittable] = []
        head = ring.head + len(fetched)
        # From here on nothing is called and nothing can fail: all that was in flight is complete, and nowhere else.
        completions.entries += victims
        self._schedule, self._ahead, ring.head = schedule, ahead, head
        self._fetched, self._passed, self.placing = nothing, 0, None
        if slow is not None:
            slow.kept, slow.overtaken = kept, overtaken
            slow.echoes = echoes
        ring.clear(len(fetched))
