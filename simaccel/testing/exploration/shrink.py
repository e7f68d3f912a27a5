"""Makes a failing schedule small: first with fewer preemptions, then with fewer steps, then with plainer decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from simaccel.testing.exploration.actor import Mark


class RunOutcome(NamedTuple):
    """How a run ended."""

    taken: list[int]
    """The index of the option that was taken at each decision."""
    widths: list[int]
    """How many options each decision had."""
    preemptions: int
    marks: list[Mark]
    error: Exception | None

    def cost(self) -> tuple[int, int, int, list[int]]:
        """How large the schedule is. Shrinking looks for the smallest."""
        return self.preemptions, len(self.marks), sum(map(bool, self.taken)), self.taken


def shrink(found: RunOutcome, attempt: Callable[[list[int]], RunOutcome], budget: int) -> RunOutcome:
    """The smallest failing run that at most `budget` further runs find. It fails with the same class of error.

    `attempt(decisions)` runs the model with these decisions, and with option 0 after them.
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
    """Similar lists of decisions to try: with the end cut off, with one decision undone or dropped, with another
    option, or with an option taken earlier or later.

    The index of an option may also grow, because a later option may lead to the failure sooner.
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
