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
    """Start func(args) as a job. If `job` is given, resume that instead, and ignore ctx, func and args.

    Returns (ASYNC_PAUSE, job, None), (ASYNC_FINISH, None, func's int), or (ASYNC_NO_JOBS, None, None). `args` is
    copied. If it is empty, func gets None, as it gets NULL in C. If func raises, the job ends, and the exception is
    raised here.
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
    """Pause the running job until the next ASYNC_start_job of it. Outside of a job, do nothing. Always returns 1."""
    pause_job()
    return 1


def ASYNC_get_current_job() -> Job | None:
    """Return the job that is running in this thread, or None outside of a job."""
    return current_job()


def ASYNC_get_wait_ctx(job: Job | None) -> WaitCtx | None:
    """Return the job's wait context while the job is running or paused, and None once it has ended."""
    if not isinstance(job, Job):
        raise UsageError(f"ASYNC_get_wait_ctx needs a job, not {job!r}; C crashes here")
    return job.wait_ctx


def ASYNC_block_pause() -> None:
    """Raise the block counter of the thread. Does nothing outside of a job."""
    block_pause()


def ASYNC_unblock_pause() -> None:
    """Lower the block counter of the thread, but not below zero. Does nothing outside of a job."""
    unblock_pause()


def ASYNC_init_thread(max_size: int, init_size: int) -> int:
    """Return 1, or 0 if init_size exceeds max_size ("invalid pool size"), even if max_size is 0."""
    try:
        init_pool(max_size, init_size)
    except UsageError:
        return 0
    return 1


def ASYNC_cleanup_thread() -> None:
    """Free the idle jobs, and clear the block counter. Raises UsageError while jobs are paused. C leaks such jobs."""
    cleanup_pool()


def ASYNC_is_capable() -> int:
    """Return 1, because greenlets work wherever this package can be installed."""
    return 1
