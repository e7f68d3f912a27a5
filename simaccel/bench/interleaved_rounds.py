"""Contenders side by side: interleaved rounds, medians, and ratios taken round by round.

On a noisy machine everything is slower at some moments. So each contender of a figure has one turn in each round, in an
order that rotates, and a ratio is the median of the ratios of the rounds. If a whole round is slow, its ratio is still
right.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Turn = Callable[[], float]
"""One turn of a contender. It does its work and returns the time, in ns for an operation unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One value for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The bounds between which the middle half of the rounds lies."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third


_watching: list[Callable[[str], object]] = []


@contextmanager
def watched(tell: Callable[[str], object]) -> Iterator[None]:
    """Inside the `with`, tell(text) is called before each turn, with the number of the round and the contender. It is
    not called while anything is measured."""
    _watching.append(tell)
    try:
        yield
    finally:
        _watching.pop()


def _tell(text: str) -> None:
    for tell in _watching:
        tell(text)


def interleave(contenders: Mapping[str, Turn], rounds: int) -> dict[str, Samples]:
    """Run all contenders `rounds` times, after one turn each that does not count. Returns the times of each, in the
    given order."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for name, turn in contenders.items():
        _tell(f"warming up, {name}")
        turn()
    for round_ in range(rounds):
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            _tell(f"round {round_ + 1} of {rounds}, {name}")
            # Collected here, so that no turn pays for the garbage of another one. The collector stays on, because
            # programs that use the library have it on too.
            gc.collect()
            taken[name].append(contenders[name]())
    return {name: Samples(tuple(values)) for name, values in taken.items()}


def ratio(above: Samples, below: Samples) -> Samples:
    """above / below, for each round."""
    return Samples(tuple(one / other for one, other in zip(above.values, below.values, strict=True)))
