"""All that OpenSSL's own test/asynctest.c checks, as one list of scripts that both sides must answer as it expects.

Its last case, custom memory functions for stacks (3.2 and later), is in test_versions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.conformance.conftest import RunScript
from tests.conformance.rules import agrees
from tests.conformance.shorthand import (
    BLOCK,
    CLEANUP_THREAD,
    COUNT,
    CURRENT,
    FINISHED,
    NO_JOBS,
    PAUSE,
    PAUSED,
    UNBLOCK,
    changed,
    clear_fd,
    init_thread,
    resume,
    returns,
    set_fd,
    start,
    told,
)
from tests.oracle.script import NOTHING, Code, Entry, Op

MAGIC_WAIT_FD = 99


@dataclass(frozen=True, slots=True)
class Case:
    """A function of asynctest.c: what it does, what its job function does, and what it wants to see."""

    name: str
    host: Sequence[Op]
    body: Sequence[Op]
    expected: Sequence[Entry]


def libctx(number: int) -> Op:
    return Op(Code.LIBCTX, number)


def paused(code: str) -> Entry:
    return (code, PAUSED, NOTHING, True)


def finished(code: str, value: int) -> Entry:
    return (code, FINISHED, value, True)


ALL_FDS = Op(Code.ALL_FDS)

CASES = [
    Case(
        "test_ASYNC_init_thread",
        [init_thread(2, 0), start(0), start(1), start(2), resume(0), start(2), resume(1), resume(2), CLEANUP_THREAD],
        [PAUSE, returns(1)],
        [
            ("INIT_THREAD", 1),
            paused("START"),
            paused("START"),
            ("START", NO_JOBS, NOTHING, True),
            ("PAUSE", 1),
            finished("RESUME", 1),
            paused("START"),
            ("PAUSE", 1),
            finished("RESUME", 1),
            ("PAUSE", 1),
            finished("RESUME", 1),
        ],
    ),
    Case(
        "test_ASYNC_callback_status",
        [
            init_thread(1, 0),
            Op(Code.SET_CALLBACK, 0, 0, 42),
            Op(Code.GET_CALLBACK),
            Op(Code.CALL_CALLBACK),
            Op(Code.SET_STATUS, 0, 1),
            Op(Code.GET_STATUS),
            CLEANUP_THREAD,
        ],
        [],
        [
            ("INIT_THREAD", 1),
            ("SET_CALLBACK", 1),
            ("GET_CALLBACK", 1, 0, 42),
            ("CALL_CALLBACK", 100 + 42),  # what the callbacks of the scripts return: their number and their argument
            ("SET_STATUS", 1),
            ("GET_STATUS", 1),
        ],
    ),
    Case(
        "test_ASYNC_start_job",
        [init_thread(1, 0), start(), resume(), CLEANUP_THREAD],
        [COUNT, PAUSE, COUNT, returns(2)],
        [
            ("INIT_THREAD", 1),
            ("COUNT", 1),
            paused("START"),
            ("PAUSE", 1),
            ("COUNT", 2),
            finished("RESUME", 2),
        ],
    ),
    Case(
        "test_ASYNC_get_current_job",
        [init_thread(1, 0), start(4), resume(4), CLEANUP_THREAD],
        [CURRENT, PAUSE, returns(1)],
        [
            ("INIT_THREAD", 1),
            ("CURRENT", 4),
            paused("START"),
            ("PAUSE", 1),
            finished("RESUME", 1),
        ],
    ),
    Case(
        "test_ASYNC_WAIT_CTX_get_all_fds",
        [
            init_thread(1, 0),
            *(start(), ALL_FDS, changed()),
            *(resume(), ALL_FDS, changed()),
            *(resume(), ALL_FDS, changed()),
            *(resume(), ALL_FDS, changed()),
            CLEANUP_THREAD,
        ],
        [
            PAUSE,
            *(set_fd(MAGIC_WAIT_FD), PAUSE),
            *(clear_fd(), PAUSE),
            *(set_fd(MAGIC_WAIT_FD), clear_fd(), returns(1)),
        ],
        [
            ("INIT_THREAD", 1),
            *(paused("START"), ("ALL_FDS", 0), ("CHANGED_FDS", 0, 0)),
            *(("PAUSE", 1), ("SET_FD", 1), paused("RESUME")),
            *(("ALL_FDS", 1, MAGIC_WAIT_FD), ("CHANGED_FDS", 1, 0, MAGIC_WAIT_FD)),
            *(("PAUSE", 1), ("CLEAR_FD", 1), paused("RESUME")),
            *(("ALL_FDS", 0), ("CHANGED_FDS", 0, 1, MAGIC_WAIT_FD)),
            *(("PAUSE", 1), ("SET_FD", 1), ("CLEAR_FD", 1), finished("RESUME", 1)),
            *(("ALL_FDS", 0), ("CHANGED_FDS", 0, 0)),
        ],
    ),
    Case(
        "test_ASYNC_block_pause",
        [init_thread(1, 0), start(), resume(), CLEANUP_THREAD],
        [BLOCK, PAUSE, UNBLOCK, PAUSE, returns(1)],
        [("INIT_THREAD", 1), ("PAUSE", 1), paused("START"), ("PAUSE", 1), finished("RESUME", 1)],
    ),
    Case(
        # Setting a library context tells which one it replaces. 0 is the global one, 1 the caller's, 2 the job's.
        "test_ASYNC_start_job_ex",
        [libctx(1), start(), libctx(0), libctx(1), resume(), libctx(0), resume(), libctx(1), libctx(0)],
        [libctx(2), PAUSE, libctx(1), libctx(2), PAUSE, libctx(1), libctx(2), returns(1)],
        [
            ("LIBCTX", 0),
            *(("LIBCTX", 1), paused("START")),
            *(("LIBCTX", 1), ("LIBCTX", 0)),
            *(("PAUSE", 1), ("LIBCTX", 2), ("LIBCTX", 1), paused("RESUME")),
            ("LIBCTX", 1),
            *(("PAUSE", 1), ("LIBCTX", 2), ("LIBCTX", 1), finished("RESUME", 1)),
            *(("LIBCTX", 0), ("LIBCTX", 1)),
        ],
    ),
]


@agrees("test/asynctest.c", "all cases but the one on stack allocation: " + ", ".join(case.name for case in CASES))
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_as_upstream_expects(run_script: RunScript, case: Case) -> None:
    trace = told(run_script, case.host, case.body)
    assert trace[: len(case.expected)] == list(case.expected)
    # What the script itself says ends here; a thread cleaned up twice says so twice.
    assert all(entry[0] == "CLEANUP_THREAD" for entry in trace[len(case.expected) :])
