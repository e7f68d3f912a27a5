"""The schedule: the requests between fetch and completion, with their due times and their work.

A fetched request gets a unit, a start and a due time (`Device.place`). From then on it is on the schedule, a heap by
due time. Requests that are due at the same instant complete in an order that the seed decides. The work of a request is
done ahead of its due time where possible, so that no completion has to wait for the work of another one.

A request stays on the heap until it is on the completion ring (`landed`), so an exception in between loses none. After
such an exception a request may be on the heap twice. It lands once, and its other entry is skipped.
"""

from __future__ import annotations

import random
from collections import deque
from heapq import heapify, heappop, heappush
from typing import Any

from hotpath.submittable import Submittable
from sim.clock import Clock
from sim.statistics import Counters

LATE_NS = 50_000
"""A completion counts as late if it is later than this. A thread may take this long to wake up."""


class Scheduled:
    """A request that has its unit and its times. Equal only to itself."""

    __slots__ = ("due_ns", "fault", "is_echo", "landed", "request", "worked")

    def __init__(self, request: Submittable, due_ns: int, fault: Any = None) -> None:
        self.request = request
        self.due_ns = due_ns
        self.worked = False
        """Whether its work was begun. If so, it is not begun again."""
        self.landed = False
        """Whether it is on the completion ring, or was on it. If so, other entries for it are skipped."""
        self.fault = fault
        """What the hook remembers about this request. The device does not look at it."""
        self.is_echo = False
        """Whether this is a second completion of a request that has completed already."""


class RequestSchedule:
    """All requests that were placed and have not landed. Belongs to the thread that steps the device."""

    __slots__ = ("_clock", "_counters", "_counts_late", "_serial", "_tie_rng", "ahead", "heap", "overtaken", "parked")

    def __init__(self, clock: Clock, counters: Counters, tie_rng: random.Random, *, counts_late: bool) -> None:
        """`counts_late`: whether there is a timing model, so that a completion can be later than the model says."""
        self._clock = clock
        self._counters = counters
        self._tie_rng = tie_rng
        self._counts_late = counts_late
        self._serial = 0
        self.heap: list[tuple[int, int, int, Scheduled]] = []
        """The requests by due time, and at the same due time by a number drawn from the seed."""
        self.ahead: deque[Scheduled] = deque()
        """The requests whose work may be done now, ahead of their due times. Oldest first."""
        self.parked: dict[Scheduled, object] = {}
        """Requests that are not on the heap, and complete when a fault rule lets them go, or never. The value is for
        the hook."""
        self.overtaken: dict[Scheduled, int] = {}
        """Requests that complete early, once this many others have completed. They are on the heap too."""

    def add(self, scheduled: Scheduled) -> None:
        """Put a request onto the heap, so that it completes when it is due. Added twice, it still completes once."""
        self._serial += 1
        heappush(self.heap, (scheduled.due_ns, self._tie_rng.getrandbits(32), self._serial, scheduled))

    def ordered(self, batch: list[Submittable]) -> list[Submittable]:
        """These requests in the order in which they would complete if all of them were added and due at one instant."""
        draw = self._tie_rng.getrandbits
        drawn = [(draw(32), place) for place in range(len(batch))]
        drawn.sort()
        return [batch[place] for _, place in drawn]

    def remove(self, scheduled: Scheduled) -> None:
        """Take a request off the heap, wherever it is on it."""
        heap = [entry for entry in self.heap if entry[3] is not scheduled]
        heapify(heap)
        self.heap = heap

    def remove_first(self, scheduled: Scheduled) -> None:
        """Take a request off the heap if it is first there. It has landed by now, or was added again for later."""
        if self.heap and self.heap[0][3] is scheduled:
            heappop(self.heap)

    def first_due(self, now_ns: int) -> Scheduled | None:
        """The next request that is due, with its work done, or None if none is due. It stays on the heap."""
        while (heap := self.heap) and heap[0][0] <= now_ns:
            scheduled = heap[0][3]
            if scheduled.landed:
                heappop(heap)
                continue
            if not scheduled.worked:  # it is due before its work could be done: the model is faster than the work
                self.work(scheduled)
                done_ns = self._clock.now_ns()
                late_ns = done_ns - scheduled.due_ns
                if late_ns > 0:
                    if late_ns > LATE_NS and self._counts_late:
                        self._counters.late += 1
                        self._counters.late_ns += late_ns
                    scheduled.due_ns = done_ns
            return scheduled
        return None

    def next_due_ns(self) -> int | None:
        """The time at which the next request is due; None if the heap is empty."""
        heap = self.heap
        while heap and heap[0][3].landed:
            heappop(heap)
        return heap[0][0] if heap else None

    def work(self, scheduled: Scheduled) -> None:
        """Do the work of one request, unless it was begun before. What the kernel raises becomes the request's error.

        A KeyboardInterrupt in virtual time is also raised here, because there the kernel runs in the user's own thread.
        """
        if scheduled.worked:
            return
        scheduled.worked = True
        request = scheduled.request
        try:
            request.result = request.kernel.run(request.payload, request.aux, request.key)
        except BaseException as error:
            request.error = error
            if isinstance(error, KeyboardInterrupt) and self._clock.virtual:
                raise

    def in_flight(self) -> list[Submittable]:
        """The requests that have not completed: first by due time, then those that are parked.

        After an exception a request may be in the list twice.
        """
        in_order = [entry[3] for entry in sorted(self.heap, key=lambda entry: entry[:3])]
        return [one.request for one in (*in_order, *self.parked) if not one.landed and not one.is_echo]
