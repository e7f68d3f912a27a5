"""Starting a job, of the kind that its function needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from engine.errors import UsageError
from engine.jobs.greenlets import INSTALLED, refuse_stackful
from engine.jobs.job import Job
from engine.jobs.stackful import StackfulJob
from engine.jobs.stackless import StacklessJob
from waitctx.context import WaitCtx

_stackful: Callable[..., Job] = StackfulJob if INSTALLED else refuse_stackful
_COROUTINE = inspect.CO_COROUTINE
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def new_job(fn: Callable[..., Any], args: tuple[Any, ...], wait_ctx: WaitCtx | None, owns_ctx: bool) -> Job:
    """A new job that is not started: stackless for an `async def`, else stackful.

    Raises UsageError if fn is not a function, or is a generator, or is stackful and greenlet is not installed.
    """
    try:
        flags = fn.__code__.co_flags
    except AttributeError:  # a builtin, a class, a partial, an object with __call__
        if not callable(fn):
            raise UsageError(
                f"a job runs a function, not {fn!r}: pass the function and its arguments separately"
            ) from None
        flags = _COROUTINE if inspect.iscoroutinefunction(fn) else 0
    if flags & _COROUTINE:
        return StacklessJob(fn, args, wait_ctx, owns_ctx)
    if flags & _GENERATOR:
        raise UsageError(f"{fn!r} is a generator: a job runs a plain function or an async def without yield")
    return _stackful(fn, args, wait_ctx, owns_ctx)


def start_job(fn: Callable[..., Any], *args: Any, wait_ctx: WaitCtx | None = None) -> Job:
    """Run fn(*args) as a job, to its first pause or its end (ASYNC_start_job).

    A plain function runs stackful, on a pooled greenlet, and may pause from any call depth. An `async def` runs
    stackless and pauses with `await`. Without `wait_ctx` the job gets a wait context of its own, which is closed when
    the job ends. Raises NoJobsError when this thread's pool is exhausted, and UsageError inside a job.
    """
    if wait_ctx is None:
        job = new_job(fn, args, WaitCtx(), True)
    else:
        if not isinstance(wait_ctx, WaitCtx):
            raise UsageError(f"wait_ctx must be a WaitCtx or None, not {wait_ctx!r}")
        job = new_job(fn, args, wait_ctx, False)
    job.start()
    return job
