"""Stackless jobs: an `async def`, which pauses with `await`. A pause costs a quarter of that of a stackful job.

A job runs by a `send` to its coroutine. The coroutine yields PAUSED_HERE for a pause. If it yields anything else it has
awaited something that no resume can bring, such as an asyncio future, and gets a UsageError at that place.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from engine.errors import UsageError
from engine.jobs.job import FINISHED, NEW, PAUSED, RUNNING, Job
from engine.jobs.pause import PAUSED_HERE
from engine.jobs.thread import LOCAL, ThreadState


class StacklessJob(Job):
    """An `async def` as a job. It may await `pause_job`, `engine.aio` calls, and what is built of these."""

    __slots__ = ("_coro", "_run_in_context", "_send")
    kind = "stackless"

    _coro: Coroutine[Any, Any, Any]
    # Bound once: to bind both at each resume took a tenth of a pause and resume.
    _run_in_context: Callable[..., Any]
    _send: Callable[[None], Any]

    def start(self) -> None:
        thread = LOCAL.state
        if self.state is not NEW or thread.current is not None:
            self._refuse("start")
        pool = thread.pool
        if not pool.idle:
            pool.check_room()
        self._coro = coro = self.fn(*self.args)  # which raises if the arguments do not fit
        self._run_in_context = run = copy_context().run
        self._send = send = coro.send
        self.args = ()
        alive, created = thread.alive + 1, pool.created + 1
        # No exception can come from here to the `try`: no call, and nothing that needs memory.
        if pool.idle:
            self._slot = pool.idle[-1]
            del pool.idle[-1]
        else:
            pool.created = created
        self._thread = thread
        thread.alive = alive
        self._counted = True
        # The three of start, resume and _throw are one, written out: a call would cost a tenth of a pause and resume.
        self.state = RUNNING
        thread.current = self
        try:
            token = run(send, None)
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
        if self.state is PAUSED:  # nobody refers to it any more, so nobody will end it: give back what it held
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
            token = self._run_in_context(self._send, None)
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
            token = self._run_in_context(self._coro.throw, error)
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
                # The coroutine has not raised this, for it is paused: Ctrl-C came after its `send`.
                self.state = PAUSED
                raise error
            self._fail(error)
        elif forgotten:
            self._fail(UsageError("this async job called pause_job() without await: it did not pause"))
        else:
            # The same as _finish, written out.
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
        """`_conclude` raised: either the job's own exception, when all was done, or one that came in between."""
        if self._counted and self.state is not PAUSED:
            self._conclude(thread, error)
        elif self.done:
            self._end()

    def _refuse_foreign(self, thread: ThreadState, token: object) -> None:
        """The coroutine awaited what no resume can bring: raise UsageError there."""
        self._throw(
            thread,
            UsageError(
                f"a stackless job awaited {token!r}, which is not a pause: await pause_job() or engine.aio calls, "
                "or run it in the event loop that it is written for"
            ),
        )
