"""Interleaved rounds, ratios, and when a difference is more than noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simaccel.bench.compare_runs import compare, only_in_one
from simaccel.bench.figure import at_least, at_most
from simaccel.bench.interleaved_rounds import Samples, interleave, ratio


def _noting(name: str, turns: list[str], values: list[float]) -> Callable[[], float]:
    def turn() -> float:
        turns.append(name)
        return values.pop(0)

    return turn


def test_contenders_take_turns_in_an_order_that_rotates() -> None:
    turns: list[str] = []
    times = interleave(
        {"a": _noting("a", turns, [9.0, 1.0, 2.0, 3.0]), "b": _noting("b", turns, [9.0, 4.0, 5.0, 6.0])}, rounds=3
    )
    assert turns == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert times == {"a": Samples((1.0, 2.0, 3.0)), "b": Samples((4.0, 5.0, 6.0))}  # the first turn does not count


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine was ten times slower in the second round, for both.
    assert ratio(Samples((2.0, 20.0, 2.0)), Samples((1.0, 10.0, 1.0))) == Samples((2.0, 2.0, 2.0))


def test_median_and_quartiles() -> None:
    samples = Samples((5.0, 1.0, 2.0, 4.0, 3.0))
    assert (samples.median, samples.quartiles) == (3.0, (2.0, 4.0))
    assert Samples((7.0,)).quartiles == (7.0, 7.0)


@pytest.mark.parametrize(("value", "most", "least"), [(1.9, True, False), (2.0, True, True), (2.1, False, True)])
def test_a_target_is_reached_by_equality_too(value: float, most: bool, least: bool) -> None:
    assert at_most("x", Samples((value,)), 2.0).reached is most
    assert at_least("x", Samples((value,)), 2.0).reached is least


def test_what_could_not_be_measured_is_neither_reached_nor_missed() -> None:
    assert at_most("x", None, 2.0).reached is None


_OURS, _PEER = "stackful pause/resume pair", "bare greenlet switch pair"


def _report(**bare: list[float]) -> dict[str, object]:
    return {"bare": bare}


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([10.0, 10.1, 9.9], [8.0, 8.1, 7.9], "better"),
        ([8.0, 8.1, 7.9], [10.0, 10.1, 9.9], "worse"),
        ([10.0, 14.0, 6.0], [11.0, 15.0, 7.0], "noise"),
        ([10.0, 10.0], [10.0, 10.0], "same"),
    ],
)
def test_a_change_within_the_noise_is_called_noise(before: list[float], now: list[float], verdict: str) -> None:
    (change,) = compare(_report(**{_OURS: before}), _report(**{_OURS: now}))
    assert change.verdict == verdict


def test_a_time_that_changed_no_more_than_the_peers_did_is_the_machines_noise() -> None:
    before = _report(**{_OURS: [100.0, 100.0], _PEER: [50.0, 50.0]})
    slower = _report(**{_OURS: [110.0, 110.0], _PEER: [55.0, 55.0]})
    assert [change.verdict for change in compare(before, slower)] == ["noise", "noise"]
    ours_alone = _report(**{_OURS: [120.0, 120.0], _PEER: [55.0, 55.0]})
    assert [change.verdict for change in compare(before, ours_alone)] == ["worse", "noise"]


def test_more_is_better_where_the_row_says_at_least() -> None:
    def report(value: float) -> dict[str, object]:
        figure = {"what": "rate", "unit": "x", "at_least": True, "samples": [value]}
        return {"rows": [{"name": "row", "figures": [figure]}]}

    (change,) = compare(report(2.0), report(3.0))
    assert (change.verdict, change.percent) == ("better", 50.0)


def test_series_of_one_run_alone_are_named() -> None:
    before, now = _report(a=[1.0], b=[1.0]), _report(b=[1.0], c=[1.0])
    assert [change.what for change in compare(before, now)] == ["b (ns)"]
    assert only_in_one(before, now) == (["a (ns)"], ["c (ns)"])
