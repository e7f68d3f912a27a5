"""Timers: functions to be called at a time of the device's clock, such as deadlines and back-offs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count


class Timer:
    """One call that is due at a time. Any thread may cancel it."""

    __slots__ = ("_timers", "begun", "fn")

    def __init__(self, timers: Timers, fn: Callable[[], object]) -> None:
        self._timers = timers
        self.fn: Callable[[], object] | None = fn
        self.begun = False
        """Whether the call has begun. If an exception ended it, it is made once more."""

    def cancel(self) -> None:
        """Don't make the call, if it has not been made yet. Calling again does nothing."""
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
        """About how many timers of the heap are cancelled: two threads may lose a count, which does no harm."""

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
            # Removed only once it is on the heap. If an exception makes it stand there twice, it is called once.
            heappush(self.heap, self.incoming[0])
            del self.incoming[0]
        if self.cancelled > 64 and self.cancelled * 2 > len(self.heap):
            # Nearly all deadlines are cancelled long before they are due. Without this the heap would keep them all
            # until then.
            heap = [entry for entry in self.heap if entry[2].fn is not None]
            heapify(heap)
            self.heap, self.cancelled = heap, 0

    def take_due(self, now_ns: int) -> Iterable[Callable[[], object]]:
        """What is to be called now, in order. Each leaves the heap at its turn: the one before it may cancel it."""
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
        """The next time at which something is due; None if nothing is."""
        if self.incoming:
            self._absorb()
        while self.heap and self.heap[0][2].fn is None:
            heappop(self.heap)
            if self.cancelled:
                self.cancelled -= 1
        return self.heap[0][0] if self.heap else None

    def first_due(self, now_ns: int | None) -> Timer | None:
        """The first timer that is due, or of all timers if `now_ns` is None. It stays on the heap until `drop`."""
        due_ns = self.next_due_ns()
        if due_ns is None or (now_ns is not None and due_ns > now_ns):
            return None
        return self.heap[0][2]

    def drop(self, timer: Timer) -> None:
        """It has been called: take it off the heap."""
        timer.fn = None  # so it is skipped wherever it stands
        if self.heap and self.heap[0][2] is timer:
            heappop(self.heap)

    def take_all(self) -> list[Callable[[], object]]:
        """All calls that are still to come, in order, at the end of the device: their time will not come."""
        due: list[Callable[[], object]] = []
        while (due_ns := self.next_due_ns()) is not None:
            due += self.take_due(due_ns)
        return due
