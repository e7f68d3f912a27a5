"""The pool of jobs and the block counter, both of the thread, rule by rule. Each test runs on both sides."""

from __future__ import annotations

import ctypes

import pytest
from greenlet import getcurrent

from engine import openssl as simaccel_door
from tests.conformance.conftest import RunScript
from tests.conformance.rules import agrees, differs
from tests.conformance.shorthand import (
    BLOCK,
    CLEANUP_THREAD,
    COUNT,
    ERR,
    FINISHED,
    NO_JOBS,
    PAUSE,
    PAUSED,
    UNBLOCK,
    changed,
    init_thread,
    resume,
    set_fd,
    start,
    told,
)
from tests.oracle.libcrypto import Libcrypto
from tests.oracle.script import NOTHING, Trace
from waitctx import WaitCtx


def statuses(trace: Trace) -> list[str | int]:
    return [entry[1] for entry in trace if entry[0] in ("START", "RESUME")]


@agrees("ASYNC_init_thread", "max limits the jobs ever created, busy ones included")
@agrees(
    "ASYNC_start_job",
    "NO_JOBS if the pool is exhausted: job and return value untouched; works again once a job has finished",
)
def test_pool_limit(run_script: RunScript) -> None:
    script = [init_thread(2, 0), start(0), start(1), start(2), resume(0), start(2), start(3)]
    trace = told(run_script, script, [PAUSE])
    assert trace[:4] == [
        ("INIT_THREAD", 1),
        ("START", PAUSED, NOTHING, True),
        ("START", PAUSED, NOTHING, True),
        ("START", NO_JOBS, NOTHING, True),
    ]
    assert statuses(trace)[3:6] == [FINISHED, PAUSED, NO_JOBS]


@agrees("ASYNC_init_thread", "jobs made in advance count towards max")
def test_jobs_made_in_advance(run_script: RunScript) -> None:
    trace = told(run_script, [init_thread(2, 2), start(0), start(1), start(2)], [PAUSE])
    assert statuses(trace)[:3] == [PAUSED, PAUSED, NO_JOBS]


@agrees("ASYNC_init_thread", "max 0 is no limit")
def test_no_limit(run_script: RunScript) -> None:
    trace = told(run_script, [init_thread(0, 0), *(start(slot) for slot in range(6))], [PAUSE])
    assert statuses(trace)[:6] == [PAUSED] * 6


@agrees("ASYNC_init_thread", "returns 0 if init exceeds max, also if max is 0; the earlier pool stays")
@pytest.mark.parametrize(("max_size", "init_size"), [(0, 1), (1, 2), (3, 4)])
def test_invalid_pool_size(run_script: RunScript, max_size: int, init_size: int) -> None:
    script = [init_thread(1, 0), init_thread(max_size, init_size), start(0), start(1)]
    trace = told(run_script, script, [PAUSE])
    assert trace[:2] == [("INIT_THREAD", 1), ("INIT_THREAD", 0)]
    assert statuses(trace)[:2] == [PAUSED, NO_JOBS]


@agrees(
    "ASYNC_init_thread", "called again: makes a new pool; busy jobs of the old one join it when they end, uncounted"
)
def test_second_pool(run_script: RunScript) -> None:
    script = [init_thread(1, 0), start(0), init_thread(1, 0), start(1), start(2), resume(0), start(2), start(3)]
    trace = told(run_script, script, [PAUSE])
    assert statuses(trace)[:6] == [PAUSED, PAUSED, NO_JOBS, FINISHED, PAUSED, NO_JOBS]


@agrees("ASYNC_cleanup_thread", "the next start makes a pool without limit")
def test_cleanup_thread(run_script: RunScript) -> None:
    trace = told(run_script, [init_thread(1, 1), CLEANUP_THREAD, start(0), start(1)], [PAUSE])
    assert statuses(trace)[:2] == [PAUSED, PAUSED]


@agrees("ASYNC_block_pause", "a pause while blocked returns 1, does nothing and resets nothing; blocks nest")
@agrees("ASYNC_unblock_pause", "never goes below zero")
def test_blocked_pause(run_script: RunScript) -> None:
    body = [UNBLOCK, set_fd(5), BLOCK, BLOCK, PAUSE, UNBLOCK, PAUSE, changed(), UNBLOCK, COUNT, PAUSE]
    assert told(run_script, [start()], body)[:6] == [
        ("SET_FD", 1),
        ("PAUSE", 1),
        ("PAUSE", 1),
        ("CHANGED_FDS", 1, 0, 5),
        ("COUNT", 1),
        ("START", PAUSED, NOTHING, True),
    ]


@agrees("ASYNC_block_pause", "outside of a job, neither block nor unblock does anything")
def test_block_outside(run_script: RunScript) -> None:
    trace = told(run_script, [BLOCK, start(0), UNBLOCK, resume(0)], [PAUSE, BLOCK, PAUSE])
    assert statuses(trace) == [PAUSED, FINISHED]


@agrees("ASYNC_block_pause", "the counter belongs to the thread: if a job ends while blocked, later jobs can't pause")
@agrees("ASYNC_cleanup_thread", "clears the block counter")
def test_block_outlives_its_job(run_script: RunScript) -> None:
    script = [start(), start(body=1), CLEANUP_THREAD, start(body=1)]
    assert statuses(told(run_script, script, [BLOCK], [PAUSE]))[:3] == [FINISHED, FINISHED, PAUSED]


@agrees(
    "ASYNC_block_pause",
    "the counter belongs to the thread: another job can unblock, and a job that is resumed is blocked",
)
def test_block_across_jobs(run_script: RunScript) -> None:
    script = [start(0), start(1, body=1), resume(0), start(2, body=2)]
    trace = told(run_script, script, [PAUSE, PAUSE], [BLOCK, PAUSE], [UNBLOCK, PAUSE])
    assert statuses(trace)[:4] == [PAUSED, FINISHED, FINISHED, PAUSED]


@agrees("ASYNC_init_thread", "idle jobs are used again last in, first out")
@differs(
    "ASYNC_start_job",
    "the handle of a job that has ended is the next job's handle",
    "every job has a handle of its own, so that a stale one is noticed",
)
def test_reuse(libcrypto: Libcrypto) -> None:
    lib, ctx, pause = libcrypto.lib, libcrypto.lib.ASYNC_WAIT_CTX_new(), libcrypto.address("ASYNC_pause_job")

    def start_in_c(job: ctypes.c_void_p) -> int | None:
        ret = ctypes.c_int()
        lib.ASYNC_start_job(ctypes.byref(job), ctx, ctypes.byref(ret), pause, None, 0)
        return job.value

    theirs = [ctypes.c_void_p(), ctypes.c_void_p()]
    stacks = [start_in_c(job) for job in theirs]
    for job in theirs:
        start_in_c(job)
    again = [start_in_c(job) for job in theirs]
    for job in theirs:
        start_in_c(job)
    lib.ASYNC_WAIT_CTX_free(ctx)
    lib.ASYNC_cleanup_thread()
    assert again == stacks[::-1]

    used: list[object] = []

    def body(_: bytes | None) -> int:
        used.append(getcurrent())
        return simaccel_door.ASYNC_pause_job()

    ours = [simaccel_door.ASYNC_start_job(None, None, body, None)[1] for _ in range(2)]
    for handle in ours:
        simaccel_door.ASYNC_start_job(handle, None, body, None)
    next_ones = [simaccel_door.ASYNC_start_job(None, None, body, None)[1] for _ in range(2)]
    for handle in next_ones:
        simaccel_door.ASYNC_start_job(handle, None, body, None)
    simaccel_door.ASYNC_cleanup_thread()
    assert used[2:] == used[1::-1]
    assert len({id(handle) for handle in (*ours, *next_ones)}) == 4


@agrees("ASYNC_get_wait_ctx", "NULL once the job has finished")
def test_wait_ctx_of_a_finished_job(libcrypto: Libcrypto) -> None:
    lib, ctx, pause = libcrypto.lib, libcrypto.lib.ASYNC_WAIT_CTX_new(), libcrypto.address("ASYNC_pause_job")
    job, ret = ctypes.c_void_p(), ctypes.c_int()
    lib.ASYNC_start_job(ctypes.byref(job), ctx, ctypes.byref(ret), pause, None, 0)
    idle = job.value  # still there to be asked: the pool has it
    lib.ASYNC_start_job(ctypes.byref(job), ctx, ctypes.byref(ret), pause, None, 0)
    assert lib.ASYNC_get_wait_ctx(idle) is None
    lib.ASYNC_WAIT_CTX_free(ctx)
    lib.ASYNC_cleanup_thread()

    ours = WaitCtx()
    handle = simaccel_door.ASYNC_start_job(None, ours, lambda _: simaccel_door.ASYNC_pause_job(), None)[1]
    assert simaccel_door.ASYNC_get_wait_ctx(handle) is ours
    assert simaccel_door.ASYNC_start_job(handle, None, lambda _: 0, None)[0] == FINISHED
    assert simaccel_door.ASYNC_get_wait_ctx(handle) is None


@agrees("constants", "ASYNC_ERR 0, ASYNC_NO_JOBS 1, ASYNC_PAUSE 2, ASYNC_FINISH 3")
def test_job_constants() -> None:
    # What libcrypto answers by these numbers, the other tests of this file have seen.
    names = ("ASYNC_ERR", "ASYNC_NO_JOBS", "ASYNC_PAUSE", "ASYNC_FINISH")
    assert [getattr(simaccel_door, name) for name in names] == [ERR, NO_JOBS, PAUSED, FINISHED] == [0, 1, 2, 3]


@agrees("ASYNC_is_capable", "1 where contexts can be switched")
def test_is_capable(libcrypto: Libcrypto) -> None:
    assert simaccel_door.ASYNC_is_capable() == libcrypto.lib.ASYNC_is_capable() == 1


@differs(
    "ASYNC_init_thread",
    "0 puts 'invalid pool size' into the error queue",
    "there is no error queue: init_pool raises a UsageError that says so, and engine.openssl returns 0",
)
def test_error_queue(libcrypto: Libcrypto) -> None:
    while libcrypto.pop_error():
        pass
    assert libcrypto.lib.ASYNC_init_thread(ctypes.c_size_t(1), ctypes.c_size_t(2)) == 0
    assert libcrypto.pop_error() == "invalid pool size"
    assert simaccel_door.ASYNC_init_thread(1, 2) == 0


@agrees("ASYNC_start_job", "NO_JOBS leaves the error queue alone")
def test_no_jobs_is_no_error(libcrypto: Libcrypto) -> None:
    while libcrypto.pop_error():
        pass
    jobs = [ctypes.c_void_p(), ctypes.c_void_p()]
    ret = ctypes.c_int()
    ctx, pause = libcrypto.lib.ASYNC_WAIT_CTX_new(), libcrypto.address("ASYNC_pause_job")
    assert libcrypto.lib.ASYNC_init_thread(1, 0) == 1
    answers = [
        libcrypto.lib.ASYNC_start_job(ctypes.byref(job), ctx, ctypes.byref(ret), pause, None, 0)
        for job in (*jobs, jobs[0])
    ]
    libcrypto.lib.ASYNC_WAIT_CTX_free(ctx)
    libcrypto.lib.ASYNC_cleanup_thread()
    assert answers == [PAUSED, NO_JOBS, FINISHED]
    assert libcrypto.pop_error() is None
