"""The life of a job: start, pause, resume, result. Every test runs with both kinds."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from engine import Job, JobState, UsageError, current_job, pause_job, start_job
from engine import openssl as door
from engine.jobs.stackful import StackfulJob
from engine.jobs.stackless import StacklessJob
from tests.engine.job_kinds import Kind, both_kinds, finish, pausing, stackful
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import ClosedError, WaitCtx

KEY, OTHER = object(), object()


@both_kinds
def test_kind_of_job(kind: Kind) -> None:
    job = start_job(kind(pausing))
    assert isinstance(job, StackfulJob if kind is stackful else StacklessJob)
    assert finish(job) == "done"


@both_kinds
def test_start_runs_to_the_first_pause(kind: Kind) -> None:
    steps = []

    async def body(first: str, second: str) -> str:
        steps.append(first)
        await pause_job()
        steps.append(second)
        return first + second

    job = start_job(kind(body), "a", "b")
    assert (steps, job.state, job.paused, job.done) == (["a"], JobState.PAUSED, True, False)
    job.resume()
    assert (steps, job.state, job.paused, job.done) == (["a", "b"], JobState.FINISHED, False, True)
    assert job.result() == "ab"
    assert job.exception is None


@both_kinds
def test_a_job_that_never_pauses_is_finished_at_once(kind: Kind) -> None:
    job = start_job(kind(pausing), 0)
    assert job.state is JobState.FINISHED
    assert job.result() == "done"


@both_kinds
def test_as_many_resumes_as_pauses(kind: Kind) -> None:
    job = start_job(kind(pausing), 5)
    for _ in range(5):
        assert job.paused
        job.resume()
    assert job.result() == "done"


@both_kinds
def test_many_jobs_interleaved_in_any_order(kind: Kind) -> None:
    async def body(name: int) -> int:
        total = 0
        for step in range(4):
            total += name * step
            await pause_job()
        return total

    jobs = [start_job(kind(body), name) for name in range(8)]
    for order in (1, -1, 1, -1):
        for job in jobs[::order]:
            job.resume()
    assert [job.result() for job in jobs] == [name * 6 for name in range(8)]


def test_a_stackful_job_pauses_from_any_depth() -> None:
    def deep(levels: int) -> int:
        if levels == 0:
            pause_job()
            return 0
        return 1 + max(deep(level) for level in [levels - 1])  # through C frames too

    job = start_job(deep, 50)
    assert job.paused
    assert finish(job) == 50


def test_a_stackless_job_pauses_through_nested_coroutines() -> None:
    async def deep(levels: int) -> int:
        if levels == 0:
            await pause_job()
            return 0
        return 1 + await deep(levels - 1)

    job = start_job(deep, 50)
    assert job.paused
    assert finish(job) == 50


@both_kinds
def test_result_before_the_end_is_refused(kind: Kind) -> None:
    job = start_job(kind(pausing))
    with pytest.raises(UsageError, match="is paused, so it has no result yet"):
        job.result()
    assert finish(job) == "done"


@both_kinds
def test_current_job_inside_and_outside(kind: Kind) -> None:
    seen: list[Job | None] = []

    async def body() -> None:
        seen.append(current_job())
        await pause_job()
        seen.append(current_job())

    job, other = start_job(kind(body)), start_job(kind(body))
    assert current_job() is None
    job.resume()
    assert current_job() is None
    other.resume()
    assert current_job() is None
    assert seen == [job, other, job, other]


def test_pause_outside_of_a_job_does_nothing() -> None:
    waiting = pause_job()
    with pytest.raises(StopIteration):
        next(iter(waiting.__await__()))


# The wait context


@both_kinds
def test_the_reset_comes_exactly_at_the_resume(kind: Kind) -> None:
    async def body() -> list[int]:
        ctx.set_wait_fd(KEY, 7)
        await pause_job()
        seen = ctx.changed_fds().added  # of the pause before: forgotten
        ctx.clear_fd(KEY)
        ctx.set_wait_fd(OTHER, 8)
        await pause_job()
        return seen

    with WaitCtx() as ctx:
        ctx.set_wait_fd(None, 6)
        job = start_job(kind(body), wait_ctx=ctx)
        assert ctx.changed_fds() == ([7, 6], [])  # starting resets nothing
        assert ctx.changed_fds() == ([7, 6], [])  # nor does asking
        job.resume()
        assert ctx.changed_fds() == ([8], [7])
        assert finish(job) == []
        assert ctx.changed_fds() == ([], [])


@both_kinds
def test_finishing_resets_nothing(kind: Kind) -> None:
    async def body() -> None:
        await pause_job()
        ctx.set_wait_fd(KEY, 7)

    with WaitCtx() as ctx:
        finish(start_job(kind(body), wait_ctx=ctx))
        assert ctx.changed_fds() == ([7], [])
        start_job(kind(pausing), 0, wait_ctx=ctx)
        assert ctx.changed_fds() == ([7], [])  # nor does a new job of the same context


@both_kinds
def test_resuming_one_of_two_jobs_of_a_context_resets_the_reports_of_both(kind: Kind) -> None:
    async def body(key: object, fd: int) -> None:
        ctx.set_wait_fd(key, fd)
        await pause_job()

    with WaitCtx() as ctx:
        first, second = start_job(kind(body), KEY, 7, wait_ctx=ctx), start_job(kind(body), OTHER, 8, wait_ctx=ctx)
        assert ctx.changed_fds() == ([8, 7], [])
        first.resume()
        assert ctx.changed_fds() == ([], [])
        second.resume()


@both_kinds
def test_a_given_context_stays_open_and_leaves_the_job_at_the_end(kind: Kind) -> None:
    with WaitCtx() as ctx:
        job = start_job(kind(pausing), wait_ctx=ctx)
        assert door.ASYNC_get_wait_ctx(job) is ctx
        finish(job)
        assert job.wait_ctx is None
        assert not ctx.closed


@both_kinds
def test_a_context_of_its_own_is_closed_with_the_job(kind: Kind) -> None:
    cleaned = []

    async def body() -> None:
        job = current_job()
        assert job is not None
        assert job.wait_ctx is not None
        job.wait_ctx.set_wait_fd(KEY, 7, None, lambda ctx, key, fd, data: cleaned.append(fd))
        await pause_job()

    job = start_job(kind(body))
    ctx = job.wait_ctx
    assert ctx is not None
    assert cleaned == []
    finish(job)
    assert ctx.closed
    assert cleaned == [7]
    assert job.wait_ctx is None


@both_kinds
def test_a_context_closed_while_its_job_is_paused_is_refused_at_the_resume(kind: Kind) -> None:
    ctx = WaitCtx()
    job = start_job(kind(pausing), wait_ctx=ctx)
    ctx.close()
    with pytest.raises(ClosedError):
        job.resume()
    assert job.paused
    assert current_job() is None
    assert job.cancel()  # the way out


def test_a_wait_ctx_that_is_none_is_refused() -> None:
    not_a_context: Any = "ctx"
    with pytest.raises(UsageError, match="'ctx'"):
        start_job(pausing, wait_ctx=not_a_context)


# Exceptions


@both_kinds
@pytest.mark.parametrize("pauses", [0, 1])
def test_its_own_exception_comes_out_of_result_with_its_traceback(kind: Kind, pauses: int) -> None:
    async def where_it_went_wrong() -> None:
        await pausing(pauses)
        raise ZeroDivisionError("the job's own")

    job = start_job(kind(where_it_went_wrong))
    while job.paused:
        job.resume()  # raises nothing
    assert job.state is JobState.FINISHED
    for _ in range(2):  # each time the same, and no longer
        with pytest.raises(ZeroDivisionError, match="the job's own") as caught:
            job.result()
        assert caught.value is job.exception
        # A compiled function has its whole name in a traceback.
        frames = [frame.name.rpartition(".")[2] for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert frames.count("where_it_went_wrong") == 1
        assert frames.count("result") == 1


@both_kinds
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("pauses", [0, 1])
def test_what_is_meant_for_the_program_comes_out_at_once(kind: Kind, error: type[BaseException], pauses: int) -> None:
    async def body() -> None:
        await pausing(pauses)
        raise error

    with WaitCtx() as ctx:
        if pauses:
            job = start_job(kind(body), wait_ctx=ctx)
            with pytest.raises(error):
                job.resume()
            assert job.state is JobState.FINISHED
            with pytest.raises(error):
                job.result()
        else:
            with pytest.raises(error):
                start_job(kind(body), wait_ctx=ctx)
    assert current_job() is None
    assert finish(start_job(kind(pausing))) == "done"  # nothing was corrupted


@both_kinds
def test_an_exception_the_caller_handles_is_not_the_jobs(kind: Kind) -> None:
    async def body() -> str:
        await pause_job()
        try:
            raise KeyError("inner")
        except KeyError as error:
            await pause_job()
            return repr(error.__context__)

    job = start_job(kind(body))
    try:
        raise ValueError("outer")
    except ValueError:
        job.resume()
    assert finish(job) in ("None", "ValueError('outer')")  # only: no exception of another moment


@both_kinds
def test_repr_names_function_and_state(kind: Kind) -> None:
    job = start_job(kind(pausing))
    assert "pausing" in repr(job)
    assert "paused" in repr(job)
    finish(job)
    assert "finished" in repr(job)
