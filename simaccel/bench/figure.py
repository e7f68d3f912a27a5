"""A figure that must be reached, and the row of the table that holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simaccel.bench.interleaved_rounds import Samples
from simaccel.bench.rig import Rig


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, and what it must reach."""

    what: str
    samples: Samples | None
    """None if it could not be measured; the notes of the row say why."""
    target: float
    at_least: bool
    """Whether more is better."""
    unit: str = "x"
    in_python: Samples | None = None
    """The same of the Python, in the same rounds. None where it was not measured, or nothing is compiled."""

    @property
    def reached(self) -> bool | None:
        """None where it could not be measured."""
        if self.samples is None:
            return None
        value = self.samples.median
        return value >= self.target if self.at_least else value <= self.target


@dataclass(frozen=True, slots=True)
class RowResult:
    """The results of measuring a row."""

    figures: list[Figure]
    times_ns: dict[str, Samples] = field(default_factory=dict)
    """The time that each contender took for an operation. It depends on the machine, and is for information only."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: it can be measured alone."""

    name: str
    text: str
    part: str
    """The list that has this row: "A" is the floor, "C" the testing tools, and "D" the goals."""
    measure: Callable[[Rig, int], RowResult]
    """Called as measure(rig, rounds)."""
    rounds: int = 7


def at_most(
    what: str, samples: Samples | None, target: float, unit: str = "x", in_python: Samples | None = None
) -> Figure:
    """A figure that must not exceed its target."""
    return Figure(what, samples, target, False, unit, in_python)


def at_least(
    what: str, samples: Samples | None, target: float, unit: str = "x", in_python: Samples | None = None
) -> Figure:
    """A figure that must not fall below its target."""
    return Figure(what, samples, target, True, unit, in_python)
