"""Cancel: JobCancelled inside the job, at its pause. Every test runs with both kinds."""

from __future__ import annotations

import pytest

from engine import JobCancelled, JobState, UsageError, cleanup_pool, current_job, pause_job, start_job
from engine.jobs.start import new_job
from tests.engine.job_kinds import Kind, both_kinds, finish, pausing
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import WaitCtx

KEY = object()


@both_kinds
def test_it_is_raised_at_the_pause(kind: Kind) -> None:
    steps: list[object] = []

    async def body() -> None:
        try:
            await pause_job()
        except BaseException as error:
            steps.append(type(error))
            raise
        finally:
            steps.append(current_job())
        steps.append("never")

    job = start_job(kind(body))
    assert job.cancel() is True
    assert steps == [JobCancelled, job]
    assert (job.state, job.done, job.paused) == (JobState.CANCELLED, True, False)
    with pytest.raises(JobCancelled, match="at its pause"):
        job.result()
    assert isinstance(job.exception, JobCancelled)
    cleanup_pool()


@both_kinds
def test_except_exception_does_not_swallow_it(kind: Kind) -> None:
    async def body() -> None:
        try:
            await pause_job()
        except Exception as error:
            raise AssertionError("swallowed") from error

    job = start_job(kind(body))
    assert job.cancel()
    assert job.state is JobState.CANCELLED


@both_kinds
def test_cancelled_before_it_was_started(kind: Kind) -> None:
    ctx = WaitCtx()
    job = new_job(kind(pausing), (), ctx, True)
    assert job.cancel() is True
    assert job.state is JobState.CANCELLED
    assert ctx.closed  # it owned it
    with pytest.raises(JobCancelled, match="before it was started"):
        job.result()
    with pytest.raises(UsageError, match="can't start a job that is cancelled"):
        job.start()
    cleanup_pool()


@both_kinds
def test_cancelled_at_its_end_it_keeps_its_result(kind: Kind) -> None:
    job = start_job(kind(pausing))
    finish(job)
    assert job.cancel() is True
    assert job.state is JobState.FINISHED
    assert job.result() == "done"


@both_kinds
def test_cancelled_twice_it_is_cancelled_once(kind: Kind) -> None:
    job = start_job(kind(pausing))
    assert job.cancel() is True
    assert job.cancel() is True
    assert job.state is JobState.CANCELLED


@both_kinds
def test_it_may_pause_again_while_it_cleans_up(kind: Kind) -> None:
    steps = []

    async def body() -> None:
        try:
            await pause_job()
        finally:
            steps.append("goodbye")
            await pause_job()
            steps.append("gone")

    job = start_job(kind(body))
    assert job.cancel() is False
    assert job.paused
    assert steps == ["goodbye"]
    job.resume()
    assert steps == ["goodbye", "gone"]
    assert job.state is JobState.CANCELLED
    cleanup_pool()


@both_kinds
def test_cancelled_again_while_it_cleans_up(kind: Kind) -> None:
    async def body() -> None:
        try:
            await pause_job()
        finally:
            await pause_job()
            raise AssertionError("the second cancel ends it at its second pause")

    job = start_job(kind(body))
    assert job.cancel() is False
    assert job.cancel() is True
    assert job.state is JobState.CANCELLED


@both_kinds
def test_it_may_return_a_value_instead(kind: Kind) -> None:
    async def body() -> str:
        try:
            await pause_job()
        except JobCancelled:
            return "saved what there was"
        return "done"

    job = start_job(kind(body))
    assert job.cancel() is True
    assert job.state is JobState.FINISHED
    assert job.result() == "saved what there was"


@both_kinds
def test_it_may_raise_something_else(kind: Kind) -> None:
    async def body() -> None:
        try:
            await pause_job()
        finally:
            raise OSError("while it cleaned up")

    job = start_job(kind(body))
    assert job.cancel() is True
    assert job.state is JobState.FINISHED
    with pytest.raises(OSError, match="while it cleaned up") as caught:
        job.result()
    assert isinstance(caught.value.__context__, JobCancelled)


@both_kinds
def test_a_keyboard_interrupt_meanwhile_comes_out(kind: Kind) -> None:
    async def body() -> None:
        try:
            await pause_job()
        finally:
            raise KeyboardInterrupt

    job = start_job(kind(body))
    with pytest.raises(KeyboardInterrupt):
        job.cancel()
    assert job.done
    assert current_job() is None


@both_kinds
def test_a_cancel_is_a_resume_to_the_wait_context(kind: Kind) -> None:
    async def body() -> None:
        ctx.set_wait_fd(KEY, 7)
        try:
            await pause_job()
        finally:
            await pause_job()

    with WaitCtx() as ctx:
        job = start_job(kind(body), wait_ctx=ctx)
        assert ctx.changed_fds() == ([7], [])
        assert job.cancel() is False
        assert ctx.changed_fds() == ([], [])
        job.cancel()


@both_kinds
def test_with_a_context_that_was_closed(kind: Kind) -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        job = start_job(kind(pausing), wait_ctx=ctx)
    assert job.cancel() is True
    cleanup_pool()


@both_kinds
def test_the_context_of_its_own_is_closed(kind: Kind) -> None:
    job = start_job(kind(pausing))
    ctx = job.wait_ctx
    assert ctx is not None
    job.cancel()
    assert ctx.closed
    assert job.wait_ctx is None


@both_kinds
def test_an_exception_raised_by_the_job_itself_is_a_cancel_too(kind: Kind) -> None:
    async def body() -> None:
        raise JobCancelled("by itself")

    job = start_job(kind(body))
    assert job.state is JobState.CANCELLED
    with pytest.raises(JobCancelled, match="by itself"):
        job.result()
