"""The time that a run may take. On a busy machine it runs fewer rounds, and in the end leaves parts out and says so."""

from __future__ import annotations

from collections.abc import Callable

_FEWER = ((0.6, 3), (0.8, 1))
"""(share, rounds): after this share of the time has passed, at most this many rounds are run."""


class Budget:
    """The time of one run. `limit_ns` None: no limit. `rounds` fixes the number of rounds, whatever the time."""

    def __init__(self, limit_ns: int | None, rounds: int | None, now_ns: Callable[[], int]) -> None:
        self._limit_ns = limit_ns
        self._rounds = rounds
        self._now_ns = now_ns
        self._began_ns = now_ns()

    @property
    def used_ns(self) -> int:
        """The time since the run began."""
        return self._now_ns() - self._began_ns

    @property
    def spent(self) -> bool:
        """Whether no new part may begin. A twentieth of the time is kept for the part that still runs."""
        return self._limit_ns is not None and self.used_ns >= self._limit_ns * 0.95

    def rounds(self, wanted: int) -> int:
        """How many rounds a part that begins now may run."""
        if self._rounds is not None:
            return self._rounds
        if self._limit_ns is not None:
            for share, at_most in _FEWER:
                if self.used_ns >= self._limit_ns * share:
                    wanted = min(wanted, at_most)
        return wanted
