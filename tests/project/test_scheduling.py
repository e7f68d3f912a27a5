"""How the tests are divided among the processes of a run, and how much of them each effort runs."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest, effort, scheduling, waiting
from tests.project.source import ROOT


def test_a_file_is_divided_unless_it_shares_something() -> None:
    shared = ("tests/watching/test_page.py", "tests/watching/test_newcomer.py")
    divided = "tests/sim/test_virtual_clock.py"
    found = scheduling.portions([f"{file}::test[{number}]" for file in (*shared, divided) for number in range(40)])
    counts = Counter(found.values())
    assert counts.pop("page") == 80
    assert sorted(counts.values()) == [8, 16, 16]


def test_what_takes_long_comes_first() -> None:
    names = [
        "tests/sim/test_a.py::test",
        "tests/bridge/test_b.py::test",
        "elsewhere.py::test",
        "tests/soak/test_c.py::t",
    ]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    scheduling.slow_first(items)
    assert [item.nodeid for item in items] == [names[3], names[1], names[0], names[2]]
    assert all((ROOT / "tests" / folder).is_dir() for folder in scheduling.SLOW_FIRST)


@pytest.mark.parametrize(("expression", "left_out"), [("alone and not in_ci", True), ("not alone", False), ("", False)])
def test_only_for_the_tests_that_run_alone_are_files_left_out(expression: str, left_out: bool) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=expression))
    with_it = ROOT / "tests" / "bridge" / "test_bridge_haproxy.py"
    without = ROOT / "tests" / "sim" / "test_worker.py"
    assert conftest.pytest_ignore_collect(with_it, config) is None
    assert conftest.pytest_ignore_collect(ROOT / "tests" / "sim", config) is None
    assert (conftest.pytest_ignore_collect(without, config) is True) is left_out


@pytest.mark.parametrize(("ci", "count"), [(True, 12), (False, 4)])
@pytest.mark.parametrize("turned", [False, True])
def test_pairs_have_each_value(monkeypatch: pytest.MonkeyPatch, ci: bool, count: int, turned: bool) -> None:
    monkeypatch.setattr(effort, "CI", ci)
    letters, numbers = "abcd", (1, 2, 3)
    found = effort.pairs(numbers, letters) if turned else effort.pairs(letters, numbers)
    assert len(set(found)) == len(found) == count
    assert {value for pair in found for value in pair} == {*letters, *numbers}


def test_a_wait_ends_when_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False, 0, None, "reached"])
    waiting.wait_until(lambda: next(looks))
    with pytest.raises(AssertionError, match="the process ended with 3"):
        waiting.wait_until(lambda: False, SimpleNamespace(poll=lambda: 3))
    monkeypatch.setattr(waiting, "WAIT_S", 0.0)
    with pytest.raises(AssertionError, match="the watchdog's time is over"):
        waiting.wait_until(lambda: False)
