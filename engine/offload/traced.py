"""Tracing of operations: an engine with a trace tells it of each pause, wake and resume of its callers.

All of these go through the waker of an operation. So `TracedPerformer` puts a `TracedWaker` around it, one for each
operation, and the engine itself stays as it is. Without a trace nothing of this file runs.

    pause JOB CONTEXT FIRST    the caller waits for the completion    resume JOB WAITED  the operation is done
    eagain JOB CONTEXT FIRST   the caller waits for a slot            again JOB WHAT     it was resumed too early
    woken CONTEXT              the caller is woken: it is done        failed JOB WHY     the caller gets an exception
    nudged CONTEXT             the caller is woken to look

JOB and CONTEXT are numbers from the trace, 0 outside of a job. FIRST says whether this is the operation's first wait.
WAITED says whether the caller was waiting. WHAT is the wait that ended, `pause` or `eagain`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from engine.jobs.thread import RunningJob
from engine.offload.operation import Operation, Waker
from engine.offload.perform import Performer
from engine.protocol import Tracer
from waitctx.context import WaitCtx


class TracedWaker(Waker):
    """A waker that tells the trace what it is asked for, and then does what the waker inside does."""

    __slots__ = (
        "_add",
        "_ctx",
        "_done",
        "_job",
        "_now_ns",
        "_operation",
        "_wait",
        "_waiting",
        "_waker",
    )

    def __init__(
        self, waker: Waker, add: Callable[..., object], now_ns: Callable[[], int], job: int = 0, ctx: int = 0
    ) -> None:
        # Its `batch_callback` stays None, so that each operation's own `wake` is called.
        super().__init__(blocking=waker.blocking, silent_eagain=waker.silent_eagain)
        self._waker = waker
        self._add = add
        self._now_ns = now_ns
        self._job = job
        self._ctx = ctx
        self._wait = ""
        """The wait that goes on, or the last one."""
        self._waiting = self._done = False
        self._operation: Operation | None = None

    def wait_for_slot(self, operation: Operation) -> None:
        self._waits("eagain", operation)
        self._waker.wait_for_slot(operation)

    def wait_for_completion(self, operation: Operation) -> None:
        self._waits("pause", operation)
        self._waker.wait_for_completion(operation)

    def _waits(self, wait: str, operation: Operation) -> None:
        self._add(self._now_ns(), wait, operation, self._job, self._ctx, not self._wait)
        self._wait, self._waiting, self._operation = wait, True, operation

    def resumed(self, operation: Operation) -> bool:
        done = self._waker.resumed(operation)
        self.erred = self._waker.erred
        if self._done or not self._wait:  # a caller that gives up may ask twice, or before its first wait
            return done
        waited, self._waiting = self._waiting, False
        if done:
            self._done = True
            self._add(self._now_ns(), "resume", operation, self._job, waited)
        elif waited:
            self._add(self._now_ns(), "again", operation, self._job, self._wait)
        return done

    # The trace is told first, because a caller that was woken may go on at once, in another thread.

    def wake(self, operation: Operation) -> None:
        self._add(self._now_ns(), "woken", operation, self._ctx)
        self._waker.wake(operation)

    def nudge(self) -> None:
        self._add(self._now_ns(), "nudged", self._operation, self._ctx)
        self._waker.nudge()

    def end_badly(self) -> None:
        operation = self._operation
        error = None if operation is None else operation.verdict or operation.error
        self._add(self._now_ns(), "failed", operation, self._job, "given-up" if error is None else type(error).__name__)
        self._waker.end_badly()

    def end_well(self) -> None:
        self._waker.end_well()


class TracedPerformer(Performer):
    """A performer whose operations tell a trace of their waits."""

    __slots__ = ("_add", "_identify", "_now_ns")

    def __init__(self, trace: Tracer, *parts: Any) -> None:
        """`parts`: what a Performer is made of."""
        super().__init__(*parts)
        self._add = trace.add
        self._identify = trace.identify
        self._now_ns: Callable[[], int] = self.accel.clock.now_ns
        self._traces = True

    def _traced(self, waker: Waker, job: RunningJob, ctx: WaitCtx) -> Waker:
        name = getattr(getattr(job, "fn", None), "__qualname__", "")
        job_number = self._identify("job", job, name)
        return TracedWaker(waker, self._add, self._now_ns, job_number, self._identify("wait context", ctx, ""))

    def for_waker(
        self, waker: Waker, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        traced = TracedWaker(waker, self._add, self._now_ns)
        return self.perform(op, payload, aux, session, traced, deadline_ns)
