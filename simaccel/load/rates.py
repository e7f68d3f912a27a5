"""Rates as text and back: 50k/s, 2.5M/s, 100/s."""

from __future__ import annotations

import re

from sim.errors import UsageError

MOST_PER_S = 1e9
"""One arrival in each ns, because times are whole ns."""

_SCALES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})\s*([kMG]?)\s*/\s*s")


def parse_rate(text: str) -> float:
    """'50k/s' -> 50,000.0 a second. Raises UsageError, also for 0 and for more than one in each ns."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise UsageError(f"rate {text!r}: use a number a second, such as 800/s, 50k/s or 1.5M/s")
    return check_rate(text, float(match[1]) * _SCALES[match[2]])


def check_rate(what: object, per_s: float) -> float:
    """The rate. Raises UsageError unless it is above 0 and at most one in each ns."""
    if not isinstance(per_s, int | float) or isinstance(per_s, bool) or not 0 < per_s <= MOST_PER_S:
        raise UsageError(f"rate {what}: use more than 0/s, and at most {format_rate(MOST_PER_S)}")
    return float(per_s)


def format_rate(per_s: float) -> str:
    """A rate with three digits or more, in the largest unit below it."""
    for mark in ("G", "M", "k"):
        if per_s >= _SCALES[mark] * 0.9995:
            return f"{per_s / _SCALES[mark]:.4g}{mark}/s"
    return f"{per_s:.4g}/s"
