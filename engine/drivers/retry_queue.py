"""The jobs that the scheduler must retry by itself: they paused with EAGAIN, and no engine has promised to wake them.

`engine.offload.ring_full` decides that a full ring becomes EAGAIN.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.drivers.ready_seats import Seat

FIRST_NS, LAST_NS = 100_000, 10_000_000
"""The back-off while nothing else makes progress. It doubles from FIRST_NS to LAST_NS."""
BATCH = 16
"""The least number of jobs that are retried at a time."""


class RetryQueue:
    """The jobs to retry, first come, first served. A job that gets no slot again goes to the end."""

    __slots__ = ("_backoff_ns", "_seats")

    def __init__(self) -> None:
        self._seats: deque[Seat] = deque()
        self._backoff_ns = FIRST_NS

    def __bool__(self) -> bool:
        return bool(self._seats)

    def add(self, seat: Seat) -> None:
        """Add the job of this seat, which has paused with EAGAIN."""
        seat.eagain = True
        self._seats.append(seat)

    def drive(self, least: int, resume: Callable[[Seat], None]) -> None:
        """Retry `least` jobs or more. `resume(seat)` calls `add` for those that get no slot again."""
        for _ in range(min(len(self._seats), max(least, BATCH))):
            # The seat is taken out last, so that an exception in between does not lose it.
            seat = self._seats[0]
            if seat.eagain and not seat.woken:  # otherwise it was resumed meanwhile, or is about to be
                seat.eagain = False
                resume(seat)
                if not seat.eagain:
                    self._backoff_ns = FIRST_NS
            del self._seats[0]

    def wait_ns(self) -> int | None:
        """How long to wait before the next retry, longer each time. None if there is no job to retry."""
        if not self._seats:
            return None
        wait_ns = self._backoff_ns
        self._backoff_ns = min(wait_ns * 2, LAST_NS)
        return wait_ns
