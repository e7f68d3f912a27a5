"""The verdict on one scenario, and the result of a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """How a scenario or a rule ended."""

    PASSED = "passed"
    FAILED = "failed"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, slots=True)
class CertifyVerdict:
    """The result of one scenario or rule."""

    name: str
    what: str
    outcome: Decision
    seen: str
    """Why it failed or does not apply, or what is worth knowing about a pass."""
    since_s: float = 0.0
    """For a failure: how long the server had been in that state when it was found."""
    took_s: float = 0.0
    again: str = ""
    """The command that plays it alone, with the same seed."""
    stands_for: str = ""
    """The public faults for which a scenario stands."""


@dataclass(frozen=True, slots=True)
class Result:
    """All verdicts on one server, provider or engine."""

    subject: str
    summary: str
    """What was found out about the server, provider or engine as a whole."""
    seed: int | None
    """None: nothing was random."""
    verdicts: tuple[CertifyVerdict, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something passed."""
        outcomes = [verdict.outcome for verdict in self.verdicts]
        return Decision.FAILED not in outcomes and Decision.PASSED in outcomes

    def count(self, outcome: Decision) -> int:
        """How many ended so."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)
