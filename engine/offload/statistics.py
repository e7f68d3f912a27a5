"""What an engine counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """What an engine has counted of the operations that have ended. Exact if only one thread uses the engine."""

    operations: int
    """How many operations have ended, in any way."""
    pauses: int
    """How often callers waited: at least once for each operation that was submitted."""
    eagains: int
    """How many of the `pauses` were for a full ring."""
    wakes: int
    """How often a caller was woken and went on, because of a completion, a slot or a deadline."""
    spurious_wakes: int
    """How often a caller was resumed too early or for nothing, and paused again."""
    failed: int
    """How many of the `operations` raised."""


class Counters:
    """The counters. The other figures are computed from them, so that the common case counts only once."""

    __slots__ = ("eagains", "failed", "given_up", "never_submitted", "operations", "slots", "spurious")

    def __init__(self) -> None:
        self.operations = 0
        self.failed = 0
        self.given_up = 0
        """How many of the `failed` operations have a caller that did not wait to the end."""
        self.never_submitted = 0
        """How many of the `failed` operations were settled while they waited for a slot."""
        self.eagains = 0
        self.slots = 0
        """How many of the `eagains` ended with a slot."""
        self.spurious = 0

    def snapshot(self) -> EngineStatistics:
        """The statistics."""
        waited = self.operations - self.given_up - self.never_submitted
        return EngineStatistics(
            operations=self.operations,
            pauses=waited + self.eagains + self.spurious,
            eagains=self.eagains,
            wakes=waited + self.never_submitted + self.slots,
            spurious_wakes=self.spurious,
            failed=self.failed,
        )
