"""How much the tests do that could go on for ever, or that is the same once more with another program.

There are three efforts, by SIMACCEL_EFFORT:

- none: `make test`, for those who change the code. A part of each that finds what it is there to find, and no test with
  the mark `in_ci`.
- `ci`: what `.ci/run` asks for. All tests.
- `full`: `make thorough`. All tests, and all that is named with `FULL` and `pick`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

EFFORT = os.environ.get("SIMACCEL_EFFORT", "")
FULL = EFFORT == "full"
CI = EFFORT in ("ci", "full")
"""Whether CI asks for this, or `make thorough`."""


def pick(few: T, ci: T, full: T) -> T:
    """What this effort does: `few` in `make test`."""
    return full if FULL else ci if CI else few


def pairs(one: Sequence[T], other: Sequence[S]) -> Sequence[tuple[T, S]]:
    """All pairs in CI and with `make thorough`. In `make test` each value of both at least once, in as few pairs as
    that takes."""
    if CI:
        return [(this, that) for this in one for that in other]
    count = max(len(one), len(other))
    return [(one[number % len(one)], other[number % len(other)]) for number in range(count)]


def some(values: Sequence[T], few: int) -> Sequence[T]:
    """All values in CI and with `make thorough`, and in `make test` so many, spread evenly, with the first and last."""
    if CI or few >= len(values):
        return values
    return [values[round(number * (len(values) - 1) / max(few - 1, 1))] for number in range(few)]
