"""Timers: functions to be called at a time of the device's clock, such as deadlines and back-offs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from operator import itemgetter


class Timer:
    """One call that is due at some time. Any thread may cancel it."""

    __slots__ = ("_timers", "begun", "fn")

    def __init__(self, timers: Timers, fn: Callable[[], object]) -> None:
        self._timers = timers
        self.fn: Callable[[], object] | None = fn
        self.begun = False
        """Whether the call has begun. If an exception ends the call, it is made once more."""

    def cancel(self) -> None:
        """Don't make the call, if it has not been made yet. Calling this again does nothing."""
        if self.fn is not None:
            self.fn = None
            self._timers.cancelled += 1


class Timers:
    """A heap of timers. Timers of the same time are called in the order in which they were set.

    Any thread may set and cancel timers. The heap belongs to the thread that steps the device; new timers come to it
    through a deque, so no lock is needed.
    """

    __slots__ = ("_serial", "cancelled", "heap", "incoming")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Timer]] = []
        self.incoming: deque[tuple[int, int, Timer]] = deque()
        self._serial = count()
        self.cancelled = 0
        """Roughly how many timers on the heap are cancelled. If two threads cancel at once, a count may get lost, which
        does no harm."""

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Call fn at that time, in the thread that steps the device. It must not block. Any thread."""
        timer = Timer(self, fn)
        self.incoming.append((due_ns, next(self._serial), timer))
        return timer

    def has_news(self) -> bool:
        """Whether there are new timers that the thread that steps the device has not seen."""
        return bool(self.incoming)

    def _absorb(self) -> None:
        while self.incoming:
            # Removed only after it is on the heap. If an exception puts it there twice, it is still called once.
            heappush(self.heap, self.incoming[0])
            del self.incoming[0]
        if self.cancelled > 64 and self.cancelled * 2 > len(self.heap):
            # Nearly all deadlines are cancelled long before they are due. Without this the heap would keep them all
            # until then.
            heap = [entry for entry in self.heap if entry[2].fn is not None]
            heapify(heap)
            self.heap, self.cancelled = heap, 0

    def take_due(self, now_ns: int) -> Iterable[Callable[[], object]]:
        """The calls that are due, in order. A timer leaves the heap at its turn, so an earlier call may cancel it."""
        if self.incoming:
            self._absorb()
        if not self.heap or self.heap[0][0] > now_ns:
            return ()
        return self._due(now_ns)

    def _due(self, now_ns: int) -> Iterator[Callable[[], object]]:
        while self.heap and self.heap[0][0] <= now_ns:
            timer = heappop(self.heap)[2]
            fn, timer.fn = timer.fn, None
            if fn is not None:
                yield fn
            elif self.cancelled:
                self.cancelled -= 1

    def next_due_ns(self) -> int | None:
        """The time at which the next timer is due; None if there is none."""
        if self.incoming:
            self._absorb()
        while self.heap and self.heap[0][2].fn is None:
            heappop(self.heap)
            if self.cancelled:
                self.cancelled -= 1
        return self.heap[0][0] if self.heap else None

    def first_due(self, now_ns: int) -> Timer | None:
        """The first timer that is due by `now_ns`. It stays on the heap until `drop`."""
        due_ns = self.next_due_ns()
        if due_ns is None or due_ns > now_ns:
            return None
        return self.heap[0][2]

    def in_order(self) -> list[Timer]:
        """The timers that are set now, in the order in which they are due. They stay on the heap until `drop`."""
        if self.incoming:
            self._absorb()
        return [timer for _, _, timer in sorted(self.heap, key=itemgetter(0, 1))]

    def drop(self, timer: Timer) -> None:
        """Take a timer that was called off the heap."""
        timer.fn = None  # so it is skipped wherever it is on the heap
        if self.heap and self.heap[0][2] is timer:
            heappop(self.heap)

    def take_all(self) -> list[Callable[[], object]]:
        """Take all timers off the heap, and return their calls in order. For the end, when their time will not come."""
        due: list[Callable[[], object]] = []
        while (due_ns := self.next_due_ns()) is not None:
            due += self.take_due(due_ns)
        return due
