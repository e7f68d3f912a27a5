"""Stackless jobs: an `async def` as a coroutine, which pauses with `await`. A quarter of the cost of a greenlet."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any

from engine.errors import UsageError
from engine.job import NEW, PAUSED, RUNNING, Job
from engine.pause import PAUSE
from engine.pool import LOCAL, ThreadState


class StacklessJob(Job):
    """An `async def` as a job. It may await `pause_job`, `engine.aio` calls, and what is built of these."""

    __slots__ = ("_context", "_coro")
    kind = "stackless"

    _coro: Coroutine[Any, Any, Any]
    _context: Context

    def start(self) -> None:
        thread = LOCAL.state
        if self.state is not NEW or thread.current is not None:
            self._refuse("start")
        self._slot = thread.pool.take()
        try:
            self._coro = self.fn(*self.args)
        except BaseException:  # arguments that do not fit: not started, so the slot is idle again
            thread.pool.idle.append(self._slot)
            self._slot = None
            raise
        self.args = ()
        self._thread = thread
        thread.alive += 1
        self._context = copy_context()
        self._step(thread)

    def __del__(self) -> None:
        if self.state is PAUSED:  # dropped, so nobody will ever end it: give back what it held
            self._thread.alive -= 1
            self._thread.pool.idle.append(self._slot)

    def resume(self) -> None:
        thread = LOCAL.state
        if self.state is not PAUSED or self._thread is not thread or thread.current is not None:
            self._refuse("resume")
        ctx = self.wait_ctx
        if ctx is not None and ctx.has_changes:
            ctx.reset_counts()
        # The same as _step, written out: the call would cost a tenth of a pause and resume.
        self.state = RUNNING
        thread.current = self
        try:
            token = self._context.run(self._coro.send, None)
        except BaseException as error:
            thread.current = None
            self._conclude(thread, error)
        else:
            thread.current = None
            thread.pausing = False
            self.state = PAUSED
            if token is not PAUSE:
                self._refuse_foreign(thread, token)

    def _step(self, thread: ThreadState, error: BaseException | None = None) -> None:
        """Run the coroutine to its next pause or end; with an error, raise that at its pause."""
        self.state = RUNNING
        thread.current = self
        try:
            if error is None:
                token = self._context.run(self._coro.send, None)
            else:
                token = self._context.run(self._coro.throw, error)
        except BaseException as raised:
            thread.current = None
            self._conclude(thread, raised)
        else:
            thread.current = None
            thread.pausing = False
            self.state = PAUSED
            if token is not PAUSE:
                self._refuse_foreign(thread, token)

    def _throw(self, thread: ThreadState, error: BaseException) -> None:
        self._step(thread, error)

    def _conclude(self, thread: ThreadState, error: BaseException) -> None:
        forgotten, thread.pausing = thread.pausing, False
        if not isinstance(error, StopIteration):
            self._fail(error)
        elif forgotten:
            self._fail(UsageError("this async job called pause_job() without await: it did not pause"))
        else:
            self._finish(error.value)

    def _refuse_foreign(self, thread: ThreadState, token: object) -> None:
        """The coroutine awaited what no resume can bring: tell it so, where it stands."""
        self._step(
            thread,
            UsageError(
                f"a stackless job awaited {token!r}, which is not a pause: await pause_job() or engine.aio calls, "
                "or run it in the event loop that it is written for"
            ),
        )
