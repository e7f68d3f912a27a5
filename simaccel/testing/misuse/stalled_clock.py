"""A loop that never ends: it jumps a virtual clock on which nothing is due, while a job waits."""

from __future__ import annotations

from collections.abc import Sequence

from simaccel.testing.misuse.track import JobTrack

SHOWN = 5


class Standstill:
    """Counts jumps in a row that came to nothing."""

    __slots__ = ("_count", "_limit", "_since")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._since = 0

    def jumped(self, paused: Sequence[JobTrack], progress: int) -> bool:
        """Whether this jump makes them too many. `paused`: who waits, none if the jump moved something; `progress`
        goes up when anything else has moved."""
        if not paused or self._since != progress:
            self._count = 0
        self._since = progress
        self._count += bool(paused)
        return self._count == self._limit

    def message(self, paused: Sequence[JobTrack]) -> str:
        """What to tell of it."""
        names = ", ".join(str(job) + (f" for {job.op!r}" if job.op else "") for job in paused[:SHOWN])
        more = f" and {len(paused) - SHOWN} more wait" if len(paused) > SHOWN else " waits"
        return (
            f"clock.jump() has answered {self._limit} times in a row that nothing is due, while {names}{more}: nothing "
            "will ever wake it; look at what jump() returns, and give up when it is False"
        )
