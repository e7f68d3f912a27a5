"""What an engine counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """What an engine has counted, of operations that have ended. Exact if only one thread uses the engine."""

    operations: int
    """Operations that have ended, in whichever way."""
    pauses: int
    """Waits of its callers: at least one for each operation that was submitted."""
    eagains: int
    """Pauses for a full ring, among `pauses`."""
    wakes: int
    """Times a waiter was woken and went on: by a completion, a slot, a deadline."""
    spurious_wakes: int
    """Resumes that came too early or for nothing; the caller paused again."""
    failed: int
    """Operations that raised, among `operations`."""


class Counters:
    """The counters. The other figures follow from them, so that the common case counts only once."""

    __slots__ = ("eagains", "failed", "given_up", "never_submitted", "operations", "slots", "spurious")

    def __init__(self) -> None:
        self.operations = 0
        self.failed = 0
        self.given_up = 0
        """Operations whose caller did not wait to the end, among `failed`."""
        self.never_submitted = 0
        """Operations that were settled while they waited for a slot, among `failed`."""
        self.eagains = 0
        self.slots = 0
        """EAGAIN pauses that ended with a slot."""
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
