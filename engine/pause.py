"""Pausing: what a running job may do to itself."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from engine.errors import UsageError
from engine.job import Job
from engine.pool import LOCAL


class _Pause:
    """Awaiting it yields itself once: to the job, which then pauses. One object serves all."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        # A tuple's iterator is made and exhausted in C; a generator here would cost half a pause.
        return cast(Generator[Any, Any, None], iter(_ONCE))


class _NoPause:
    """What `pause_job` returns where there is nothing left to await."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return cast(Generator[Any, Any, None], iter(()))


PAUSE = _Pause()
NO_PAUSE = _NoPause()
_ONCE = (PAUSE,)


def pause_job() -> Awaitable[None]:
    """Pause the running job until it is resumed (ASYNC_pause_job).

    In a stackful job it pauses at once, from any call depth. In an `async def` job: `await pause_job()`; a job that
    forgets the await fails with UsageError. Outside of a job, or while pauses are blocked, it does nothing, and
    awaiting it does nothing.
    """
    thread = LOCAL.state
    # The job is never held in a variable here: a paused greenlet's frames are invisible to the garbage collector,
    # so a job that its owner forgot while it was paused would never be freed.
    if thread.current is None or thread.blocked:
        return NO_PAUSE
    if thread.dispatcher is None:
        if thread.pausing:
            raise UsageError("an earlier pause_job() of this async job was not awaited: write `await pause_job()`")
        thread.pausing = True
        return PAUSE
    thread.dispatcher.switch(PAUSE)
    return NO_PAUSE


def current_job() -> Job | None:
    """The job that is running on this thread; None outside of one (ASYNC_get_current_job)."""
    return LOCAL.state.current


def block_pause() -> None:
    """Make pauses on this thread do nothing, until as many `unblock_pause`. Ignored outside of a job.

    The counter is the thread's, as in C: a job that ends while it is raised leaves all later jobs of the thread
    unable to pause, until `cleanup_pool`. Prefer `block_pauses`, which can't forget.
    """
    thread = LOCAL.state
    if thread.current is not None:
        thread.blocked += 1


def unblock_pause() -> None:
    """Take one `block_pause` back. Ignored outside of a job, and never below zero."""
    thread = LOCAL.state
    if thread.current is not None and thread.blocked > 0:
        thread.blocked -= 1


@contextmanager
def block_pauses() -> Iterator[None]:
    """Inside, pauses do nothing: code that holds a lock, say, runs through. Nests. Ignored outside of a job."""
    block_pause()
    try:
        yield
    finally:
        unblock_pause()
