"""What an operation costs in things that can be counted. They are the same on every machine, so CI holds them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

import hotpath
from engine.modes import MODES, NOTIFY
from simaccel.bench import exact_counts
from simaccel.bench.exact_counts import Counts
from simaccel.bench.rig import Rig
from tests.effort import pairs

# Two looks at epoll for a round of 32 operations.
_FD = {"epoll.poll": 0.062, "eventfd_read": 1.0, "eventfd_write": 1.0}
_PIPE = {"epoll.poll": 0.062, "read": 1.0, "write": 1.0}

# System calls by name; locks taken and given back; Python functions entered; C functions called; memory blocks of a
# job in flight. System calls hold exactly; the rest is a ceiling, to be lowered by whoever gets below it.
HELD: dict[tuple[str, str], tuple[dict[str, float], float, float, float, float]] = {
    ("fd", "stackful"): (_FD, 2.0, 20.9, 17.4, 28),
    ("fd", "stackless"): (_FD, 2.0, 21.9, 13.4, 23),
    ("pipe", "stackful"): (_PIPE, 2.0, 22.9, 17.4, 28),
    ("pipe", "stackless"): (_PIPE, 2.0, 23.9, 13.4, 23),
    ("callback", "stackful"): ({}, 1.0, 18.5, 13.2, 19),
    ("callback", "stackless"): ({}, 1.0, 19.5, 9.2, 14),
    ("poll", "stackful"): ({}, 1.0, 18.9, 13.4, 19),
    ("poll", "stackless"): ({}, 1.0, 19.9, 9.4, 14),
    ("heuristic", "stackful"): ({}, 1.0, 21.3, 16.4, 19),
    ("heuristic", "stackless"): ({}, 1.0, 22.3, 12.4, 14),
}

COMPILED: dict[tuple[str, str], tuple[float, float, float]] = {
    (way, kind): (2.7, 0.9, blocks + (kind == "stackful") * 4)
    for way, blocks in {"fd": 24.1, "pipe": 24.9, "callback": 15.1, "poll": 15.1, "heuristic": 15.1}.items()
    for kind in ("stackful", "stackless")
}
"""The same of the compiled hot path: calls of Python and of C that the interpreter sees, and memory blocks. Most of the
calls of Python are those of the test's own coroutine and the kernel."""

pytestmark = pytest.mark.xdist_group("counts")  # one process counts, for all of them


WAYS = pairs(NOTIFY, ["stackful", "stackless"])


@pytest.fixture(scope="module")
def counted(rig: Rig) -> dict[tuple[str, str], Counts]:
    return {(way, kind): exact_counts.measure(rig, way, kind) for way, kind in WAYS}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the counts are those of CPython 3.11")
@pytest.mark.parametrize(("way", "kind"), WAYS)
def test_an_operation_costs_no_more_than_it_did(counted: dict[tuple[str, str], Counts], way: str, kind: str) -> None:
    by_call, locks, python_calls, c_calls, blocks = HELD[way, kind]
    found = counted[way, kind]
    if hotpath.COMPILED:
        python_calls, c_calls, blocks = COMPILED[way, kind]
    else:  # the interpreter does not see what compiled code calls
        assert found.by_call == by_call
    assert found.locks <= locks
    assert found.python_calls <= python_calls
    assert found.c_calls <= c_calls
    assert found.blocks_in_flight <= blocks


def test_every_way_and_kind_is_held() -> None:
    assert set(HELD) == {(way, kind) for way in NOTIFY for kind in ("stackful", "stackless")}


@pytest.mark.python_source
def test_an_operation_is_one_pause_and_resume_and_one_wake(counted: dict[tuple[str, str], Counts]) -> None:
    for found in counted.values():
        assert (found.switches, found.wakes) == (2, 1), found


def test_an_operation_leaves_no_memory_behind(counted: dict[tuple[str, str], Counts]) -> None:
    for found in counted.values():
        assert found.blocks_left == 0, found


def test_by_callback_and_by_polling_there_is_no_system_call(counted: dict[tuple[str, str], Counts]) -> None:
    for (way, _), found in counted.items():
        assert (found.system_calls == 0) is MODES[way].by_callback


def test_the_same_run_counts_the_same(rig: Rig, counted: dict[tuple[str, str], Counts]) -> None:
    """But for a block or two of the interpreter's own, such as a table that grows, among hundreds that jobs hold."""
    before, now = counted["fd", "stackful"], exact_counts.measure(rig, "fd", "stackful")
    assert abs(now.blocks_in_flight - before.blocks_in_flight) <= 0.2
    assert replace(now, blocks_in_flight=0.0) == replace(before, blocks_in_flight=0.0)
