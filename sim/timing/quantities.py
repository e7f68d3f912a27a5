"""Quantities: checks of values, and durations, bandwidths and plain numbers from text and to text.

Numbers are decimal, without a sign and without an exponent. They are read exactly: a value between two ns is refused,
and not rounded.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from sim.errors import UsageError

# The largest time that fits an int64 of ns, which is what timers take: 292 years.
MAX_NS = 2**63 - 1

# The longest unit first: format_duration_ns takes the first that divides.
_UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_UNITS_BYTES_PER_S: dict[str, Fraction] = {
    "GB/s": Fraction(10**9),
    "MB/s": Fraction(10**6),
    "kB/s": Fraction(10**3),
    "B/s": Fraction(1),
    "Gbit/s": Fraction(10**9, 8),
    "Mbit/s": Fraction(10**6, 8),
}
# Bounded lengths: int() of unbounded digits takes quadratic time and is refused by Python beyond 4,300 of them.
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,30})?|\.[0-9]{1,30}"
# Longer for plain numbers: the smallest floats take 340 places, and float() reads any length in linear time.
_PLAIN = re.compile(_NUMBER.replace("30", "400"))
_WITH_UNIT = re.compile(rf"({_NUMBER})\s*([A-Za-z/]+)")


def check_ns(what: str, value: object) -> None:
    """Raises UsageError unless the value is a time: a whole number of ns, from 0 to MAX_NS."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NS:
        raise UsageError(f"{what} {value!r}: use a whole number of ns, 0 to {MAX_NS}")


def check_count(what: str, value: object) -> None:
    """Raises UsageError unless the value is a whole number, 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{what} {value!r}: use a whole number, 1 or more")


def parse_duration_ns(text: str) -> int:
    """'50us', '1.5ms', '0s' -> ns. Units are ns, us, ms and s. Raises UsageError, even for a fraction of a ns."""
    number, unit = _split(text, "duration", "50us", _UNITS_NS)
    value = Fraction(number) * _UNITS_NS[unit]
    if value.denominator != 1:
        raise UsageError(f"duration {text!r}: use a whole number of ns")
    if value > MAX_NS:
        raise UsageError(f"duration {text!r}: use at most {MAX_NS} ns, which is 292 years")
    return int(value)


def format_duration_ns(duration_ns: int) -> str:
    """ns -> text in the largest unit that leaves a whole number: 1500 -> '1500ns', 2000 -> '2us'."""
    for unit, unit_ns in _UNITS_NS.items():
        if duration_ns % unit_ns == 0:
            return f"{duration_ns // unit_ns}{unit}"
    raise AssertionError("every int is a whole number of ns")


def parse_bandwidth(text: str) -> int:
    """'2GB/s', '10Gbit/s' -> bytes a second, 1 or more. Units are powers of ten. Raises UsageError."""
    number, unit = _split(text, "bandwidth", "2GB/s", _UNITS_BYTES_PER_S)
    value = Fraction(number) * _UNITS_BYTES_PER_S[unit]
    if value.denominator != 1 or value < 1:
        raise UsageError(f"bandwidth {text!r}: use a whole number of bytes a second, 1 or more")
    return int(value)


def format_bandwidth(bytes_per_s: int) -> str:
    """Bytes a second -> text in the largest unit of bytes that leaves a whole number."""
    for unit in ("GB/s", "MB/s", "kB/s", "B/s"):
        if bytes_per_s % _UNITS_BYTES_PER_S[unit] == 0:
            return f"{bytes_per_s // int(_UNITS_BYTES_PER_S[unit])}{unit}"
    raise AssertionError("every int is a whole number of bytes a second")


def parse_number(name: str, text: str) -> float:
    """'0.3' -> 0.3. Raises UsageError, in which `name` says what the number stands for."""
    if not _PLAIN.fullmatch(text):
        raise UsageError(f"{name} {text!r}: use a decimal number, 0 or more, such as 0.3")
    return float(text)


def format_number(value: float) -> str:
    """The shortest decimal that parses to the same float, without an exponent."""
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def _split(text: object, what: str, example: str, units: dict[str, int] | dict[str, Fraction]) -> tuple[str, str]:
    match = _WITH_UNIT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise UsageError(
            f"{what} {text!r}: use a number, 0 or more, and a unit of {', '.join(units)}, such as {example}"
        )
    return match[1], match[2]
