"""What C leaves undefined: done to libcrypto in a child process, and to simaccel, which raises and goes on unharmed."""

from __future__ import annotations

import platform
import threading
from typing import Any

import pytest

from engine import UsageError
from engine import openssl as jobs
from engine.jobs.job import Job
from tests.conformance.conftest import oracle_or_skip
from tests.conformance.rules import MISUSES, Misuse, differs, undefined
from tests.oracle import undefined as in_c
from tests.oracle.child import how_it_ends
from tests.oracle.driver import driver
from waitctx import ClosedError, NullContextError, WaitCtx
from waitctx import openssl as waits

KEY = object()
NULL_CALLS: dict[str, list[Any]] = {
    "set_wait_fd": [KEY, 3, None, None],
    "get_fd": [KEY],
    "get_all_fds": [],
    "get_changed_fds": [],
    "clear_fd": [KEY],
    "get_callback": [],
    "set_status": [2],
    "get_status": [],
}


def paused_job(ctx: WaitCtx) -> Job:
    """A job that pauses once and then returns 1."""
    status, job, _ = jobs.ASYNC_start_job(None, ctx, lambda _: jobs.ASYNC_pause_job(), None)
    assert status == jobs.ASYNC_PAUSE
    assert job is not None
    return job


def finish(job: Job) -> None:
    """Resume it to its end."""
    assert jobs.ASYNC_start_job(job, None, returns_one, None) == (jobs.ASYNC_FINISH, None, 1)


def returns_one(_: bytes | None) -> int:
    return 1


@pytest.fixture
def ctx() -> WaitCtx:
    """A context with one fd that was reported."""
    ctx = waits.ASYNC_WAIT_CTX_new()
    waits.ASYNC_WAIT_CTX_set_wait_fd(ctx, KEY, 3, "data", None)
    finish(paused_job(ctx))
    return ctx


def assert_unharmed(ctx: WaitCtx) -> None:
    """Go on using the context of that fixture, and jobs."""
    assert waits.ASYNC_WAIT_CTX_get_changed_fds(ctx) == (1, [], [])
    assert waits.ASYNC_WAIT_CTX_get_fd(ctx, KEY) == (1, 3, "data")
    job = paused_job(ctx)
    assert jobs.ASYNC_get_current_job() is None
    assert waits.ASYNC_WAIT_CTX_clear_fd(ctx, KEY) == 1
    assert waits.ASYNC_WAIT_CTX_get_changed_fds(ctx) == (1, [], [3])
    finish(job)
    assert waits.ASYNC_WAIT_CTX_get_changed_fds(ctx) == (1, [], [])
    jobs.ASYNC_cleanup_thread()


@pytest.mark.parametrize("call", NULL_CALLS)
def test_null_ctx(call: str, ctx: WaitCtx) -> None:
    with pytest.raises(NullContextError):
        getattr(waits, f"ASYNC_WAIT_CTX_{call}")(None, *NULL_CALLS[call])
    assert_unharmed(ctx)


for name in NULL_CALLS:
    undefined(f"ASYNC_WAIT_CTX_{name}", "a NULL ctx", getattr(in_c, f"null_{name}"), "SIGSEGV", NullContextError)(
        test_null_ctx
    )


@undefined("ASYNC_WAIT_CTX_free", "a ctx that was freed", in_c.freed_twice, "SIGSEGV", ClosedError)
@undefined("ASYNC_WAIT_CTX_get_all_fds", "a freed ctx", in_c.freed_get_all_fds, "SIGSEGV", ClosedError)
@undefined("ASYNC_WAIT_CTX_clear_fd", "a freed ctx", in_c.freed_clear_fd, "SIGSEGV", ClosedError)
def test_freed_ctx(ctx: WaitCtx) -> None:
    freed = waits.ASYNC_WAIT_CTX_new()
    waits.ASYNC_WAIT_CTX_free(freed)
    for call, operands in NULL_CALLS.items():
        with pytest.raises(ClosedError):
            getattr(waits, f"ASYNC_WAIT_CTX_{call}")(freed, *operands)
    with pytest.raises(ClosedError):
        waits.ASYNC_WAIT_CTX_free(freed)
    with pytest.raises(ClosedError):
        waits.ASYNC_WAIT_CTX_set_callback(freed, print, None)
    assert_unharmed(ctx)


@undefined(
    "ASYNC_WAIT_CTX_free",
    "a cleanup that clears its own unreported key",
    in_c.cleanup_clears_its_own_key,
    "SIGABRT",
    ClosedError,
)
@undefined(
    "ASYNC_WAIT_CTX_free",
    "a cleanup that sets another fd, which leaks",
    in_c.cleanup_sets_another_fd,
    "[1]",
    ClosedError,
)
@undefined("ASYNC_WAIT_CTX_free", "a cleanup that frees the ctx", in_c.cleanup_frees_the_ctx, "SIGABRT", ClosedError)
def test_cleanup_touches_the_ctx(ctx: WaitCtx) -> None:
    cleaned: list[int] = []

    def touch(touched: Any, key: object, fd: int, data: object) -> None:
        for call, operands in NULL_CALLS.items():
            with pytest.raises(ClosedError):
                getattr(waits, f"ASYNC_WAIT_CTX_{call}")(touched, *operands)
        with pytest.raises(ClosedError):
            waits.ASYNC_WAIT_CTX_free(touched)
        cleaned.append(fd)

    dying = waits.ASYNC_WAIT_CTX_new()
    for fd in (3, 4):
        waits.ASYNC_WAIT_CTX_set_wait_fd(dying, KEY, fd, None, touch)
    waits.ASYNC_WAIT_CTX_free(dying)
    assert cleaned == [4, 3]
    assert_unharmed(ctx)


@undefined("ASYNC_start_job", "inside a job", in_c.start_inside_a_job, "SIGSEGV", UsageError)
@pytest.mark.parametrize("paused", [False, True], ids=["start", "resume"])
def test_start_inside_a_job(ctx: WaitCtx, paused: bool) -> None:
    inner = paused_job(ctx) if paused else None

    def outer(_: bytes | None) -> int:
        me = jobs.ASYNC_get_current_job()
        with pytest.raises(UsageError):
            jobs.ASYNC_start_job(inner, ctx, returns_one, None)
        with pytest.raises(UsageError):
            jobs.ASYNC_start_job(me, ctx, returns_one, None)
        assert jobs.ASYNC_get_current_job() is me
        return jobs.ASYNC_pause_job() + 4

    status, job, _ = jobs.ASYNC_start_job(None, ctx, outer, None)
    assert status == jobs.ASYNC_PAUSE
    assert jobs.ASYNC_start_job(job, None, returns_one, None) == (jobs.ASYNC_FINISH, None, 5)
    if inner is not None:
        finish(inner)
    assert_unharmed(ctx)


@undefined("ASYNC_start_job", "resumed on another thread", in_c.resume_on_another_thread, "SIGSEGV", UsageError)
def test_resume_on_another_thread(ctx: WaitCtx) -> None:
    job = paused_job(ctx)
    errors: list[Exception] = []

    def elsewhere() -> None:
        try:
            jobs.ASYNC_start_job(job, None, returns_one, None)
        except UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(errors) == 1
    finish(job)
    assert_unharmed(ctx)


@undefined(
    "ASYNC_start_job",
    "the handle of a finished job, so that a later start resumes another job",
    in_c.resume_a_finished_job,
    "[(3, 1), (2, -9), (3, 1)]",
    UsageError,
)
def test_resume_a_finished_job(ctx: WaitCtx) -> None:
    job = paused_job(ctx)
    finish(job)
    with pytest.raises(UsageError):
        jobs.ASYNC_start_job(job, None, returns_one, None)
    assert jobs.ASYNC_get_wait_ctx(job) is None
    first, second = paused_job(ctx), paused_job(ctx)
    assert first is not second
    finish(first)
    finish(second)
    assert_unharmed(ctx)


@undefined(
    "ASYNC_start_job",
    "a resume whose ctx was freed meanwhile",
    in_c.resume_with_a_freed_ctx,
    "SIGSEGV",
    ClosedError,
)
@pytest.mark.parametrize("changes", [False, True], ids=["nothing changed", "an fd changed"])
def test_resume_with_a_freed_ctx(ctx: WaitCtx, changes: bool) -> None:
    freed = waits.ASYNC_WAIT_CTX_new()
    job = paused_job(freed)
    if changes:
        waits.ASYNC_WAIT_CTX_set_wait_fd(freed, KEY, 4, None, None)
    waits.ASYNC_WAIT_CTX_free(freed)
    for _ in range(2):
        with pytest.raises(ClosedError):
            jobs.ASYNC_start_job(job, None, returns_one, None)
        assert job.paused
    assert job.cancel()
    assert_unharmed(ctx)


@undefined(
    "ASYNC_cleanup_thread",
    "while a job is paused, which then leaks",
    in_c.cleanup_thread_with_a_paused_job,
    "((3, 1), 'internal error')",
    UsageError,
)
def test_cleanup_thread_with_a_paused_job(ctx: WaitCtx) -> None:
    jobs.ASYNC_init_thread(2, 0)
    job = paused_job(ctx)
    with pytest.raises(UsageError):
        jobs.ASYNC_cleanup_thread()
    finish(job)
    first, second = paused_job(ctx), paused_job(ctx)
    assert jobs.ASYNC_start_job(None, ctx, returns_one, None) == (jobs.ASYNC_NO_JOBS, None, None)
    finish(first)
    finish(second)
    assert_unharmed(ctx)


@differs(
    "ASYNC_start_job",
    "resuming a job that has paused without a ctx: undefined, libcrypto ends in SIGSEGV",
    "there is nothing to reset, so it goes on",
)
def test_resume_without_a_ctx(ctx: WaitCtx) -> None:
    status, job, _ = jobs.ASYNC_start_job(None, None, lambda _: jobs.ASYNC_pause_job(), None)
    assert status == jobs.ASYNC_PAUSE
    assert job is not None
    finish(job)
    assert_unharmed(ctx)


MISUSES.append(Misuse("resume_without_a_ctx", in_c.resume_without_a_ctx, "SIGSEGV"))


@undefined("ASYNC_cleanup_thread", "inside a job", in_c.cleanup_thread_inside_a_job, "SIGSEGV", UsageError)
def test_cleanup_thread_inside_a_job(ctx: WaitCtx) -> None:
    def body(_: bytes | None) -> int:
        with pytest.raises(UsageError):
            jobs.ASYNC_cleanup_thread()
        return jobs.ASYNC_pause_job()

    status, job, _ = jobs.ASYNC_start_job(None, ctx, body, None)
    assert status == jobs.ASYNC_PAUSE
    assert job is not None
    finish(job)
    assert_unharmed(ctx)


@undefined("ASYNC_start_job", "a NULL function", in_c.start_without_a_function, "SIGSEGV", UsageError)
def test_start_without_a_function(ctx: WaitCtx) -> None:
    nothing: Any = None
    with pytest.raises(UsageError):
        jobs.ASYNC_start_job(None, ctx, nothing, None)
    assert_unharmed(ctx)


@undefined("ASYNC_get_wait_ctx", "a NULL job", in_c.wait_ctx_of_null, "SIGSEGV", UsageError)
def test_wait_ctx_of_null(ctx: WaitCtx) -> None:
    with pytest.raises(UsageError):
        jobs.ASYNC_get_wait_ctx(None)
    assert_unharmed(ctx)


LIBC_OF_THE_TABLE = ("glibc", "2.36")
"""What freed memory holds, and so how a use of it ends, depends on the C library."""


@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: str(misuse.name))
def test_libcrypto_ends_as_the_table_says(misuse: Misuse) -> None:
    oracle_or_skip(driver)
    ends = how_it_ends(misuse.in_c)
    if ends != misuse.ends and platform.libc_ver() != LIBC_OF_THE_TABLE:
        pytest.skip(f"undefined: with {' '.join(platform.libc_ver())} it ends in {ends}, and not in {misuse.ends}")
    assert ends == misuse.ends
