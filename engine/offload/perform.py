"""How an operation runs, from its call to its result. There is one algorithm, whoever calls: `Performer.perform`.

It is a coroutine in which each yield means: wait until your waker wakes you. Four drivers run it. A stackful job pauses
its greenlet at a yield, a stackless job awaits it natively, a thread outside of jobs sleeps, and an asyncio task awaits
a future.

The steps are those of QAT_Engine's qat_hw_rsa.c and qat_events.c:

1. Submit the operation.
2. If the ring is full, pause with EAGAIN, and submit once more after the wake.
3. Once it is submitted, pause until it is done and the caller was woken.

Three things are added: operations take turns for free slots (slot_queue.py), an operation may have a deadline, and a
caller that gives up leaves nothing behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from engine.ending import interpreter_ends
from engine.errors import ClosedError, DeadlineError, OperationError, RingFullError, UsageError
from engine.jobs.pause import PAUSE
from engine.jobs.thread import RunningJob
from engine.modes import Mode
from engine.offload.context_wakers import ContextWakers
from engine.offload.operation import Operation, Waker
from engine.offload.retry import Retry
from engine.offload.slot_queue import SlotQueue
from engine.offload.statistics import Counters
from engine.offload.wakers import BlockedThread
from engine.protocol import Accelerator, Source, Timer

HEURISTIC_ASYMMETRIC, HEURISTIC_SYMMETRIC = 48, 24
"""Heuristic polling polls by itself once so many operations are in flight. The numbers are QAT_Engine's."""
SPINS, SPIN_NS = 16, 100_000
"""With `Retry(wake="at_once")`, a caller is woken at once for its first SPINS tries, and SPIN_NS later after that.

The delayed wake comes from the device's worker. A loop that only spins gives the GIL away for moments, at its system
calls. Where threads are slow to wake, the worker never gets the GIL in such a moment, and the slot that all spin for
never becomes free. In virtual time, a level-triggered loop that always finds a readable fd never jumps the clock.

In virtual time without a limit of tries the wake comes with a free slot instead. A timer for each try would keep the
clock moving for ever where no slot ever becomes free, and nobody would be told that the jobs are stalled."""


class Performer:
    """Runs the operations of one engine."""

    __slots__ = (
        "_observe",
        "_polls_itself",
        "_retry",
        "_source",
        "_submit",
        "_wakers",
        "accel",
        "counters",
        "deadline_ns",
        "flight",
        "refusal",
        "slots",
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
        self.flight: dict[Operation, None] = {}  # a dict for its order: `Engine.close` fails them in it
        """The operations whose callers wait. An operation that is not in here is settled."""
        self.slots = SlotQueue(accel)
        self.counters = Counters()
        self.deadline_ns = deadline_ns
        self.refusal: str | None = None
        """Why no operation may begin any more: the engine was closed, or is the parent process's. None if one may."""
        self._wakers = ContextWakers(engine, mode, contract, sleep)
        self._source = engine if engine.polled or accel.clock.virtual else None
        self._polls_itself = mode.polls_itself
        self._retry = retry
        self._observe = observe
        self._submit = accel.submit

    def in_job(
        self, job: RunningJob, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for this running job. The job must have a wait context.

        The caller must not keep a reference to the job in its frame: a paused greenlet's frames are invisible to the
        garbage collector, so a job that its own frame refers to is never freed.
        """
        ctx = job.wait_ctx
        assert ctx is not None
        wakers = self._wakers
        waker = ctx.memo  # `wakers.of(ctx)` written out: hot
        if waker is None or waker.owner is not wakers:
            waker = wakers.of(ctx)
        operation = Operation(op, payload, aux, session, self.flight, waker)
        return self.perform(operation, waker, deadline_ns, job)

    def for_waker(
        self, waker: Waker, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for the caller that this waker wakes."""
        return self.perform(Operation(op, payload, aux, session, self.flight, waker), waker, deadline_ns)

    async def perform(
        self, operation: Operation, waker: Waker, deadline_ns: int | None, job: RunningJob | None = None
    ) -> bytes:
        """Run the operation and return its result. Hot: in the common case each line runs once."""
        if self.refusal is not None:
            self._refuse()
        self.accel.prepare(operation)
        if job is not None:
            # Only now: a job does not wait for an operation that was never awaited, or that `prepare` refused.
            job.waiting = operation
            if self._source is not None and job.driver is not None:
                job.driver.keep_going(self._source)
            job = None  # see in_job
        self.flight[operation] = None
        counters = self.counters
        try:
            if self.refusal is not None:  # closed since the check above: `close` did not see the operation
                self._refuse()
            if deadline_ns is not None or self.deadline_ns is not None:
                self._set_deadline(operation, deadline_ns)
            slots = self.slots
            operation.submitted = True  # set first: it may complete before submit returns
            try:
                taken = not slots.waiting and not slots.turns and self._submit(operation)
            except Exception as error:
                raise _not_taken(operation, error) from error
            if not taken:
                operation.submitted = False
                await self._get_slot(operation, waker)
            if operation.submitted:
                if self._polls_itself:
                    self._poll_if_many(operation)
                # Pause even if it is done by now: a wait fd was announced, so the driver of the job expects a pause.
                waker.wait_for_completion(operation)
                await PAUSE
                while not waker.resumed(operation):
                    counters.spurious += 1
                    waker.wait_for_completion(operation)
                    await PAUSE
        except BaseException as error:
            counters.given_up += 1
            counters.operations += 1
            counters.failed += 1
            try:
                self._give_up(operation, waker)
            except BaseException:
                self._give_up(operation, waker)  # such as Ctrl-C in between: try once more to leave nothing behind
                raise
            if isinstance(error, OperationError):
                self._refuse()  # in the child of a fork, its fd is gone as well: ClosedError says more
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

    async def _get_slot(self, operation: Operation, waker: Waker) -> None:
        """The slow path of a full ring: pause and try once more, until the operation is submitted.

        It also returns if the operation was settled while it waited, by its deadline or by `Engine.close`: then
        `operation.submitted` is false. Raises RingFullError after as many tries as the Retry allows.
        """
        slots, counters = self.slots, self.counters
        limit = self._retry.blocking_limit if waker.blocking else self._retry.limit
        tries = 0
        if slots.may_submit(operation) and self._try(operation):
            return
        while True:
            tries += 1
            if limit is not None and tries > limit:
                raise RingFullError(
                    f"the ring was still full after {limit} tries: resume jobs and reap completions more often, "
                    "use a larger depth, or a Retry with a higher limit"
                )
            waker.wait_for_slot(operation)
            timer = self._arrange_wake(operation, waker, tries)
            counters.eagains += 1
            await PAUSE
            done = waker.resumed(operation)
            if timer is not None:
                timer.cancel()
            if done:
                break
            # A thread that sleeps does not wait for its turn: the turn may be that of a job of this very thread, which
            # can't run meanwhile.
            if (waker.blocking or slots.may_submit(operation)) and self._try(operation):
                operation.promised = True
                counters.slots += 1
                break
        slots.leave(operation)

    def _try(self, operation: Operation) -> bool:
        operation.submitted = True  # set first: it may complete before submit returns
        submitted = False
        try:
            submitted = self._submit(operation)
        except Exception as error:
            raise _not_taken(operation, error) from error
        finally:
            operation.submitted = submitted
        return submitted

    def _arrange_wake(self, operation: Operation, waker: Waker, tries: int) -> Timer | None:
        """Arrange that a waiter for a slot is woken. Returns the timer that will do it, or None if none does."""
        retry, accel = self._retry, self.accel
        operation.promised = True
        wait_ns = retry.sleep_ns(tries) if waker.blocking else 0
        if retry.wake == "space" or waker.blocking:
            self.slots.join(operation)
        else:
            wait_ns = retry.pause_ns(tries)
            if not wait_ns:
                operation.promised = not waker.silent_eagain
                if not operation.promised:
                    return None
                if tries < SPINS:
                    waker.nudge()
                    return None
                if accel.clock.virtual and retry.limit is None:
                    self.slots.join(operation)
                    return None
                wait_ns = SPIN_NS
        return accel.call_at(accel.clock.now_ns() + wait_ns, waker.nudge) if wait_ns else None

    def _poll_if_many(self, operation: Operation) -> None:
        kernel = getattr(operation, "kernel", None)  # not every accelerator sets one
        limit = HEURISTIC_ASYMMETRIC if getattr(kernel, "asymmetric", False) else HEURISTIC_SYMMETRIC
        if len(self.flight) >= limit:
            self.accel.poll()

    def _give_up(self, operation: Operation, waker: Waker) -> None:
        """The caller was cancelled, or its fd is gone, or the ring stayed full: leave nothing of the operation behind.

        May be called once more after an exception in between.
        """
        operation.abandon()
        if interpreter_ends():  # a paused job that the garbage collector closes: nobody is left to wake
            return
        self.slots.leave(operation)
        with suppress(OperationError):  # the fd is gone: that may be why the caller gives up
            while not waker.resumed(operation):
                # Another thread has taken it out of flight. Either its wake failed, and the operation is in flight
                # again, or it has not marked the operation as done yet.
                if not operation.abandon():
                    os.sched_yield()
        self._end_badly(operation, waker)

    def disown(self) -> None:
        """In the child of a fork: settle what is in flight. Its completions and fds belong to the parent process."""
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
            if self.accel.clock.now_ns() >= due_ns:  # not when the accelerator is closed before
                operation.fail(DeadlineError(message))

        operation.timer = self.accel.call_at(due_ns, pass_by)


def checked_deadline(value: int | None) -> int | None:
    """The deadline as it was given. Raises UsageError unless it is None or a positive int."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"deadline_ns={value!r}: use a whole number of ns above 0, or None for none")
    return value


def _not_taken(operation: Operation, error: Exception) -> OperationError:
    """What the caller gets if `submit` raised. The operation has used no slot, so another may have its turn."""
    operation.submitted = False
    return OperationError(f"the device did not take {operation.op}: {error}")


def _failure(operation: Operation) -> Exception:
    """What the caller gets: the engine's verdict, or an OperationError that the device's reason has caused."""
    if operation.verdict is not None:
        return operation.verdict
    failure = OperationError(f"the device failed {operation.op}: {operation.error}")
    failure.__cause__ = operation.error
    return failure
