"""The two kinds of jobs behind one name, so that each test of jobs is one body, run as either.

A body is an `async def` that pauses with `await pause_job()`. As a stackless job it runs as it is. As a stackful one a
plain function runs it through: there `pause_job()` switches greenlets by itself, and nothing is left to await.
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
    """As it is."""
    return body


def stackful(body: Body[P]) -> Callable[P, Any]:
    """As a plain function."""

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
    """A body that pauses so many times."""
    for _ in range(times):
        await pause_job()
    return "done"


def finish(job: Job) -> Any:
    """Resume to the end; the result."""
    while job.paused:
        job.resume()
    return job.result()


@pytest.fixture(autouse=True)
def own_pool() -> Iterator[None]:
    """For a module that imports it: each test begins with the pool that a thread has before it asks for one, and may
    leave no job behind."""
    before, LOCAL.state = LOCAL.state, ThreadState()
    yield
    try:
        cleanup_pool()
    finally:
        LOCAL.state = before
