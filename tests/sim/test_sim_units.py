"""The bank of units against a plain model of nvmevirt's rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UsageError
from sim.units import UnitBank


class _Model:
    """The rule in its plainest form: look at all units each time."""

    def __init__(self, count: int) -> None:
        self.busy_until = [0] * count

    def assign(self, now_ns: int, service_ns: int) -> tuple[int, int, int]:
        unit = self.busy_until.index(min(self.busy_until))
        start_ns = max(now_ns, self.busy_until[unit])
        self.busy_until[unit] = start_ns + service_ns
        return unit, start_ns, start_ns + service_ns

    def stall(self, unit: int, until_ns: int) -> None:
        self.busy_until[unit] = max(self.busy_until[unit], until_ns)


_ASSIGN = st.tuples(st.just("assign"), st.integers(0, 50), st.integers(0, 100))
_STALL = st.tuples(st.just("stall"), st.integers(0, 7), st.integers(0, 500))


@given(st.integers(1, 8), st.lists(st.one_of(_ASSIGN, _STALL), max_size=60))
def test_agrees_with_the_model(count: int, steps: list[tuple[str, int, int]]) -> None:
    bank, model = UnitBank(count), _Model(count)
    now_ns = 0
    for step, first, second in steps:
        if step == "assign":
            now_ns += first
            assert bank.assign(now_ns, second) == model.assign(now_ns, second)
        else:
            bank.stall(first % count, second)
            model.stall(first % count, second)


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=60))
def test_no_unit_serves_two_at_once(count: int, requests: list[tuple[int, int]]) -> None:
    bank = UnitBank(count)
    now_ns = 0
    last_end_ns = [0] * count
    for gap_ns, service_ns in requests:
        now_ns += gap_ns
        unit, start_ns, end_ns = bank.assign(now_ns, service_ns)
        assert start_ns >= max(now_ns, last_end_ns[unit])
        assert end_ns - start_ns == service_ns
        last_end_ns[unit] = end_ns


def test_idle_units_are_taken_from_the_lowest_and_then_as_they_free() -> None:
    bank = UnitBank(3)
    assert [bank.assign(100, service_ns) for service_ns in (30, 10, 20)] == [
        (0, 100, 130),
        (1, 100, 110),
        (2, 100, 120),
    ]
    assert bank.assign(105, 5) == (1, 110, 115)
    assert bank.assign(200, 5) == (1, 200, 205)
    assert bank.assign(200, 5) == (2, 200, 205)


def test_one_unit_is_a_queue() -> None:
    bank = UnitBank(1)
    assert [bank.assign(0, 10)[1:] for _ in range(3)] == [(0, 10), (10, 20), (20, 30)]


def test_a_stalled_unit_is_passed_over_and_never_freed_early() -> None:
    bank = UnitBank(2)
    bank.stall(0, 1000)
    assert bank.assign(0, 10) == (1, 0, 10)
    bank.stall(0, 500)
    assert [bank.assign(0, 600) for _ in range(3)] == [(1, 10, 610), (1, 610, 1210), (0, 1000, 1600)]


def test_reset_makes_it_new() -> None:
    bank = UnitBank(2)
    bank.assign(0, 10)
    bank.stall(1, 99)
    bank.reset()
    assert bank.count == 2
    assert [bank.assign(0, 5) for _ in range(2)] == [(0, 0, 5), (1, 0, 5)]


@pytest.mark.parametrize("count", [0, -1, 1.0, "2", True, None])
def test_bad_counts_are_refused(count: Any) -> None:
    with pytest.raises(UsageError, match="use a whole number, 1 or more"):
        UnitBank(count)


@pytest.mark.parametrize("unit", [-1, 2, 1.0, True, None])
def test_a_stall_of_no_unit_is_refused(unit: Any) -> None:
    with pytest.raises(UsageError, match="the units are 0 to 1"):
        UnitBank(2).stall(unit, 10)
