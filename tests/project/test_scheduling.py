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


class Process:
    """Stands for one of pytest-xdist. It keeps its last test until it gets more, or is told that there is no more."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_test_that_ends_its_process_is_one_failure_and_the_others_run() -> None:
    collection = [f"tests/sim/test_virtual_clock.py::test[{number}]" for number in range(100)]
    option = SimpleNamespace(loadscopereorder=True, tx=["popen"] * 2, px=[])
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: getattr(option, name))
    portions: Any = scheduling.Portions(config, None)
    processes = [Process("first"), Process("second")]
    for process in processes:
        portions.add_node(process)
        portions.add_node_collection(process, collection)
    portions.schedule()
    ended, ran = list[str](), list[str]()
    while processes:
        process = processes.pop(0)
        if not process.given and process.shutting_down:
            assert portions.remove_node(process) is None
            continue
        assert len(process.given) > 1 or process.shutting_down, "it would wait for ever"
        test = process.given.pop(0)
        if test in (40, 98):
            ended.append(portions.remove_node(process))
            process = Process("replaced")
            portions.add_node(process)
            portions.add_node_collection(process, collection)
            portions.schedule()
        else:
            ran.append(collection[test])
            portions.mark_test_complete(process, test)
        processes.append(process)
    assert ended == [collection[40], collection[98]]
    assert sorted(ran + ended) == sorted(collection)


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
