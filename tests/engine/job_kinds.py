"""Runs the same body as either kind of job, so that a test of jobs needs only one body.

A body is an `async def` that pauses with `await pause_job()`. As a stackless job it runs as it is. As a stackful job, a
plain function runs it to its end: there `pause_job()` itself switches greenlets, and the `await` has nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, ParamSpec

import pytest

from engine import Job, cleanup_pool, pause_job
from engine.jobs.thread import LOCAL, ThreadState

P = ParamSpec("P")
Body = Callable[P, Coroutine[Any, Any, Any]]
Kind = Callable[[Body[...]], Callable[..., Any]]


def stackless(body: Body[P]) -> Callable[P, Any]:
    """The body as a stackless job: as it is."""
    return body


def stackful(body: Body[P]) -> Callable[P, Any]:
    """The body as a stackful job: a plain function that runs it."""

    @wraps(body)
    def function(*args: P.args, **kwargs: P.kwargs) -> Any:
        coroutine = body(*args, **kwargs)
        try:
            awaited = coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError(f"a pause of a stackful job left {awaited!r} to await")

    return function


both_kinds = pytest.mark.parametrize("kind", [stackful, stackless])
"""For a test with an argument `kind`: `start_job(kind(body), ...)`."""


async def pausing(times: int = 1) -> str:
    """A body that pauses this many times."""
    for _ in range(times):
        await pause_job()
    return "done"


def finish(job: Job) -> Any:
    """Resume the job until it ends, and return its result."""
    while job.paused:
        job.resume()
    return job.result()


@pytest.fixture(autouse=True)
def own_pool() -> Iterator[None]:
    """A fixture for a module that imports it: each test begins with the default pool of a thread, and must leave no job
    behind."""
    before, LOCAL.state = LOCAL.state, ThreadState()
    yield
    try:
        cleanup_pool()
    finally:
        LOCAL.state = before
