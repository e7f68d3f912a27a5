"""Stackful jobs: a plain function on a greenlet, which can pause from any call depth, as OpenSSL's fibres do.

To run a job, we switch to its greenlet. The greenlet switches back for a pause, and when the function has ended. In the
second case `ThreadState.outcome` says how it ended, and the greenlet then waits for the next function: greenlets are
pooled, because making one costs twenty times as much as a switch. The garbage collector can't see the frames of a
paused greenlet, so no code here that runs on a greenlet may keep a reference to its job.
"""

from __future__ import annotations

from contextvars import copy_context
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any, Final, NoReturn

from engine.errors import UsageError
from engine.jobs.greenlets import greenlet
from engine.jobs.job import NEW, PAUSED, RUNNING, Job
from engine.jobs.serving import serve
from engine.jobs.switching import current, switch
from engine.jobs.thread import LOCAL, Outcome, ThreadState
from hotpath.choice import COMPILED

_NOT_BEGUN: Final = object()
"""The value of `ThreadState.outcome` from the switch to a greenlet until the greenlet has taken its function."""


class StackfulJob(Job):
    """A plain function as a job."""

    __slots__ = ()
    kind = "stackful"

    def start(self) -> None:
        thread = LOCAL.state
        if self.state is not NEW or thread.current is not None:
            self._refuse("start")
        fn, args = self.fn, self.args
        pool = thread.pool
        if not pool.idle:
            pool.check_room()
        alive, created = thread.alive + 1, pool.created + 1
        # From here to the `try` there is no call and nothing that needs memory, so no exception can come.
        if pool.idle:
            slot = pool.idle[-1]
            del pool.idle[-1]
        else:
            slot = None
            pool.created = created
        self._thread = thread
        thread.alive = alive
        self._counted = True
        self.state = RUNNING
        thread.current = self
        thread.outcome = _NOT_BEGUN
        try:
            thread.dispatcher = current()
            if slot is None:
                self._slot = slot = greenlet(serve)
                slot.gr_context = copy_context()
                self.args = ()
                slot.switch(thread, [fn, args])
            else:
                self._slot = slot
                # The greenlet still has the contextvars of the last job; each job has its own.
                slot.gr_context = copy_context()
                self.args = ()
                slot.switch((fn, args))
            thread.current = thread.dispatcher = None
            if thread.outcome is None:
                self.state = PAUSED
            else:
                self._conclude(thread.outcome)
        except BaseException as error:
            if thread.outcome is _NOT_BEGUN:
                self._not_begun(thread, slot, args)
                raise
            self._interrupted(thread, error)

    def resume(self) -> None:
        thread = LOCAL.state
        if self.state is not PAUSED or self._thread is not thread or thread.current is not None:
            self._refuse("resume")
        ctx = self.wait_ctx
        if ctx is not None and ctx.has_changes:
            ctx.reset_counts()
        self.state = RUNNING
        thread.current = self
        thread.outcome = None
        try:
            thread.dispatcher = current()
            switch(self._slot) if COMPILED else self._slot.switch()  # type: ignore
            thread.current = thread.dispatcher = None
            if thread.outcome is None:
                self.state = PAUSED
            else:
                self._conclude(thread.outcome)
        except BaseException as error:
            self._interrupted(thread, error)

    def _throw(self, thread: ThreadState, error: BaseException) -> None:
        self.state = RUNNING
        thread.current = self
        thread.outcome = None
        try:
            thread.dispatcher = current()
            self._slot.throw(error)  # type: ignore[union-attr]
            thread.current = thread.dispatcher = None
            if thread.outcome is None:
                self.state = PAUSED
            else:
                self._conclude(thread.outcome)
        except BaseException as raised:
            self._interrupted(thread, raised)

    def _not_begun(self, thread: ThreadState, slot: greenlet | None, args: tuple[Any, ...]) -> None:
        """Make the job new again, because an exception came before its function was called."""
        thread.current = thread.dispatcher = thread.outcome = None
        self.state = NEW
        self.args = args
        self._slot = None
        thread.alive -= 1
        self._counted = False
        thread.pool.idle += (slot if slot else None,)  # a greenlet that has ended, or never began, is false

    def _interrupted(self, thread: ThreadState, error: BaseException) -> NoReturn:
        """Bring the job into a clean state, and raise this exception, which came between the switch to its greenlet
        and the end of `start` or `resume`.

        The exception is Ctrl-C or the like, or the job's own KeyboardInterrupt after the job has ended. The return
        value of the switch may be lost. But the thread's state and the greenlet show what has happened: the function
        has ended, or the greenlet has ended, or the job is paused.
        """
        outcome = thread.outcome
        thread.current = thread.dispatcher = None
        if self._counted:
            if isinstance(outcome, Outcome):
                self._conclude(outcome)
            elif self._slot is not None and self._slot.dead:
                self._slot = None
                self._fail(error)
            else:
                self.state = PAUSED
        raise error

    def _conclude(self, outcome: Outcome) -> None:
        """End the job as its function ended. If an exception comes in the middle of it, it may be called once more."""
        value, error = outcome.value, outcome.error
        try:
            if error is not None:
                self._fail(error)
            elif isinstance(value, CoroutineType) and getcoroutinestate(value) == CORO_CREATED:
                value.close()
                self._fail(
                    UsageError(
                        f"{self.fn!r} returned a coroutine that nobody awaits: pass the async def itself, "
                        "so that it runs as a stackless job"
                    )
                )
            else:
                self._finish(value)
        finally:
            if not self._counted:
                self._thread.outcome = None  # so that it keeps no result alive, and no frames of a traceback
