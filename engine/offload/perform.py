"""How an operation runs, from its call to its result. There is one algorithm for all callers: `Performer.perform`.

It is a coroutine in which each yield means "wait until your waker wakes you". Four drivers run it. At a yield, a
stackful job pauses its greenlet, a stackless job pauses natively, a thread outside of jobs sleeps, and a task of an
event loop awaits a future.

The steps are those of QAT_Engine's qat_hw_rsa.c and qat_events.c:

1. Submit the operation.
2. If the ring is full, pause with EAGAIN, and submit once more after the wake (ring_full.py).
3. Once it is submitted, pause until it is done and the caller was woken.

Three things are added to QAT_Engine's: operations take turns for free slots (slot_queue.py), an operation may have a
deadline, and a caller that gives up leaves nothing behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from engine.ending import interpreter_ends
from engine.errors import ClosedError, DeadlineError, OperationError, UsageError
from engine.jobs.pause import PAUSE
from engine.jobs.thread import RunningJob, ThreadState
from engine.modes import Mode
from engine.offload.context_wakers import ContextWakers
from engine.offload.operation import Operation, Waker
from engine.offload.retry_setting import Retry
from engine.offload.ring_full import RingFull, not_taken
from engine.offload.slot_queue import SlotQueue
from engine.offload.statistics import Counters
from engine.offload.wakers import BlockedThread
from engine.protocol import Accelerator, Assistant, Source
from waitctx.context import WaitCtx

HEURISTIC_ASYMMETRIC, HEURISTIC_SYMMETRIC = 48, 24
"""With heuristic polling, the engine polls when this many operations are in flight. The numbers are QAT_Engine's."""


class Performer:
    """Runs the operations of one engine."""

    __slots__ = (
        "_observe",
        "_polls_itself",
        "_ring_full",
        "_submit",
        "_submit_driven",
        "_traces",
        "_wakers",
        "accel",
        "assistant",
        "counters",
        "deadline_ns",
        "flight",
        "refusal",
        "slots",
        "source",
    )

    def __init__(
        self,
        engine: Source,
        accel: Accelerator,
        mode: Mode,
        contract: str,
        retry: Retry,
        deadline_ns: int | None,
        observe: Callable[[Operation], object] | None,
        sleep: Callable[[BlockedThread], None],
    ) -> None:
        self.accel = accel
        self.flight: dict[Operation, None] = {}  # a dict, because `Engine.close` fails the operations in order
        """The operations whose callers wait. An operation that is not in here is settled."""
        self.slots = SlotQueue(accel)
        self.counters = Counters()
        self.deadline_ns = deadline_ns
        self.refusal: str | None = None
        """Why no operation may begin any more: the engine was closed, or belongs to the parent process. Else None."""
        self._wakers = ContextWakers(engine, mode, contract, sleep)
        self.assistant: Assistant | None = getattr(accel, "assistant", None)
        """What lets callers that wait do the accelerator's work, or None."""
        self.source = engine if engine.polled or accel.clock.virtual else self.assistant
        """What must be kept going while a caller waits, or None."""
        self._polls_itself = mode.polls_itself
        self._ring_full = RingFull(accel, retry, self.slots, self.counters)
        self._observe = observe
        self._traces = False
        self._submit = self._submit_driven = accel.submit
        """The second is for callers that are known to keep `source` going while they wait."""
        if self.assistant is not None:
            self._submit_driven = self.assistant.submit
            if engine.polled:
                self._submit = self.assistant.submit_for_others

    def in_job(
        self,
        thread: ThreadState,
        stackful: bool,
        op: str,
        payload: Any,
        aux: Any,
        session: Any,
        deadline_ns: int | None,
    ) -> Coroutine[Any, Any, bytes] | None:
        """The operation as a coroutine for the job of that kind that runs in the calling thread. None if there is no
        such job, or if it can't pause: pauses are blocked, or it has no wait context.

        The caller must not keep a reference to the job in its frame. The garbage collector does not see the frames of
        a paused greenlet, so a job to which its own frame refers is never freed.
        """
        job = thread.current
        if job is None or thread.blocked or (thread.dispatcher is not None) is not stackful:
            return None
        ctx = job.wait_ctx
        if ctx is None:
            return None
        wakers = self._wakers
        waker = ctx.memo  # the hot path: `wakers.of(ctx)`, written out
        if waker is None or waker.owner is not wakers:
            waker = wakers.of(ctx)
        if self._traces:
            waker = self._traced(waker, job, ctx)
        return self.perform(op, payload, aux, session, waker, deadline_ns, job)

    def _traced(self, waker: Waker, job: RunningJob, ctx: WaitCtx) -> Waker:
        """The waker for an operation of this job that is traced."""
        raise NotImplementedError  # pragma: no cover - only those that trace call it

    def for_waker(
        self, waker: Waker, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for a caller outside of jobs, which this waker wakes.

        While the caller waits, it must keep `source` going.
        """
        return self.perform(op, payload, aux, session, waker, deadline_ns)

    async def perform(
        self,
        op: str,
        payload: Any,
        aux: Any,
        session: Any,
        wakes: Waker,
        deadline_ns: int | None,
        job: RunningJob | None = None,
    ) -> bytes:
        """Run the operation and return its result. This is the hot path: in the common case each line runs once."""
        operation = Operation(op, payload, aux, session, self.flight, wakes)
        waker = operation.waker  # this variable has a type where the module is compiled, and `wakes` has none
        if self.refusal is not None:
            self._refuse()
        self.accel.prepare(operation)
        submit = self._submit_driven
        if job is not None:
            # Set only here, because a job does not wait for an operation that it never awaited or `prepare` refused.
            job.waiting = operation
            if job.driver is None:
                submit = self._submit
            elif self.source is not None:
                job.driver.keep_going(self.source)
            job = None  # see in_job
        self.flight[operation] = None
        counters = self.counters
        try:
            if self.refusal is not None:  # closed after the check above, so `close` did not see the operation
                self._refuse()
            if deadline_ns is not None or self.deadline_ns is not None:
                self._set_deadline(operation, deadline_ns)
            slots = self.slots
            operation.submitted = True  # set first, because it may complete before submit returns
            try:
                taken = not slots.waiting and not slots.turns and submit(operation)
            except Exception as error:
                raise not_taken(operation, error) from error
            if not taken:
                operation.submitted = False
                await self._ring_full.get_slot(operation, waker, submit)
            if operation.submitted:
                if self._polls_itself:
                    self._poll_if_many(operation)
                # Pause even if it is done by now: the driver of the job was told of a wait fd, and expects a pause.
                while True:  # with a condition here or at the end, Ctrl-C could get past the `try` (docs/pythons.md)
                    waker.wait_for_completion(operation)
                    await PAUSE
                    if waker.resumed(operation):
                        break
                    counters.spurious += 1
        except BaseException as error:
            counters.given_up += 1
            counters.operations += 1
            counters.failed += 1
            try:
                self._give_up(operation, waker)
            except BaseException:
                self._give_up(operation, waker)  # an exception such as Ctrl-C came in the middle of it: once more
                raise
            if isinstance(error, OperationError):
                self._refuse()  # in the child of a fork the fd is gone too, and ClosedError says more than "fd closed"
            raise
        if operation.verdict is not None or operation.error is not None:
            counters.never_submitted += not operation.submitted
            counters.operations += 1
            counters.failed += 1
            self._end_badly(operation, waker)
            raise _failure(operation)
        counters.operations += 1
        if operation.timer is not None:
            operation.timer.cancel()
        if waker.erred:
            waker.end_well()
        if self._observe is not None:
            operation.resumed_ns = self.accel.clock.now_ns()
            self._observe(operation)
        return operation.result  # type: ignore[return-value]  # set by the device where there is no error

    def _refuse(self) -> None:
        """Raise ClosedError if no operation may begin any more."""
        if self.refusal is not None:
            raise ClosedError(self.refusal)

    def _poll_if_many(self, operation: Operation) -> None:
        kernel = getattr(operation, "kernel", None)  # not every accelerator sets one
        limit = HEURISTIC_ASYMMETRIC if getattr(kernel, "asymmetric", False) else HEURISTIC_SYMMETRIC
        if len(self.flight) >= limit:
            self.accel.poll()

    def _give_up(self, operation: Operation, waker: Waker) -> None:
        """Leave nothing of the operation behind: the caller was cancelled, or its fd is gone, or the ring stayed full.

        If an exception comes in the middle of this, it may be called once more.
        """
        operation.abandon()
        if interpreter_ends():  # the garbage collector closes a paused job, and nobody is left to wake
            return
        self.slots.leave(operation)
        if self.assistant is not None:  # the caller will not wait any more
            self.assistant.hand_over()
        with suppress(OperationError):  # the fd is gone, which may be why the caller gives up
            while not waker.resumed(operation):
                # Another thread has taken the operation out of flight. Either its wake failed and the operation is in
                # flight again, or the thread has not marked the operation as done yet.
                if not operation.abandon():
                    os.sched_yield()
        self._end_badly(operation, waker)

    def disown(self) -> None:
        """Settle what is in flight, in the child of a fork. Its completions and fds belong to the parent process."""
        self.refusal = f"this engine belongs to the parent process, {os.getppid()}: make a new one after the fork"
        for operation in self.flight:
            operation.verdict = ClosedError(self.refusal)
            operation.done = operation.fired = True
        self.flight.clear()

    def _end_badly(self, operation: Operation, waker: Waker) -> None:
        if operation.timer is not None:
            operation.timer.cancel()
        waker.end_badly()

    def _set_deadline(self, operation: Operation, deadline_ns: int | None) -> None:
        after_ns = checked_deadline(deadline_ns) if deadline_ns is not None else self.deadline_ns
        assert after_ns is not None
        message = f"{operation.op} did not complete within its deadline of {after_ns:,} ns"
        due_ns = self.accel.clock.now_ns() + after_ns

        def pass_by() -> None:
            if self.accel.clock.now_ns() >= due_ns:  # an accelerator that is closed calls its timers early
                operation.fail(DeadlineError(message))

        operation.timer = self.accel.call_at(due_ns, pass_by)


def checked_deadline(value: int | None) -> int | None:
    """The given value. Raises UsageError unless it is None or a positive int."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"deadline_ns={value!r}: use a whole number of ns above 0, or None for none")
    return value


def _failure(operation: Operation) -> Exception:
    """The exception for the caller: the engine's verdict, or an OperationError whose cause is the device's reason."""
    if operation.verdict is not None:
        return operation.verdict
    failure = OperationError(f"the device failed {operation.op}: {operation.error}")
    failure.__cause__ = operation.error
    return failure
