"""Pausing the running job, and blocking pauses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from engine.errors import UsageError
from engine.jobs.job import Job
from engine.jobs.switching import switch
from engine.jobs.thread import LOCAL
from hotpath.choice import COMPILED


class _Yields(tuple[object, ...]):
    """A tuple that can be awaited: this yields its elements to the code that runs the job. All jobs share one object.

    A tuple's iterator is C code and calls no Python function. A generator would cost half as much as a pause.
    """

    __slots__ = ()
    __await__ = cast(Callable[..., Generator[Any, Any, None]], tuple.__iter__)


PAUSED_HERE: Final = object()
"""What a stackless job yields to pause."""
PAUSE: Final[Awaitable[None]] = _Yields((PAUSED_HERE,))
"""`await PAUSE` pauses a stackless job."""
NO_PAUSE: Final[Awaitable[None]] = _Yields()
"""What `pause_job` returns where there is nothing left to await."""


def pause_job() -> Awaitable[None]:
    """Pause the running job until it is resumed (ASYNC_pause_job).

    In a stackful job the call pauses at once, from any call depth. In an `async def` job write `await pause_job()`; a
    job that forgets the `await` fails with UsageError. Outside of a job, or while pauses are blocked, neither the call
    nor the `await` does anything.
    """
    thread = LOCAL.state
    # No variable here may hold the job. The garbage collector does not see the frames of a paused greenlet, so a job to
    # which only its own frame refers would never be freed.
    if thread.current is None or thread.blocked:
        return NO_PAUSE
    if thread.dispatcher is None:
        if thread.pausing:
            raise UsageError("an earlier pause_job() of this async job was not awaited: write `await pause_job()`")
        thread.pausing = True
        return PAUSE
    switch(thread.dispatcher) if COMPILED else thread.dispatcher.switch()
    return NO_PAUSE


def current_job() -> Job | None:
    """The job that is running on this thread, or None outside of a job (ASYNC_get_current_job)."""
    return LOCAL.state.current  # type: ignore[return-value]  # there is no other kind of RunningJob


def block_pause() -> None:
    """Make pauses on this thread do nothing until `unblock_pause` was called as often. Ignored outside of a job.

    As in C, the counter belongs to the thread. If a job ends without lowering it, all later jobs of this thread can't
    pause, until `cleanup_pool`. Prefer `block_pauses`, which always lowers it.
    """
    thread = LOCAL.state
    if thread.current is not None:
        thread.blocked += 1


def unblock_pause() -> None:
    """Undo one `block_pause`. Ignored outside of a job, and if there is none to undo."""
    thread = LOCAL.state
    if thread.current is not None and thread.blocked > 0:
        thread.blocked -= 1


@contextmanager
def block_pauses() -> Iterator[None]:
    """Inside the `with`, pauses do nothing, for instance while a lock is held. Nests. Ignored outside of a job."""
    block_pause()
    try:
        yield
    finally:
        unblock_pause()
