"""Decides whose request is done next: fair queueing over the clients of a device.

Each owner (a client) has a queue of its own, and an account of the time that its requests have taken. The owner that
has had the least time is served for a turn. Then comes the one that has had the least by then, and so on. An owner that
is new, or comes back after a while, starts with the account that the served owner had when its turn began. So no owner
can save up time by not asking for it.

A client with one request waits only for the request that is being done, for the rest of a turn, and for the requests of
clients that have had no more time than it has. It does not matter how many requests the others have. And clients that
always have requests get equal shares of the time, however long their requests are.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from heapq import heappop, heappush
from typing import Generic, TypeVar

TURN_NS = 2_000_000
"""How long one client is served before the next one, if it has enough to do. Its completions then share interrupts. A
request that was begun in a turn is finished, so a turn may last one request longer for each worker."""

Item = TypeVar("Item")


class OwnQueue(Generic[Item]):
    """The queue of one owner, with its account."""

    __slots__ = ("listed", "used_ns", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Item] = deque()
        self.used_ns = 0
        """The account: how long the owner's items have taken."""
        self.listed = False
        """Whether the queue is being served, or is in the heap of those that will be."""


class FairQueue(Generic[Item]):
    """Items by owner. Any thread may call every method. They block only for each other, for microseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Hashable, OwnQueue[Item]] = {}
        self._heap: list[tuple[int, int, OwnQueue[Item]]] = []
        """The queues, ordered by the account that each had when it was put here. Of equal ones the older comes
        first."""
        self._serial = 0
        self._served: OwnQueue[Item] | None = None
        self._turn_ends_ns = 0
        """The turn of the queue being served ends when its account reaches this."""
        self._now_ns = 0
        """The account of the queue being served when its turn began."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, owner: Hashable, items: Iterable[Item]) -> None:
        """Puts items at the end of their owner's queue."""
        with self._lock:
            queue = self._queues.get(owner)
            if queue is None:
                queue = self._queues[owner] = OwnQueue()
            before = len(queue.waiting)
            queue.waiting.extend(items)
            self._count += len(queue.waiting) - before
            if queue.waiting and not queue.listed:
                queue.listed = True
                queue.used_ns = max(queue.used_ns, self._now_ns)
                self._list(queue)

    def take(self) -> Item | None:
        """Takes the item that is to be done next, or None. The caller does it and then calls `charge`."""
        with self._lock:
            queue = self._served
            if queue is None or not queue.waiting or queue.used_ns >= self._turn_ends_ns:
                queue = self._next_turn()
                if queue is None:
                    return None
            self._count -= 1
            return queue.waiting.popleft()

    def charge(self, owner: Hashable, took_ns: int) -> None:
        """Adds the time that an item took to its owner's account. Does nothing if the owner was dropped."""
        with self._lock:
            queue = self._queues.get(owner)
            if queue is not None:
                queue.used_ns += took_ns

    def drop(self, owner: Hashable) -> int:
        """Forgets an owner. Returns how many of its items were waiting."""
        with self._lock:
            queue = self._queues.pop(owner, None)
            if queue is None:
                return 0
            dropped = len(queue.waiting)
            queue.waiting.clear()  # it may still be in the heap: an empty queue is skipped there
            self._count -= dropped
            return dropped

    def clear(self) -> int:
        """Forgets all owners. Returns how many items were waiting."""
        return sum(self.drop(owner) for owner in list(self._queues))

    def _list(self, queue: OwnQueue[Item]) -> None:
        self._serial += 1
        heappush(self._heap, (queue.used_ns, self._serial, queue))

    def _next_turn(self) -> OwnQueue[Item] | None:
        """Ends a turn and begins the next one, of the queue with the smallest account that is not empty."""
        if self._served is not None:
            self._list(self._served)
            self._served = None
        while self._heap:
            used_ns, _, queue = heappop(self._heap)
            if not queue.waiting:
                queue.listed = False
            elif queue.used_ns > used_ns:  # it was charged after it was put here
                self._list(queue)
            else:
                self._served = queue
                self._now_ns = max(self._now_ns, used_ns)
                self._turn_ends_ns = used_ns + TURN_NS
                return queue
        return None
