"""A job: what both kinds, stackful and stackless, have in common.

A job runs a function on the thread that started it. `start`, `resume` and `cancel` each run the function until it
pauses or ends; each kind of job has its own. The states are those of states.py. However a job ends, it gives its slot
back to the pool of its thread, and lets go of its wait context.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine.errors import JobCancelled, UsageError
from engine.jobs.pool import Slot
from engine.jobs.states import JobState
from engine.jobs.thread import LOCAL, ThreadState
from waitctx.context import WaitCtx

if TYPE_CHECKING:
    from engine.offload.operation import Operation
    from engine.protocol import Driver

PAUSED, RUNNING, NEW = JobState.PAUSED, JobState.RUNNING, JobState.NEW
FINISHED, CANCELLED = JobState.FINISHED, JobState.CANCELLED


class Job:
    """A function that can pause (ASYNC_JOB). Made by `start_job`, or by a scheduler.

    Only the thread that started a job may resume or cancel it. `wait_ctx` is its wait context while it runs or is
    paused, and None once it has ended. A job that was started without a context has one of its own, which is closed
    when the job ends. A context that was given to the job stays open for the next job.
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

    kind = "job"

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], wait_ctx: WaitCtx | None, owns_ctx: bool) -> None:
        self.fn = fn
        self.args = args
        self.state = NEW
        self.wait_ctx = wait_ctx
        self.driver: Driver | None = None
        """The scheduler or event loop that resumes the job. Engines tell it what to poll while the job waits. None if
        the application resumes the job itself."""
        self.waiting: Operation | None = None
        """The operation that the job waits for, or waited for last. For drivers, and for messages."""
        self._owns_ctx = owns_ctx
        self._counted = False
        """Whether the job holds a slot of the pool, and its thread counts it as alive."""
        self._slot: Slot = None
        self._value: Any = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None
        """The traceback of `_error`. The two are set together."""
        self._thread: ThreadState
        """The state of the thread that has started the job. `start` sets it."""

    # What a user may ask and do

    @property
    def paused(self) -> bool:
        """Whether the job waits to be resumed."""
        return self.state is PAUSED

    @property
    def done(self) -> bool:
        """Whether the job has ended, by a value, an exception or a cancel."""
        return self.state is FINISHED or self.state is CANCELLED

    def start(self) -> None:
        """Run to the first pause or to the end. `start_job` calls this, and a scheduler for its new jobs.

        Raises NoJobsError if the pool is exhausted, and UsageError inside a job. The job then stays new.
        """
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def resume(self) -> None:
        """Go on after the pause, to the next pause or to the end. It returns nothing: ask `paused` and `result`.

        As in C, this first starts a new list of changes in the wait context. The job must be paused, and the caller
        must be in the thread that started it, and outside of any job: otherwise this raises UsageError. If the wait
        context was closed, it raises waitctx.ClosedError. In both cases the job stays paused.

        What the job's function raises, `result` raises. Exceptions that are meant for the whole program, such as
        KeyboardInterrupt and SystemExit, are also raised here.
        """
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def cancel(self) -> bool:
        """Raise JobCancelled inside the job, at its pause. Returns True if the job has ended, now or before.

        Returns False if the job paused once more, for instance in a `finally`: then resume it, or cancel it again. This
        works even if the wait context was closed. If an operation of the job is in flight, it is orphaned: the device
        keeps its buffers until it completes, and the completion is dropped and counted.
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
        driver = self.driver
        try:
            self._throw(thread, JobCancelled("cancelled at its pause"))
        finally:
            if driver is not None:  # it may sleep, if a signal handler cancels
                driver.cancelled(self)
        return self.done

    def result(self) -> Any:
        """Return what the job returned, or raise what it raised. Raises UsageError if the job has not ended."""
        if not self.done:
            raise UsageError(f"the job is {self.state.value}, so it has no result yet: resume it until it has ended")
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
        """End a new job that could not be started: `result` raises this error. For schedulers."""
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
        """End with an exception. If it is meant for the whole program, it is also raised out of start or resume."""
        self._error = error
        self._traceback = error.__traceback__
        self.state = CANCELLED if isinstance(error, JobCancelled) else FINISHED
        self._end()
        if not isinstance(error, (Exception, JobCancelled)):
            raise error

    def _end(self) -> None:
        """Give back what the job held. If an exception comes in the middle of it, it may be called once more."""
        if self._counted:
            thread = self._thread
            alive = thread.alive - 1
            thread.pool.idle += (self._slot,)
            # Nothing can fail between the line above and the next two, so the slot is given back only once.
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
                ctx.close()  # does the rest if an exception such as Ctrl-C cut it short; otherwise does nothing
                self.wait_ctx = None
                raise
        self.wait_ctx = None

    def _refuse(self, what: str) -> None:
        """Raise UsageError, with the reason why the job can't be started, resumed or cancelled here and now."""
        thread = LOCAL.state
        if thread.current is self:
            raise UsageError(f"can't {what} a job from inside itself")
        if thread.current is not None:
            raise UsageError(
                f"can't {what} a job inside a job ({thread.current!r}): let that one pause first, or leave it to "
                "the code that drives the jobs"
            )
        if self.state is PAUSED and self._thread is not thread:
            raise UsageError(f"can't {what} a job on another thread than the one that started it")
        raise UsageError(f"can't {what} a job that is {self.state.value}")
