"""Jobs that paused with EAGAIN and that no engine has promised to wake: the scheduler must retry them by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.drivers.wakeups import Seat

FIRST_NS, LAST_NS = 100_000, 10_000_000
"""The back-off while nothing else makes progress. It doubles from FIRST_NS to LAST_NS."""
BATCH = 16
"""At least so many jobs are retried at a time."""


class RetryQueue:
    """First come, first served. A job that fails again goes to the end."""

    __slots__ = ("_backoff_ns", "_seats")

    def __init__(self) -> None:
        self._seats: deque[Seat] = deque()
        self._backoff_ns = FIRST_NS

    def __bool__(self) -> bool:
        return bool(self._seats)

    def add(self, seat: Seat) -> None:
        """The job of this seat paused with EAGAIN."""
        seat.eagain = True
        self._seats.append(seat)

    def drive(self, least: int, resume: Callable[[Seat], None]) -> None:
        """Retry at least so many jobs. `resume(seat)` calls `add` for those that fail again."""
        for _ in range(min(len(self._seats), max(least, BATCH))):
            # Taken out last: an exception in between must not lose it.
            seat = self._seats[0]
            if seat.eagain and not seat.woken:  # else resumed meanwhile, or about to be
                seat.eagain = False
                resume(seat)
                if not seat.eagain:
                    self._backoff_ns = FIRST_NS
            del self._seats[0]

    def wait_ns(self) -> int | None:
        """How long to wait before the next retry, longer each time. None if there is nobody to retry."""
        if not self._seats:
            return None
        wait_ns = self._backoff_ns
        self._backoff_ns = min(wait_ns * 2, LAST_NS)
        return wait_ns
