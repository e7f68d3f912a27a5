"""A job: what both kinds, stackful and stackless, have in common.

A job runs a function on the thread that started it, until the function pauses or ends. `start`, `resume` and `cancel`
each run it to the next such point, and differ between the kinds. The states are those of states.py. When a job ends, by
whatever way, it gives its slot back to the pool of its thread and lets go of its wait context.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import JobCancelled, UsageError
from engine.jobs.pool import Slot
from engine.jobs.states import JobState
from engine.jobs.thread import LOCAL, ThreadState
from waitctx import WaitCtx

if TYPE_CHECKING:
    from engine.offload.operation import Operation
    from engine.protocol import Driver

PAUSED, RUNNING, NEW = JobState.PAUSED, JobState.RUNNING, JobState.NEW
FINISHED, CANCELLED = JobState.FINISHED, JobState.CANCELLED


class Job:
    """A function that can pause (ASYNC_JOB). Made by `start_job`, or by a scheduler.

    Only the thread that started a job may resume or cancel it. `wait_ctx` is its wait context while it runs or is
    paused, and None once it has ended. A job that was started without a context owns one, which is closed at its end. A
    context that was given stays open for the next job.
    """

    __slots__ = (
        "__weakref__",
        "_counted",
        "_error",
        "_owns_ctx",
        "_slot",
        "_thread",
        "_traceback",
        "_value",
        "args",
        "driver",
        "fn",
        "state",
        "wait_ctx",
        "waiting",
    )

    kind: ClassVar[str]
    _thread: ThreadState
    _traceback: TracebackType | None

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], wait_ctx: WaitCtx | None, owns_ctx: bool) -> None:
        self.fn = fn
        self.args = args
        self.state = NEW
        self.wait_ctx = wait_ctx
        self.driver: Driver | None = None
        """What resumes the job, if an engine must tell it what to poll: a scheduler or an event loop. Else None."""
        self.waiting: Operation | None = None
        """The operation that it waits for, or waited for last. For drivers, and for messages."""
        self._owns_ctx = owns_ctx
        self._counted = False
        """Whether it holds a slot of the pool, and its thread counts it as alive."""
        self._slot: Slot = None
        self._value: Any = None
        self._error: BaseException | None = None

    # What a user may ask and do

    @property
    def paused(self) -> bool:
        """Whether it waits to be resumed."""
        return self.state is PAUSED

    @property
    def done(self) -> bool:
        """Whether it has ended, by a value, an exception or a cancel."""
        return self.state is FINISHED or self.state is CANCELLED

    def start(self) -> None:
        """Run to the first pause or the end. `start_job` calls this; a scheduler calls it for its new jobs.

        Raises NoJobsError if the pool is exhausted and UsageError inside a job; the job stays new.
        """
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def resume(self) -> None:
        """Go on after the pause, to the next pause or the end. Returns nothing: look at `paused` and `result`.

        First resets the wait context's list of changes, as C does. Raises UsageError unless the job is paused and the
        caller is the thread that started it and outside of any job, and waitctx.ClosedError if the context was closed;
        the job then stays paused. What the job's function raises comes out of `result`. Only a KeyboardInterrupt, a
        SystemExit and the like, which are meant for the whole program, are raised here as well.
        """
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def cancel(self) -> bool:
        """Raise JobCancelled inside the job, at its pause. Returns True if the job has ended, now or before.

        Returns False if it paused once more, for instance in a `finally`: resume it, or cancel it again. Works also if
        the wait context was closed. An operation in flight is orphaned: the device keeps its buffers until it
        completes, and the completion is dropped and counted.
        """
        if self.done:
            return True
        if self.state is NEW:
            self.state = CANCELLED
            self._error = JobCancelled("cancelled before it was started")
            self._traceback = None
            self._release_ctx()
            return True
        thread = LOCAL.state
        if self.state is not PAUSED or self._thread is not thread or thread.current is not None:
            self._refuse("cancel")
        ctx = self.wait_ctx
        if ctx is not None and not ctx.closed and ctx.has_changes:
            ctx.reset_counts()
        self._throw(thread, JobCancelled("cancelled at its pause"))
        return self.done

    def result(self) -> Any:
        """Return what the job returned, or raise what it raised. Raises UsageError if it has not ended."""
        if not self.done:
            raise UsageError(f"the job has no result yet, it is {self.state.value}: resume it until it has ended")
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)
        return self._value

    @property
    def exception(self) -> BaseException | None:
        """What the job raised, or None."""
        return self._error

    def __repr__(self) -> str:
        name = getattr(self.fn, "__qualname__", None) or repr(self.fn)
        return f"<{self.kind} job {name} at {id(self):#x}, {self.state.value}>"

    def fail_to_start(self, error: BaseException) -> None:
        """End a new job that could not be started, with the reason as its result. For schedulers."""
        self._error = error
        self._traceback = error.__traceback__
        self.state = FINISHED
        self.wait_ctx = self.driver = None

    # For the two kinds

    def _throw(self, thread: ThreadState, error: BaseException) -> None:
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def _finish(self, value: Any) -> None:
        self._value = value
        self.state = FINISHED
        self._end()

    def _fail(self, error: BaseException) -> None:
        """End with an exception. One that is meant for the whole program is also raised, out of start or resume."""
        self._error = error
        self._traceback = error.__traceback__
        self.state = CANCELLED if isinstance(error, JobCancelled) else FINISHED
        self._end()
        if not isinstance(error, (Exception, JobCancelled)):
            raise error

    def _end(self) -> None:
        """Give back what the job held. May be called once more after an exception in between."""
        if self._counted:
            thread = self._thread
            alive = thread.alive - 1
            thread.pool.idle += (self._slot,)
            # Nothing here can fail: the slot must not be given back twice.
            thread.alive = alive
            self._counted = False
        self._slot = None
        if self._owns_ctx:
            self._release_ctx()
        self.wait_ctx = None
        self.driver = None
        self.waiting = None

    def _release_ctx(self) -> None:
        ctx = self.wait_ctx
        if self._owns_ctx and ctx is not None:
            try:
                ctx.close()
            except BaseException:
                ctx.close()  # goes on if an exception came in between, else does nothing
                self.wait_ctx = None
                raise
        self.wait_ctx = None

    def _refuse(self, what: str) -> None:
        """Raise UsageError with the reason why the job can't be started, resumed or cancelled here and now."""
        thread = LOCAL.state
        if thread.current is self:
            raise UsageError(f"can't {what} a job from inside itself")
        if thread.current is not None:
            raise UsageError(
                f"can't {what} a job inside a job ({thread.current!r}): pause that one first, or hand the job "
                "to whoever drives it"
            )
        if self.state is PAUSED and self._thread is not thread:
            raise UsageError(f"can't {what} a job on another thread than the one that started it")
        raise UsageError(f"can't {what} a job that is {self.state.value}")
