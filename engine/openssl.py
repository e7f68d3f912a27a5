"""Jobs with the names of the C API, openssl/async.h. What C writes through pointers is returned in a tuple.

Return codes, order and oddities are C's. Where C would crash or corrupt memory (a job inside a job, a finished job,
another thread), these raise UsageError, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import NoJobsError, UsageError
from engine.jobs.job import Job
from engine.jobs.pause import block_pause, current_job, pause_job, unblock_pause
from engine.jobs.start import new_job
from engine.jobs.thread import cleanup_pool, init_pool
from waitctx import WaitCtx

__all__ = [
    "ASYNC_ERR",
    "ASYNC_FINISH",
    "ASYNC_NO_JOBS",
    "ASYNC_PAUSE",
    "ASYNC_block_pause",
    "ASYNC_cleanup_thread",
    "ASYNC_get_current_job",
    "ASYNC_get_wait_ctx",
    "ASYNC_init_thread",
    "ASYNC_is_capable",
    "ASYNC_pause_job",
    "ASYNC_start_job",
    "ASYNC_unblock_pause",
]

ASYNC_ERR = 0
ASYNC_NO_JOBS = 1
ASYNC_PAUSE = 2
ASYNC_FINISH = 3


def ASYNC_start_job(
    job: Job | None, ctx: WaitCtx | None, func: Callable[[bytes | None], int], args: bytes | None
) -> tuple[int, Job | None, int | None]:
    """Start func(args) as a job, or resume `job`; then ctx, func and args are ignored.

    (ASYNC_PAUSE, job, None), (ASYNC_FINISH, None, func's int), or (ASYNC_NO_JOBS, None, None). `args` is copied; of
    size 0 it reaches func as None, as NULL does in C. An exception of func ends the job and comes out here.
    """
    if job is None:
        if ctx is not None and not isinstance(ctx, WaitCtx):
            raise UsageError(f"ctx must be a WaitCtx or None, not {ctx!r}")
        try:
            copied = bytes(memoryview(args)) if args is not None else b""
        except TypeError:
            raise UsageError(f"args must be bytes or None, not {args!r}") from None
        job = new_job(func, (copied or None,), ctx, False)
        try:
            job.start()
        except NoJobsError:
            return ASYNC_NO_JOBS, None, None
    else:
        if not isinstance(job, Job):
            raise UsageError(f"job must be what ASYNC_start_job returned, or None, not {job!r}")
        job.resume()
    if job.paused:
        return ASYNC_PAUSE, job, None
    value: Any = job.result()
    if not isinstance(value, int):
        raise UsageError(f"a job's function returns an int to C, not {value!r}")
    return ASYNC_FINISH, None, value


def ASYNC_pause_job() -> int:
    """Pause the running job until the next ASYNC_start_job of it; elsewhere do nothing. Always 1."""
    pause_job()
    return 1


def ASYNC_get_current_job() -> Job | None:
    """The running job, inside it; None outside."""
    return current_job()


def ASYNC_get_wait_ctx(job: Job | None) -> WaitCtx | None:
    """The job's context while it is running or paused, None once it has finished."""
    if not isinstance(job, Job):
        raise UsageError(f"ASYNC_get_wait_ctx needs a job, not {job!r}; C crashes here")
    return job.wait_ctx


def ASYNC_block_pause() -> None:
    """Raise the thread's block counter; ignored outside of a job."""
    block_pause()


def ASYNC_unblock_pause() -> None:
    """Lower the thread's block counter, never below zero; ignored outside of a job."""
    unblock_pause()


def ASYNC_init_thread(max_size: int, init_size: int) -> int:
    """1; 0 where init_size exceeds max_size ("invalid pool size"), also for max_size 0."""
    try:
        init_pool(max_size, init_size)
    except UsageError:
        return 0
    return 1


def ASYNC_cleanup_thread() -> None:
    """Free the idle jobs, and clear the block counter. UsageError while jobs are paused: C leaks them."""
    cleanup_pool()


def ASYNC_is_capable() -> int:
    """1: greenlets work wherever this package installs."""
    return 1
