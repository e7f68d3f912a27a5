"""Times that options give."""

from __future__ import annotations

from engine.errors import UsageError
from sim import UsageError as SimUsageError
from sim.timing.quantities import parse_duration_ns


def positive_ns(option: str, text: str) -> int:
    """The time that this option gives, such as 50ms, in ns. Raises UsageError for any other text, and for 0."""
    try:
        time_ns = parse_duration_ns(text)
    except SimUsageError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if not time_ns:
        raise UsageError(f"{option} {text}: use more than 0")
    return time_ns
