"""The pool of a thread and its block counter. Every test runs with both kinds where the kind may matter."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from engine import (
    Job,
    JobState,
    NoJobsError,
    UsageError,
    block_pauses,
    cleanup_pool,
    init_pool,
    pause_job,
    start_job,
)
from engine.jobs.pause import block_pause, unblock_pause
from engine.jobs.start import new_job
from tests.engine.job_kinds import Kind, both_kinds, finish, pausing
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import WaitCtx


@both_kinds
def test_the_limit_counts_busy_jobs(kind: Kind) -> None:
    init_pool(2)
    first, second = start_job(kind(pausing)), start_job(kind(pausing))
    with pytest.raises(NoJobsError, match="all 2 jobs"):
        start_job(kind(pausing))
    finish(first)
    third = start_job(kind(pausing))
    with pytest.raises(NoJobsError):
        start_job(kind(pausing))
    finish(second)
    finish(third)


@both_kinds
def test_no_jobs_leaves_the_job_new_and_its_context_as_it_was(kind: Kind) -> None:
    init_pool(1)
    busy = start_job(kind(pausing))
    with WaitCtx() as ctx:
        ctx.set_wait_fd("key", 7)
        job = new_job(kind(pausing), (), ctx, False)
        with pytest.raises(NoJobsError):
            job.start()
        assert job.state is JobState.NEW
        assert ctx.changed_fds() == ([7], [])
        finish(busy)
        job.start()
        assert finish(job) == "done"


@both_kinds
def test_both_kinds_share_the_limit(kind: Kind) -> None:
    init_pool(1)
    job = start_job(kind(pausing))
    with pytest.raises(NoJobsError):
        start_job(pausing)
    with pytest.raises(NoJobsError):
        start_job(lambda: None)
    finish(job)
    assert start_job(lambda: 5).result() == 5
    assert start_job(pausing, 0).result() == "done"


@both_kinds
@pytest.mark.parametrize("end", ["return", "raise", "cancel"])
def test_every_end_gives_the_slot_back(kind: Kind, end: str) -> None:
    async def body() -> None:
        await pause_job()
        if end == "raise":
            raise ValueError

    init_pool(1)
    for _ in range(3):
        job = start_job(kind(body))
        if end == "cancel":
            job.cancel()
        else:
            job.resume()
        assert job.done


def test_greenlets_are_reused_last_in_first_out() -> None:
    def body() -> greenlet:
        pause_job()
        return getcurrent()

    init_pool(3)
    jobs = [start_job(body) for _ in range(3)]
    used = [finish(jobs[index]) for index in (1, 0, 2)]  # the order in which they became idle
    assert len(set(used)) == 3
    again = [start_job(body) for _ in range(3)]
    assert [finish(job) for job in again] == used[::-1]


def test_jobs_made_in_advance_count_towards_the_limit() -> None:
    init_pool(2, 2)
    jobs = [start_job(pausing), start_job(pausing)]
    with pytest.raises(NoJobsError):
        start_job(pausing)
    for job in jobs:
        finish(job)


@both_kinds
def test_without_a_limit(kind: Kind) -> None:
    for limit in (0, None):
        if limit is not None:
            init_pool(limit)
        jobs = [start_job(kind(pausing)) for _ in range(100)]
        assert [finish(job) for job in jobs] == ["done"] * 100


@pytest.mark.parametrize(("max_size", "init_size"), [(1, 2), (0, 1), (-1, 0), (1, -1), ("2", 0), (2.0, 1)])
def test_sizes_that_can_not_be(max_size: Any, init_size: Any) -> None:
    init_pool(1)
    with pytest.raises(UsageError):
        init_pool(max_size, init_size)
    job = start_job(pausing)
    with pytest.raises(NoJobsError):  # the pool of before
        start_job(pausing)
    finish(job)


def test_each_thread_has_a_pool_of_its_own() -> None:
    init_pool(1)
    job = start_job(pausing)
    results: list[str] = []

    def elsewhere() -> None:
        jobs = [start_job(pausing) for _ in range(3)]
        results.extend(finish(job) for job in jobs)
        cleanup_pool()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert results == ["done"] * 3
    assert finish(job) == "done"


@both_kinds
def test_cleanup_with_paused_jobs_is_refused_and_they_go_on(kind: Kind) -> None:
    init_pool(2)
    jobs = [start_job(kind(pausing)), start_job(kind(pausing))]
    with pytest.raises(UsageError, match="2 jobs of this thread have not ended"):
        cleanup_pool()
    with pytest.raises(NoJobsError):  # the pool is the same
        start_job(kind(pausing))
    assert finish(jobs[0]) == "done"
    with pytest.raises(UsageError, match="1 jobs"):
        cleanup_pool()
    assert finish(jobs[1]) == "done"
    cleanup_pool()
    assert finish(start_job(kind(pausing))) == "done"


@both_kinds
def test_cleanup_inside_a_job_is_refused(kind: Kind) -> None:
    async def body() -> None:
        with pytest.raises(UsageError):
            cleanup_pool()

    start_job(kind(body)).result()


# Blocked pauses


@both_kinds
def test_blocked_pauses_do_nothing(kind: Kind) -> None:
    async def body() -> str:
        with block_pauses():
            await pause_job()
            with block_pauses():
                await pause_job()
            await pause_job()  # still blocked: it nests
        await pause_job()
        return "paused once"

    job = start_job(kind(body))
    job.resume()
    assert job.result() == "paused once"


@both_kinds
def test_a_blocked_pause_resets_no_wait_context(kind: Kind) -> None:
    async def body() -> None:
        ctx.set_wait_fd("key", 7)
        with block_pauses():
            await pause_job()

    with WaitCtx() as ctx:
        start_job(kind(body), wait_ctx=ctx).result()
        assert ctx.changed_fds() == ([7], [])


@both_kinds
def test_block_pauses_is_lifted_by_an_exception(kind: Kind) -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match="inside"), block_pauses():
            raise ValueError("inside")
        await pause_job()

    job = start_job(kind(body))
    assert job.paused
    finish(job)


@both_kinds
def test_the_counter_is_the_threads_and_outlives_the_job(kind: Kind) -> None:
    async def blocks() -> None:
        block_pause()

    start_job(kind(blocks)).result()
    assert start_job(kind(pausing)).done  # it could not pause
    cleanup_pool()
    job = start_job(kind(pausing))
    assert job.paused
    finish(job)


@both_kinds
def test_another_job_may_unblock(kind: Kind) -> None:
    async def blocks() -> None:
        block_pause()

    async def unblocks() -> None:
        await pause_job()  # blocked
        unblock_pause()
        await pause_job()

    start_job(kind(blocks)).result()
    job = start_job(kind(unblocks))
    assert job.paused
    assert finish(job) is None


@both_kinds
def test_unblocking_never_goes_below_zero(kind: Kind) -> None:
    async def body() -> str:
        unblock_pause()
        unblock_pause()
        block_pause()
        await pause_job()
        unblock_pause()
        await pause_job()
        return "paused once"

    job = start_job(kind(body))
    job.resume()
    assert job.result() == "paused once"


@both_kinds
def test_both_are_ignored_outside_of_a_job(kind: Kind) -> None:
    block_pause()
    job = start_job(kind(pausing))
    assert job.paused
    unblock_pause()
    finish(job)

    async def blocked() -> Job | None:
        block_pause()
        return None

    start_job(kind(blocked)).result()
    unblock_pause()  # ignored, so what the job raised stays
    assert start_job(kind(pausing)).done
