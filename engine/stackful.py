"""Stackful jobs: a plain function on a greenlet, which can pause from any call depth, as OpenSSL's fibres do.

Greenlets are pooled, because making one costs twenty times a switch. A paused greenlet's frames can't be seen by the
garbage collector: nothing that runs on one here keeps a reference to its job.
"""

from __future__ import annotations

from contextvars import copy_context
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from engine.errors import UsageError
from engine.job import NEW, PAUSED, RUNNING, Job
from engine.pause import PAUSED_HERE
from engine.pool import LOCAL, ThreadState


class _Outcome:
    """How a job's function ended."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: BaseException | None) -> None:
        self.value = value
        self.error = error


def _serve(thread: ThreadState, first: list[Any]) -> None:
    """The life of a pooled greenlet: run one job's function after the other."""
    # Emptied, because what started the greenlet holds on to this list for as long as the greenlet lives.
    args, fn = first.pop(), first.pop()
    while True:
        try:
            outcome = _Outcome(fn(*args), None)
        except GreenletExit as error:
            if thread.current is None or thread.current._slot is not getcurrent():
                # Its job was dropped while paused, so nobody will ever end it: give back what it held.
                thread.alive -= 1
                thread.pool.idle.append(None)
                raise
            outcome = _Outcome(None, error)  # the function's own
        except BaseException as error:
            outcome = _Outcome(None, error)
        del fn, args
        assert thread.dispatcher is not None
        work = thread.dispatcher.switch(outcome)
        del outcome
        fn, args = work
        del work


class StackfulJob(Job):
    """A plain function as a job."""

    __slots__ = ()
    kind = "stackful"

    def start(self) -> None:
        thread = LOCAL.state
        if self.state is not NEW or thread.current is not None:
            self._refuse("start")
        slot = thread.pool.take()
        self._thread = thread
        thread.alive += 1
        self.state = RUNNING
        thread.current = self
        thread.dispatcher = getcurrent()
        fn, args = self.fn, self.args
        self.args = ()
        try:
            if slot is None:
                self._slot = slot = greenlet(_serve)
                slot.gr_context = copy_context()
                answer = slot.switch(thread, [fn, args])
            else:
                self._slot = slot
                # Suspended in a context of the job before; each job has its own.
                slot.gr_context = copy_context()
                answer = slot.switch((fn, args))
        finally:
            thread.current = thread.dispatcher = None
        if answer is PAUSED_HERE:
            self.state = PAUSED
        else:
            self._conclude(answer)

    def resume(self) -> None:
        thread = LOCAL.state
        if self.state is not PAUSED or self._thread is not thread or thread.current is not None:
            self._refuse("resume")
        ctx = self.wait_ctx
        if ctx is not None and ctx.has_changes:
            ctx.reset_counts()
        self.state = RUNNING
        thread.current = self
        thread.dispatcher = getcurrent()
        answer = self._slot.switch()  # type: ignore[union-attr]
        thread.current = thread.dispatcher = None
        if answer is PAUSED_HERE:
            self.state = PAUSED
        else:
            self._conclude(answer)

    def _throw(self, thread: ThreadState, error: BaseException) -> None:
        self.state = RUNNING
        thread.current = self
        thread.dispatcher = getcurrent()
        answer = self._slot.throw(error)  # type: ignore[union-attr]
        thread.current = thread.dispatcher = None
        if answer is PAUSED_HERE:
            self.state = PAUSED
        else:
            self._conclude(answer)

    def _conclude(self, outcome: _Outcome) -> None:
        value, error = outcome.value, outcome.error
        # The idle greenlet's stack still refers to the outcome: it must keep no result alive, nor a traceback's frames.
        outcome.value = outcome.error = None
        if error is not None:
            self._fail(error)
        elif iscoroutine(value) and getcoroutinestate(value) == CORO_CREATED:
            value.close()
            self._fail(
                UsageError(
                    f"{self.fn!r} returned a coroutine that nobody awaits: pass the async def itself, "
                    "so that it runs as a stackless job"
                )
            )
        else:
            self._finish(value)
