"""The pool of jobs of a thread.

As in OpenSSL, a pool counts all jobs that it has created, idle and busy ones, and hands out the idle ones last in,
first out. What the pool holds for a job is called a slot here. It is the greenlet of a stackful job, which is made when
it is first needed and kept for the next one; or None as long as no stackful job has used the slot.
"""

from __future__ import annotations

from engine.errors import NoJobsError
from engine.jobs.greenlets import greenlet

Slot = greenlet | None


class Pool:
    """The jobs that may exist on one thread: at most `max_size`, 0 for no limit."""

    __slots__ = ("created", "idle", "max_size")

    def __init__(self, max_size: int, init_size: int) -> None:
        self.max_size = max_size
        self.created = init_size
        self.idle: list[Slot] = [None] * init_size

    def check_room(self) -> None:
        """Raise NoJobsError if no more jobs may be created. Must be called if `idle` is empty.

        After that, the code that starts a job takes the last slot of `idle`, or adds one to `created`. It does so
        without a call in between, so that no exception can interrupt it.
        """
        if self.max_size and self.created >= self.max_size:
            raise NoJobsError(
                f"all {self.max_size} jobs of this thread's pool are busy: resume or cancel one first, "
                "or call init_pool with a larger max_size"
            )
