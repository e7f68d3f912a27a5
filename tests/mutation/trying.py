"""Tries mutants, in a copy of the tree, in one process of pytest that forks. `python -m tests.mutation` starts it.

It imports and collects everything once. One fork runs all tests and notes what each reaches. Then there is a fork for
each mutant: the functions in memory get the code of the mutant, and those tests run that reach it, the fastest first,
until one fails. The file on disk is changed as well, for tests that start programs.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import random
import select
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import interrupting
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.reach import Reach, Reached, put_in
from tests.mutation.results import Results

HANG_S, HANG_TIMES = 5.0, 20.0
"""A test hangs if it takes longer than this, and so many times longer than without a mutant."""
LONGEST_S = 120.0
"""No test takes longer without a mutant."""
Failed = dict[str, str]
"""The tests that failed, and the last line of why."""


class Trying:
    """A plugin of pytest that tries mutants instead of running the tests."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._results = Results(Path(settings["results"]))
        self._failed: Failed = {}

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of the loop over all tests."""
        if session.testsfailed:
            pytest.exit("not all tests could be collected", 1)
        gc.unfreeze()  # what conftest.py has frozen would not be found by `put_in`
        # Two mutants of one size in one second would be the same to a process that finds the first one compiled.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        modules = {name: import_module(name.removesuffix(".py").replace("/", ".")) for name in self._settings["names"]}
        noted = _in_fork(lambda: self._note_reach(modules, session.items), None)
        if noted is None:
            pytest.exit("the tests do not end without a mutant", 1)
        reached, marked = noted
        # The marks disturb tests that count. So what fails with marks must pass without them.
        again = [item for item in session.items if item.nodeid in marked]
        failing = _in_fork(lambda: self._run(again, reached, stop=False), None)
        if failing:
            pytest.exit(f"these fail without a mutant: {failing}", 1)
        tests = sorted(session.items, key=lambda item: reached[item.nodeid].seconds)
        if self._settings["slowest_s"]:
            tests = [item for item in tests if reached[item.nodeid].seconds <= self._settings["slowest_s"]]
        for name, module in modules.items():
            self._try_all(name, module, tests, reached)
        return True

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes what fails."""
        if report.failed:
            lines = str(report.longrepr).splitlines() or [""]
            why = [line for line in lines if line.startswith("E ")]
            self._failed.setdefault(report.nodeid, (why or lines)[-1][:300])

    def _note_reach(
        self, modules: dict[str, ModuleType], items: list[pytest.Item]
    ) -> tuple[dict[str, Reached], Failed]:
        reach, found = Reach(modules), {}
        sys.addaudithook(reach.hear)
        os.environ["SIMACCEL_WATCHDOG_SECONDS"] = str(LONGEST_S)
        for item, following in zip(items, [*items[1:], None], strict=True):
            with reach.of_a_test() as reached:
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            found[item.nodeid] = reached[0]
        return found, self._failed

    def _try_all(self, name: str, module: ModuleType, tests: list[pytest.Item], reached: dict[str, Reached]) -> None:
        path = Path(str(module.__file__))
        source = path.read_text()
        mutants = mutants_of(source, str(path))
        if 0 < self._settings["sample"] < len(mutants):
            chosen = random.Random(self._settings["seed"]).sample(range(len(mutants)), self._settings["sample"])
            mutants = [mutants[index] for index in sorted(chosen)]
        try:
            for mutant in mutants:
                if not self._results.settles(name, mutant, self._settings["slowest_s"], self._settings["again"]):
                    path.write_text(mutant.text)
                    reaching = [item for item in tests if reached[item.nodeid].reaches(name, mutant.statement)]
                    killed_by = self._try(mutant, module, reaching, reached)
                    self._results.add(name, mutant, len(reaching), self._settings["slowest_s"], killed_by)
                    if not killed_by:
                        print(f"{name}:{mutant.line}: {mutant.what}", flush=True)
        finally:
            path.write_text(source)

    def _try(
        self, mutant: Mutant, module: ModuleType, tests: list[pytest.Item], reached: dict[str, Reached]
    ) -> list[str]:
        """The test that kills it and why, or nothing."""

        def run() -> Failed:
            put_in(module, mutant.code)
            return self._run(tests, reached, stop=True)

        limit_s = 60 + HANG_TIMES * sum(reached[test.nodeid].seconds for test in tests)
        failed = _in_fork(run, limit_s) if tests else {}
        if failed is None:
            return ["", "a test hangs, or the process ends"]
        return [text for pair in failed.items() for text in pair]

    def _run(self, tests: list[pytest.Item], reached: dict[str, Reached], *, stop: bool) -> Failed:
        """Run these, each with a limit; up to the first that fails if `stop`."""
        self._failed.clear()
        for test, following in zip(tests, [*tests[1:], None], strict=False):
            limit_s = HANG_S + HANG_TIMES * reached[test.nodeid].seconds
            os.environ["SIMACCEL_WATCHDOG_SECONDS"] = str(limit_s)  # see conftest.py
            test.ihook.pytest_runtest_protocol(item=test, nextitem=following)
            if self._failed and stop:
                break
        return self._failed


def _in_fork(function: Callable[[], Any], limit_s: float | None) -> Any:
    """What the function returns in a fork of this process; None if that exits in another way, or takes too long."""
    with tempfile.TemporaryFile() as file:
        pid = os.fork()
        if not pid:
            try:
                os.setsid()
                silent = os.open(os.devnull, os.O_RDWR)
                for fd in (0, 1, 2, interrupting.STDERR[0]):
                    os.dup2(silent, fd)
                pickle.dump(function(), file)
                file.flush()
            finally:
                os._exit(0)
        pidfd = os.pidfd_open(pid)
        select.select([pidfd], [], [], limit_s)
        os.close(pidfd)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # also what it has started
        os.waitpid(pid, 0)
        file.seek(0)
        content = file.read()
        return pickle.loads(content) if content else None


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    quiet = ["-q", "-s", "-p", "no:cacheprovider"]  # not captured: the output of a fork goes nowhere
    # What the garbage collector finds late would fail another test than the one that has left it.
    sys.exit(pytest.main([*quiet, "-p", "no:unraisableexception", *chosen["tests"]], plugins=[Trying(chosen)]))
