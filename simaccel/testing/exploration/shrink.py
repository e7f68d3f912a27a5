"""Making a failing schedule small: fewer preemptions first, then fewer steps, then plainer decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from simaccel.testing.exploration.actor import Mark


class Outcome(NamedTuple):
    """How a run ended."""

    taken: list[int]
    """The index taken at each decision."""
    widths: list[int]
    """Of how many options each."""
    preemptions: int
    marks: list[Mark]
    error: Exception | None

    def cost(self) -> tuple[int, int, int, list[int]]:
        """Less is better."""
        return self.preemptions, len(self.marks), sum(map(bool, self.taken)), self.taken


def shrink(found: Outcome, attempt: Callable[[list[int]], Outcome], budget: int) -> Outcome:
    """The cheapest failing run that at most `budget` further runs find. It fails with the same class of error.

    `attempt(decisions)` runs the model with these decisions, and plain ones after them.
    """
    best = found
    better = True
    while better and budget > 0:
        better = False
        for decisions in _plainer(best.taken, best.widths):
            if budget <= 0:
                break
            budget -= 1
            outcome = attempt(decisions)
            if type(outcome.error) is type(found.error) and outcome.cost() < best.cost():
                best = outcome
                better = True
                break
    return best


def _plainer(taken: list[int], widths: list[int]) -> list[list[int]]:
    """Neighbours to try: cut the end off, undo one decision, drop one, take another option, take it earlier or later.

    A decision may be raised too: a later option can lead to the failure at once.
    """
    tries: list[list[int]] = []
    hot = [at for at, index in enumerate(taken) if index]
    for at in hot:
        tries.append(taken[:at])
    for at in hot:
        tries.append([*taken[:at], 0, *taken[at + 1 :]])
        tries.append(taken[:at] + taken[at + 1 :])
    for at in hot:
        for index in range(1, widths[at]):
            if index != taken[at]:
                tries.append([*taken[:at], index])
                tries.append([*taken[:at], index, *taken[at + 1 :]])
        if at:
            tries.append([*taken[: at - 1], taken[at], 0, *taken[at + 1 :]])
        tries.append([*taken[:at], 0, taken[at], *taken[at + 2 :]])
    return tries
