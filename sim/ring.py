"""The two rings between host and device.

Rules:

- A slot of the submission ring is taken by a push and is free again when the completion was reaped. So there are never
  more requests outstanding than slots, and the completion ring, which has as many entries, can't overflow.
- Indices run freely and are masked only to find a slot: tail >= rung >= head >= 0 and tail - reaped <= depth.
- A push is invisible to the device until the doorbell announces it.

One producer at a time, one consumer at a time: `Accelerator` holds the locks.
"""

from __future__ import annotations

from collections import deque

from sim.errors import InternalError, UsageError
from sim.request import Submittable

MAX_DEPTH = 1 << 20


class SubmissionRing:
    """A ring of `depth` slots, a power of two up to 1,048,576."""

    __slots__ = ("depth", "head", "high_water", "mask", "reaped", "rung", "slots", "tail")

    def __init__(self, depth: int) -> None:
        """Raises UsageError for a depth that isn't a power of two."""
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
        """Pushed so far. Written by the producer."""
        self.rung = 0
        """Announced by the doorbell so far."""
        self.head = 0
        """Fetched so far. Written by the device."""
        self.reaped = 0
        """Slots given back so far. Written by whoever reaps."""
        self.high_water = 0
        """The most that were ever outstanding at once."""

    @property
    def outstanding(self) -> int:
        """Slots that are taken: pushed, and not yet reaped."""
        return self.tail - self.reaped

    def push(self, request: Submittable) -> bool:
        """Put a request into the next slot. False: all slots are taken."""
        outstanding = self.tail - self.reaped
        if outstanding >= self.depth:
            return False
        self.slots[self.tail & self.mask] = request
        self.tail += 1
        if outstanding >= self.high_water:
            self.high_water = outstanding + 1
        return True

    def fetch(self, limit: int | None = None) -> list[Submittable]:
        """Take what the doorbell has announced, oldest first; at most `limit`."""
        head = self.head
        waiting = self.rung - head
        if limit is not None and waiting > limit:
            waiting = limit
        if waiting <= 0:
            return []
        # Slices rather than a loop over slots: at 64 requests a visit a sixth of the time.
        slots, first = self.slots, head & self.mask
        last = first + waiting
        if last <= self.depth:
            batch = slots[first:last]
            slots[first:last] = [None] * waiting
        else:
            wrapped = last - self.depth
            batch = slots[first:] + slots[:wrapped]
            slots[first:] = [None] * (self.depth - first)
            slots[:wrapped] = [None] * wrapped
        self.head = head + waiting
        return batch  # type: ignore[return-value]  # announced slots are filled


class Echo:
    """A completion that comes a second time. It takes no slot."""

    __slots__ = ("request",)

    def __init__(self, request: Submittable) -> None:
        self.request = request


class CompletionRing:
    """Completed requests that nobody has reaped yet, oldest first: at most as many as the submission ring has slots.

    The device appends and whoever reaps pops; a deque lets the two be different threads without a lock.
    """

    __slots__ = ("depth", "echoes", "entries")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.entries: deque[Submittable] = deque()
        self.echoes = 0
        """How many of the entries are an Echo: those come on top of the depth."""

    def push(self, request: Submittable) -> None:
        """Add a completion."""
        if len(self.entries) >= self.depth + self.echoes:
            raise InternalError(f"the completion ring of {self.depth} entries overflowed")
        self.entries.append(request)

    def extend(self, requests: list[Submittable]) -> None:
        """Add a batch."""
        if len(self.entries) + len(requests) > self.depth + self.echoes:
            raise InternalError(f"the completion ring of {self.depth} entries overflowed")
        self.entries.extend(requests)

    def push_echo(self, echo: Echo) -> None:
        """Add a completion that comes a second time."""
        self.echoes += 1
        self.entries.append(echo)  # type: ignore[arg-type]  # whoever pushes echoes sorts them out again

    def take(self, quota: int = 0) -> list[Submittable]:
        """Take the oldest completions, at most `quota`; 0 for all that are there now."""
        entries = self.entries
        count = len(entries)
        if quota and quota < count:
            count = quota
        taken: list[Submittable] = []
        for _ in range(count):
            try:
                taken.append(entries.popleft())
            except IndexError:  # another thread polls as well
                break
        return taken
