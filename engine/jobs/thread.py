"""What a thread knows of its jobs: which one runs, how many are alive, its pool, and whether pauses are blocked.

Every thread has a `ThreadState` of its own, made when the thread first asks for it: `LOCAL.state`. A job belongs to the
state of the thread that started it.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from greenlet import greenlet

from engine.errors import UsageError
from engine.jobs.pool import Pool, Slot
from waitctx import WaitCtx


class RunningJob(Protocol):
    """What is asked of the job that a thread runs. `engine.jobs.job.Job` is the one class that fits."""

    wait_ctx: WaitCtx | None
    driver: Any
    waiting: Any
    _slot: Slot


class ThreadState:
    """What a thread knows of its jobs: the one that runs, the pool, the block counter."""

    __slots__ = ("alive", "blocked", "current", "dispatcher", "outcome", "pausing", "pool")

    def __init__(self) -> None:
        self.current: RunningJob | None = None
        """The job that runs now; None outside of a job."""
        self.dispatcher: greenlet | None = None
        """Where a pausing stackful job switches to: whoever started or resumed it. None in a stackless one."""
        self.outcome: object = None
        """How the running stackful job's function ended; None while it has not. It is left here before the switch back,
        where an exception can come between the switch and whoever takes its answer."""
        self.pausing = False
        """A stackless job called pause_job and has not awaited it yet."""
        self.blocked = 0
        """block_pauses depth. Of the thread, not of the job, as in C: it outlives the job that raised it."""
        self.alive = 0
        """Jobs started and not ended: one running, the others paused."""
        self.pool = Pool(0, 0)


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = ThreadState()


LOCAL = _Local()
"""`LOCAL.state` is the ThreadState of the calling thread."""


def init_pool(max_size: int = 0, init_size: int = 0) -> None:
    """Give this thread a new pool (ASYNC_init_thread). Without it, a thread has one without limit.

    `max_size` limits the jobs ever created by it, busy ones included; 0 means no limit. `init_size` jobs count as
    created at once. Raises UsageError if init_size exceeds max_size, also where max_size is 0, as C does.
    Jobs that are busy stay busy; they go to the new pool when they end.
    """
    for name, value in (("max_size", max_size), ("init_size", init_size)):
        if not isinstance(value, int) or value < 0:
            raise UsageError(f"{name} must be an int of at least 0, not {value!r}")
    if init_size > max_size:
        raise UsageError(f"init_size {init_size} exceeds max_size {max_size}: give a max_size of at least {init_size}")
    LOCAL.state.pool = Pool(max_size, init_size)


def cleanup_pool() -> None:
    """Free this thread's idle jobs and its pool, and clear its block counter (ASYNC_cleanup_thread).

    Raises UsageError while jobs are running or paused - C leaks those - and leaves everything as it was.
    """
    state = LOCAL.state
    if state.alive:
        raise UsageError(
            f"{state.alive} jobs of this thread have not ended: resume them to their end, or cancel them, first"
        )
    state.pool = Pool(0, 0)
    state.blocked = 0
