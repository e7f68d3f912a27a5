"""The two rings between host and device: requests go down the submission ring and come back on the completion ring.

- A push takes a slot of the submission ring. The slot is free again when the request's completion was reaped. So there
  are never more requests outstanding than slots. The completion ring has as many entries, so it can't overflow.
- Indices only grow, and are masked to find a slot. `tail` counts what was pushed, `rung` what the doorbell announced,
  `head` what was fetched, `reaped` the slots that are free again: tail >= rung >= head >= 0, tail - reaped <= depth.
- The device does not see a pushed request until the doorbell announces it.

One producer at a time and one consumer at a time may use a ring. Their locks are `Gate.lock` and `Reaper.lock`.
"""

from __future__ import annotations

from collections import deque

from hotpath.submittable import Submittable
from sim.errors import InternalError, UsageError

MAX_DEPTH = 1 << 20


class SubmissionRing:
    """A ring of `depth` slots, a power of two up to 1,048,576."""

    __slots__ = ("depth", "head", "high_water", "mask", "reaped", "rung", "slots", "tail")

    def __init__(self, depth: int) -> None:
        """Raises UsageError for a depth that is not a power of two in that range."""
        if not isinstance(depth, int) or isinstance(depth, bool) or not 0 < depth <= MAX_DEPTH or depth & (depth - 1):
            hint = ""
            if isinstance(depth, int) and depth > 2:
                below = 1 << min(depth.bit_length() - 1, 20)
                hint = f", such as {below}" + (f" or {below * 2}" if below < MAX_DEPTH else "")
            raise UsageError(f"depth={depth!r}: use a power of two from 1 to {MAX_DEPTH:,}{hint}")
        self.depth = depth
        self.mask = depth - 1
        self.slots: list[Submittable | None] = [None] * depth
        self.tail = 0
        """How many were pushed so far. Written by the producer."""
        self.rung = 0
        """How many the doorbell has announced so far."""
        self.head = 0
        """How many were fetched so far. Written by the device."""
        self.reaped = 0
        """How many slots were given back so far. Written by the thread that reaps."""
        self.high_water = 0
        """The most that were ever outstanding at once."""

    @property
    def outstanding(self) -> int:
        """How many slots are taken: pushed and not yet reaped."""
        return self.tail - self.reaped

    def push(self, request: Submittable) -> bool:
        """Put a request into the next slot. Returns False if all slots are taken."""
        outstanding = self.tail - self.reaped
        if outstanding >= self.depth:
            return False
        self.slots[self.tail & self.mask] = request
        self.tail += 1
        if outstanding >= self.high_water:
            self.high_water = outstanding + 1
        return True

    def announced(self) -> list[Submittable]:
        """What the doorbell has announced and the device has not fetched, oldest first. It stays on the ring."""
        waiting = self.rung - self.head
        if waiting <= 0:
            return []
        first = self.head & self.mask
        last = first + waiting
        if last <= self.depth:
            return self.slots[first:last]  # type: ignore[return-value]  # announced slots are filled
        return self.slots[first:] + self.slots[: last - self.depth]  # type: ignore[return-value]

    def clear(self, count: int) -> None:
        """Empty the slots of the last `count` requests before `head`: the device holds these requests now."""
        # Slices take a sixth of the time of a loop over the slots, with batches of 64 requests.
        slots, first = self.slots, (self.head - count) & self.mask
        last = first + count
        if last <= self.depth:
            slots[first:last] = [None] * count
        else:
            slots[first:] = [None] * (self.depth - first)
            slots[: last - self.depth] = [None] * (last - self.depth)


class Echo:
    """The second completion of a request that completes twice. It takes no slot."""

    __slots__ = ("request",)

    def __init__(self, request: Submittable) -> None:
        self.request = request


class CompletionRing:
    """Completed requests whose owners were not told yet, oldest first. There are at most as many as slots.

    The first `reaped` of them have given back their slots and are counted. An entry leaves the ring when its owner is
    told, so an exception during a reap loses none. The device appends at one end, and the thread that reaps takes from
    the other. With a deque, two threads may do this without a lock.
    """

    __slots__ = ("depth", "echoes", "entries", "reaped", "taken")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.entries: deque[Submittable] = deque()
        self.echoes = 0
        """How many of the entries are an Echo. The ring may hold these in addition to `depth` requests."""
        self.reaped = 0
        """How many of the entries have given back their slots."""
        self.taken = 0
        """How many entries were reaped since the ring was made."""

    def check_room(self, count: int) -> None:
        """Raises InternalError if `count` more completions do not fit. Then some slot was freed before its reap."""
        if len(self.entries) - self.reaped + count > self.depth + self.echoes:
            raise InternalError(f"the completion ring of {self.depth} entries overflowed")

    def unreaped(self, quota: int) -> list[Submittable]:
        """The oldest entries that have not given back their slots, at most `quota`, or all if it is 0. They stay."""
        entries, reaped = self.entries, self.reaped
        if not quota:
            return list(entries)[reaped:]
        # By index, because an iterator would raise if the device appends meanwhile.
        return [entries[index] for index in range(reaped, min(len(entries), reaped + quota))]
