"""What a thread knows of its jobs: which one runs, how many are alive, its pool, and whether pauses are blocked.

Every thread has a `ThreadState` of its own, `LOCAL.state`, which is made when the thread first asks for it. A job
belongs to the state of the thread that started it.
"""

from __future__ import annotations

from typing import Any, Protocol

from engine.errors import UsageError
from engine.jobs.greenlets import greenlet
from engine.jobs.pool import Pool, Slot
from hotpath.local import Local
from waitctx.context import WaitCtx


class RunningJob(Protocol):
    """The job that a thread runs, as this file and the engine see it. `engine.jobs.job.Job` is the only such class."""

    wait_ctx: WaitCtx | None
    driver: Any
    waiting: Any
    _slot: Slot


class Outcome:
    """How the function of a stackful job ended."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: BaseException | None) -> None:
        self.value = value
        self.error = error


class ThreadState:
    """What a thread knows of its jobs: the one that runs, the pool, the block counter."""

    __slots__ = ("alive", "blocked", "current", "dispatcher", "outcome", "pausing", "pool")

    def __init__(self) -> None:
        self.current: RunningJob | None = None
        """The job that runs now; None outside of a job."""
        self.dispatcher: greenlet | None = None
        """The greenlet that has started or resumed the running stackful job, and to which the job switches when it
        pauses. None if no stackful job runs."""
        self.outcome: Any = None
        """The Outcome of the running stackful job's function, or None while the function has not ended. It is stored
        here and not passed with the switch, because an exception right after the switch would lose it."""
        self.pausing = False
        """Whether a stackless job has called pause_job and not awaited it yet."""
        self.blocked = 0
        """How deep `block_pauses` is nested. As in C, it belongs to the thread, and stays when the job ends."""
        self.alive = 0
        """How many jobs were started and have not ended: at most one runs, the others are paused."""
        self.pool = Pool(0, 0)


LOCAL = Local(ThreadState)
"""`LOCAL.state` is the ThreadState of the calling thread."""


def init_pool(max_size: int = 0, init_size: int = 0) -> None:
    """Give this thread a new pool (ASYNC_init_thread). A thread that never calls this has one without a limit.

    `max_size` limits how many jobs the pool may create, idle and busy ones together; 0 means no limit. `init_size` jobs
    count as created at once. Raises UsageError if init_size exceeds max_size, even if max_size is 0, as C does. Jobs
    that are busy go on. When they end, they go to the new pool.
    """
    for name, value in (("max_size", max_size), ("init_size", init_size)):
        if not isinstance(value, int) or value < 0:
            raise UsageError(f"{name} must be an int of at least 0, not {value!r}")
    if init_size > max_size:
        raise UsageError(f"init_size {init_size} exceeds max_size {max_size}: give a max_size of at least {init_size}")
    LOCAL.state.pool = Pool(max_size, init_size)


def cleanup_pool() -> None:
    """Free this thread's idle jobs and its pool, and clear its block counter (ASYNC_cleanup_thread).

    Raises UsageError while jobs are running or paused, and leaves everything as it was. C leaks such jobs.
    """
    state = LOCAL.state
    if state.alive:
        raise UsageError(
            f"{state.alive} jobs of this thread have not ended: resume them to their end, or cancel them, first"
        )
    state.pool = Pool(0, 0)
    state.blocked = 0
