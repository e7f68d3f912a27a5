"""Stackless jobs: an `async def`, which pauses with `await`. A pause costs a third of that of a stackful job where the
hot path is compiled, and half of it in Python.

To run a job, we `send` to its coroutine. The coroutine yields PAUSED_HERE for a pause. If it yields anything else, it
has awaited something that a resume can't give it, such as an asyncio future. Then UsageError is raised at that place.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from engine.errors import UsageError
from engine.jobs.job import FINISHED, NEW, PAUSED, RUNNING, Job
from engine.jobs.pause import PAUSED_HERE
from engine.jobs.thread import LOCAL, ThreadState
from hotpath.choice import COMPILED
from hotpath.stepping import step


class StacklessJob(Job):
    """An `async def` as a job. It may await `pause_job`, `engine.aio` calls, and coroutines that await only these."""

    __slots__ = ("_context", "_coro", "_run_in_context", "_send")
    kind = "stackless"

    def start(self) -> None:
        thread = LOCAL.state
        if self.state is not NEW or thread.current is not None:
            self._refuse("start")
        pool = thread.pool
        if not pool.idle:
            pool.check_room()
        coro: Coroutine[Any, Any, Any] = self.fn(*self.args)  # which raises if the arguments do not fit
        self._coro = coro
        self._context = context = copy_context()
        if not COMPILED:
            # Both are bound once, because binding them at each resume took a tenth of a pause and resume.
            self._run_in_context = context.run
            self._send = coro.send
        self.args = ()
        alive, created = thread.alive + 1, pool.created + 1
        # From here to the `try` there is no call and nothing that needs memory, so no exception can come.
        if pool.idle:
            self._slot = pool.idle[-1]
            del pool.idle[-1]
        else:
            pool.created = created
        self._thread = thread
        thread.alive = alive
        self._counted = True
        # From here on start, resume and _throw are the same. It is written three times, because a call of a common
        # function would cost a tenth of a pause and resume.
        self.state = RUNNING
        thread.current = self
        try:
            token = step(context, coro) if COMPILED else self._run_in_context(self._send, None)
        except BaseException as error:
            thread.current = None
            try:
                self._conclude(thread, error)
            except BaseException:
                self._conclude_again(thread, error)
                raise
        else:
            thread.current = None
            thread.pausing = False
            self.state = PAUSED
            if token is not PAUSED_HERE:
                self._refuse_foreign(thread, token)

    def __del__(self) -> None:
        if self.state is PAUSED:  # nobody will ever end this job: give back what it held
            self._thread.alive -= 1
            self._thread.pool.idle.append(self._slot)

    def resume(self) -> None:
        thread = LOCAL.state
        if self.state is not PAUSED or self._thread is not thread or thread.current is not None:
            self._refuse("resume")
        ctx = self.wait_ctx
        if ctx is not None and ctx.has_changes:
            ctx.reset_counts()
        self.state = RUNNING
        thread.current = self
        try:
            token = step(self._context, self._coro) if COMPILED else self._run_in_context(self._send, None)
        except BaseException as error:
            thread.current = None
            try:
                self._conclude(thread, error)
            except BaseException:
                self._conclude_again(thread, error)
                raise
        else:
            thread.current = None
            thread.pausing = False
            self.state = PAUSED
            if token is not PAUSED_HERE:
                self._refuse_foreign(thread, token)

    def _throw(self, thread: ThreadState, error: BaseException) -> None:
        self.state = RUNNING
        thread.current = self
        try:
            token = self._context.run(self._coro.throw, error)
        except BaseException as raised:
            thread.current = None
            try:
                self._conclude(thread, raised)
            except BaseException:
                self._conclude_again(thread, raised)
                raise
        else:
            thread.current = None
            thread.pausing = False
            self.state = PAUSED
            if token is not PAUSED_HERE:
                self._refuse_foreign(thread, token)

    def _conclude(self, thread: ThreadState, error: BaseException) -> None:
        forgotten, thread.pausing = thread.pausing, False
        if type(error) is not StopIteration:
            if getattr(self._coro, "cr_frame", None) is not None:
                # The coroutine is paused, so it has not raised this. It is Ctrl-C, which came after the `send`.
                self.state = PAUSED
                raise error
            self._fail(error)
        elif forgotten:
            self._fail(UsageError("this async job called pause_job() without await: it did not pause"))
        else:
            # The same as `_finish`, written out because this is a hot path.
            self._value = error.value
            self.state = FINISHED
            alive = thread.alive - 1
            thread.pool.idle += (self._slot,)
            thread.alive = alive
            self._counted = False
            self._slot = self.driver = self.waiting = None
            if self._owns_ctx:
                self._release_ctx()
            self.wait_ctx = None

    def _conclude_again(self, thread: ThreadState, error: BaseException) -> None:
        """Do what `_conclude` left undone when it raised. It raises the job's own exception after all was done, but an
        exception such as Ctrl-C may have come in the middle."""
        if self._counted and self.state is not PAUSED:
            self._conclude(thread, error)
        elif self.done:
            self._end()

    def _refuse_foreign(self, thread: ThreadState, token: object) -> None:
        """Raise UsageError inside the coroutine, because it awaited something that a resume can't give it."""
        self._throw(
            thread,
            UsageError(
                f"a stackless job awaited {token!r}, which is not a pause: await only pause_job() and engine.aio "
                "calls in a job, or run this coroutine in the event loop that it is written for"
            ),
        )
