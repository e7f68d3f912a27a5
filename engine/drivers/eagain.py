"""Jobs that must be resumed by whoever drives them: EAGAIN, and no engine promised a wake."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.drivers.wakeups import Seat

FIRST_NS, LAST_NS = 100_000, 10_000_000
"""The back-off while nothing else makes progress: it doubles from the first to the last."""
BATCH = 16
"""How many are tried at once, if others made no more progress than that."""


class EagainQueue:
    """First come, first served; who tries and fails goes to the back."""

    __slots__ = ("_backoff_ns", "_seats")

    def __init__(self) -> None:
        self._seats: deque[Seat] = deque()
        self._backoff_ns = FIRST_NS

    def __bool__(self) -> bool:
        return bool(self._seats)

    def add(self, seat: Seat) -> None:
        """Its job paused with EAGAIN."""
        seat.eagain = True
        self._seats.append(seat)

    def drive(self, least: int, resume: Callable[[Seat], None]) -> None:
        """Try a few, at least so many; `resume(seat)` adds those again that fail."""
        for _ in range(min(len(self._seats), max(least, BATCH))):
            # It stays in there until all is done: an exception in between must not lose it.
            seat = self._seats[0]
            if seat.eagain and not seat.woken:  # else resumed meanwhile, or about to be
                seat.eagain = False
                resume(seat)
                if not seat.eagain:
                    self._backoff_ns = FIRST_NS
            del self._seats[0]

    def wait_ns(self) -> int | None:
        """How long to wait before the next try, longer each time; None if nobody asks for one."""
        if not self._seats:
            return None
        wait_ns = self._backoff_ns
        self._backoff_ns = min(wait_ns * 2, LAST_NS)
        return wait_ns
