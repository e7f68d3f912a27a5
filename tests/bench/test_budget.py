"""A run ends in time: fewer rounds first, then nothing more is begun."""

from __future__ import annotations

import pytest

from simaccel.bench.time_budget import Budget


class _Clock:
    def __init__(self) -> None:
        self.ns = 5_000

    def now_ns(self) -> int:
        return self.ns


@pytest.mark.parametrize(
    ("used_ns", "rounds", "spent"),
    [(0, 7, False), (599, 7, False), (600, 3, False), (800, 1, False), (949, 1, False), (950, 1, True)],
)
def test_rounds_get_fewer_as_the_time_goes(used_ns: int, rounds: int, spent: bool) -> None:
    clock = _Clock()
    budget = Budget(1_000, None, clock.now_ns)
    clock.ns += used_ns
    assert (budget.rounds(7), budget.spent, budget.used_ns) == (rounds, spent, used_ns)


def test_a_number_of_rounds_that_was_asked_for_is_kept() -> None:
    clock = _Clock()
    budget = Budget(1_000, 5, clock.now_ns)
    clock.ns += 900
    assert budget.rounds(7) == 5


def test_without_a_limit_it_takes_what_it_takes() -> None:
    clock = _Clock()
    budget = Budget(None, None, clock.now_ns)
    clock.ns += 10**15
    assert (budget.rounds(7), budget.spent) == (7, False)
