"""Whose work is done next: fair queueing over the clients of a device.

Each client has a line of its own, and an account of the time that its work has taken. The client that has had least is
served, for a turn, and then again the one that has had least. A client that comes, or comes back after a while, begins
with what the one being served had at that moment, so it has no claim on time that it did not ask for.

So, however much the others have asked for, a client with one request waits for what is being done at the moment, for
the rest of a turn, and for the requests of those who have had no more than it. And over time all clients that always
have work get equal shares, whether their requests are long or short.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from heapq import heappop, heappush
from typing import Generic, TypeVar

TURN_NS = 2_000_000
"""How long one client is served before another one is, if it has so much work: its completions then share interrupts.
What is begun in a turn is not taken back, so a turn may last one request longer for each worker."""

Item = TypeVar("Item")


class Line(Generic[Item]):
    """What one client waits for."""

    __slots__ = ("listed", "used_ns", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Item] = deque()
        self.used_ns = 0
        """Its account: how long its work has taken."""
        self.listed = False
        """Whether it is being served, or in the heap of those that will be."""


class FairQueue(Generic[Item]):
    """Items by owner. Any thread may call all of it; no call waits for more than the others' calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Hashable, Line[Item]] = {}
        self._heap: list[tuple[int, int, Line[Item]]] = []
        """By what each had used when it was put here, and then first come, first served."""
        self._serial = 0
        self._served: Line[Item] | None = None
        self._turn_ends_ns = 0
        """At which state of its account the one being served has to let another one."""
        self._now_ns = 0
        """What the one being served had used when its turn began."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, owner: Hashable, items: Iterable[Item]) -> None:
        """Put items at the end of their owner's line."""
        with self._lock:
            line = self._lines.get(owner)
            if line is None:
                line = self._lines[owner] = Line()
            before = len(line.waiting)
            line.waiting.extend(items)
            self._count += len(line.waiting) - before
            if line.waiting and not line.listed:
                line.listed = True
                line.used_ns = max(line.used_ns, self._now_ns)
                self._list(line)

    def take(self) -> Item | None:
        """The item to be done next, or None. Whoever has done it says by `charge` how long it took."""
        with self._lock:
            line = self._served
            if line is None or not line.waiting or line.used_ns >= self._turn_ends_ns:
                line = self._next_line()
                if line is None:
                    return None
            self._count -= 1
            return line.waiting.popleft()

    def charge(self, owner: Hashable, took_ns: int) -> None:
        """Add to the account of an owner, if it is still known."""
        with self._lock:
            line = self._lines.get(owner)
            if line is not None:
                line.used_ns += took_ns

    def drop(self, owner: Hashable) -> int:
        """Forget an owner; how many items it still waited for."""
        with self._lock:
            line = self._lines.pop(owner, None)
            if line is None:
                return 0
            dropped = len(line.waiting)
            line.waiting.clear()  # where the line is still listed it will be passed over
            self._count -= dropped
            return dropped

    def clear(self) -> int:
        """Forget everything; how many items there were."""
        return sum(self.drop(owner) for owner in list(self._lines))

    def _list(self, line: Line[Item]) -> None:
        self._serial += 1
        heappush(self._heap, (line.used_ns, self._serial, line))

    def _next_line(self) -> Line[Item] | None:
        """End a turn and begin the next one: that of the line that has used least, of those with work."""
        if self._served is not None:
            self._list(self._served)
            self._served = None
        while self._heap:
            used_ns, _, line = heappop(self._heap)
            if not line.waiting:
                line.listed = False
            elif line.used_ns > used_ns:  # it was charged in the meantime
                self._list(line)
            else:
                self._served = line
                self._now_ns = max(self._now_ns, used_ns)
                self._turn_ends_ns = used_ns + TURN_NS
                return line
        return None
