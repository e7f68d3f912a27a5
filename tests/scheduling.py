"""Which process runs a test, and which tests come first.

A process of pytest-xdist gets tests in portions: up to `PORTION` tests of a file, or all files with the same mark
`xdist_group`, so that what their tests share is made once. Portions of one test each would cost the controller seconds,
and every process would set up what the tests of each file share.

The tests that take long come first. Those that take milliseconds come last, and fill what time the processes have left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
PORTION = 16
_GROUP = re.compile(r'pytest\.mark\.xdist_group\("(\w+)"\)')

SLOW_FIRST = ("soak", "watching", "certify", "bridge", "bench", "testing", "load", "tracing", "cli", "docs", "project")
"""Folders, in this order. Their tests start programs or run for seconds."""


def slow_first(items: list[pytest.Item]) -> None:
    """Sorts the tests, for processes that share them."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    folder = nodeid.removeprefix("tests/").partition("/")[0]
    return SLOW_FIRST.index(folder) if folder in SLOW_FIRST else len(SLOW_FIRST)


class Portions(LoadScopeScheduling):  # type: ignore[misc]
    """As `--dist loadscope`, with portions of files as the scopes, in the order in which tests are collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._portions: dict[str, str] = {}

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        if not self._portions:
            self._portions = portions(collection)
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._portions[nodeid]

    def remove_node(self, node: Any) -> str | None:
        """As in the base class, which would run the test again that has ended the process, and again the next one."""
        portions_left = self.assigned_work.pop(node)
        left: list[str] = [nodeid for tests in portions_left.values() for nodeid, done in tests.items() if not done]
        if not left:
            return None
        ended = left[0]
        for name, tests in portions_left.items():
            if ended in tests:
                tests[ended] = True
            if not all(tests.values()):
                self.workqueue[name] = tests
        for other in self.nodes:
            self._reschedule(other)
        return ended

    def schedule(self) -> None:
        """As in the base class. There, a process that replaces one that has ended gets one portion, and waits for ever
        with its last test, because it is neither given another portion nor told that there is none."""
        super().schedule()
        for node in self.nodes:
            self._reschedule(node)


def portions(collection: Sequence[str]) -> dict[str, str]:
    """The name of the portion that each test belongs to."""
    before: Counter[str] = Counter()
    found = {}
    for nodeid in collection:
        file = nodeid.partition("::")[0]
        found[nodeid] = _group(file) or f"{file}, portion {before[file] // PORTION}"
        before[file] += 1
    return found


def has_mark(file: str, name: str) -> bool:
    """Whether a test in this file has the mark."""
    return f"pytest.mark.{name}" in _text(file)


def _group(file: str) -> str | None:
    # From the text: xdist passes the mark on as an ending of the id of the test, of which pytest 9.2 takes no notice.
    found = _GROUP.search(_text(file))
    return found and found[1]


@cache
def _text(file: str) -> str:
    try:
        return (ROOT / file).read_text(encoding="utf-8")
    except OSError:
        return ""
