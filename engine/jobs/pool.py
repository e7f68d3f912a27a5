"""The pool of jobs of one thread, and what else a thread knows of its jobs.

As in OpenSSL: a pool counts the jobs it ever created, busy ones included, and hands out the idle ones last in, first
out. A job here is a slot: the greenlet of a stackful job, made when it is first needed and kept for the next one, or
None where no stackful job ever used the slot.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from greenlet import greenlet

from engine.errors import NoJobsError, UsageError

if TYPE_CHECKING:
    from engine.jobs.job import Job

Slot = greenlet | None


class Pool:
    """Jobs that may exist on one thread: at most `max_size`, 0 for no limit."""

    __slots__ = ("created", "idle", "max_size")

    def __init__(self, max_size: int, init_size: int) -> None:
        self.max_size = max_size
        self.created = init_size
        self.idle: list[Slot] = [None] * init_size

    def check_room(self) -> None:
        """For when no slot is idle: raises NoJobsError if no more may be created.

        Whoever starts a job then takes the last of `idle`, or counts one more as `created`. It does so in a stretch
        without calls, which no exception can interrupt.
        """
        if self.max_size and self.created >= self.max_size:
            raise NoJobsError(
                f"all {self.max_size} jobs of this thread's pool are busy: resume or cancel one first, "
                "or call init_pool with a larger max_size"
            )


class ThreadState:
    """What a thread knows of its jobs: the one that runs, the pool, the block counter."""

    __slots__ = ("alive", "blocked", "current", "dispatcher", "outcome", "pausing", "pool")

    def __init__(self) -> None:
        self.current: Job | None = None
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
