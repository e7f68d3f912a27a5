"""Sizes and times as text, with three digits and a unit."""

from __future__ import annotations


def size(count_bytes: int) -> str:
    """A number of bytes with a decimal unit, such as 12.3MB."""
    return _scaled(count_bytes, ("B", "kB", "MB", "GB", "TB"))


def duration(time_ns: int) -> str:
    """A time with a unit, such as 12.3us."""
    return _scaled(time_ns, ("ns", "us", "ms", "s"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    position = 0
    while abs(value) >= 999.5 and position < len(units) - 1:
        value /= 1_000
        position += 1
    digits = 0 if position == 0 or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}{units[position]}"
