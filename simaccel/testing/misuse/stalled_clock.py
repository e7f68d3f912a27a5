"""Finds a loop that never ends: one that jumps a virtual clock on which nothing is due, while a job waits."""

from __future__ import annotations

from collections.abc import Sequence

from simaccel.testing.misuse.track import JobTrack

SHOWN = 5


class Standstill:
    """Counts how many jumps in a row did nothing."""

    __slots__ = ("_count", "_limit", "_since")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._since = 0

    def jumped(self, paused: Sequence[JobTrack], progress: int) -> bool:
        """Count a jump. Returns whether these are too many. `paused`: the jobs that wait; empty if the jump moved
        something. `progress` is a count of everything else that has moved."""
        if not paused or self._since != progress:
            self._count = 0
        self._since = progress
        self._count += bool(paused)
        return self._count == self._limit

    def message(self, paused: Sequence[JobTrack]) -> str:
        """The message of the report."""
        names = ", ".join(str(job) + (f" for {job.op!r}" if job.op else "") for job in paused[:SHOWN])
        more = f" and {len(paused) - SHOWN} more wait" if len(paused) > SHOWN else " waits"
        return (
            f"clock.jump() has returned False {self._limit} times in a row, because nothing is due, while {names}"
            f"{more}: nothing will ever wake it; look at what jump() returns, and give up when it is False"
        )
