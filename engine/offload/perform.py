"""How an operation runs, from its call to its result: the one algorithm behind every door.

`Performer.perform` is a coroutine whose every yield means "wait until your waker wakes you". Four drivers run it: a
stackful job pauses its greenlet at a yield, a stackless job awaits it natively, a thread outside of jobs sleeps, an
asyncio task awaits a future.

It follows qat_hw_rsa.c and qat_events.c: submit; on a full ring pause with EAGAIN and submit again; once submitted,
pause until done and woken. What is added: turns for slots, deadlines, and nothing left behind by who gives up.
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
from engine.modes import CALLBACKS, Mode
from engine.offload.operation import Operation, Waker
from engine.offload.retry import Retry
from engine.offload.slot_queue import SpaceQueue
from engine.offload.statistics import Counters
from engine.offload.wake_fds import wake_fd
from engine.offload.wakers import BlockedThread, FdWaker
from engine.protocol import Accelerator, Source, Timer
from waitctx import UnknownKeyError, WaitCtx

HEURISTIC_ASYMMETRIC, HEURISTIC_SYMMETRIC = 48, 24
"""In flight at which heuristic polling polls by itself; the numbers are QAT_Engine's."""
SPINS, SPIN_NS = 16, 100_000
"""After so many tries a wake "at once" comes this much later, and from the worker. A loop that only spins gives the GIL
away for moments, at its system calls; where threads wake up slowly, the worker never catches one of them, and the slot
that all spin for never falls free. In virtual time a level-triggered loop that always finds an fd readable never
jumps the clock. There, and without a limit, the wake comes with a free slot: a timer for each try would keep the clock
going for ever where no slot ever falls free, and nobody would be told that the jobs are stalled."""


class Performer:
    """Runs the operations of one engine."""

    __slots__ = (
        "_callback",
        "_key",
        "_mode",
        "_observe",
        "_polls_itself",
        "_retry",
        "_sleep",
        "_source",
        "_submit",
        "accel",
        "counters",
        "deadline_ns",
        "flight",
        "refusal",
        "space",
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
        self.flight: dict[Operation, None] = {}  # a dict for its order, in which the engine's end is told
        """Operations whose callers wait: what is not in here is settled."""
        self.space = SpaceQueue(accel)
        self.counters = Counters()
        self.deadline_ns = deadline_ns
        self.refusal: str | None = None
        """Why nothing may be called any more."""
        self._key = engine
        self._source = engine if engine.polled or accel.clock.virtual else None
        self._mode = mode
        self._callback = CALLBACKS[contract]
        self._polls_itself = mode.polls_itself
        self._retry = retry
        self._observe = observe
        self._sleep = sleep
        self._submit = accel.submit

    def in_job(
        self, job: RunningJob, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for this running job, which has a wait context.

        The caller must not keep the job: a paused greenlet's frame that holds its own job is never freed.
        """
        ctx = job.wait_ctx
        assert ctx is not None
        waker = ctx.memo
        if waker is None or waker.owner is not self:
            ctx.memo = waker = self._waker(ctx)
        operation = Operation(op, payload, aux, session, self.flight, waker)
        return self.perform(operation, waker, deadline_ns, job)

    def for_waker(
        self, waker: Waker, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for whoever that waker wakes."""
        return self.perform(Operation(op, payload, aux, session, self.flight, waker), waker, deadline_ns)

    async def perform(
        self, operation: Operation, waker: Waker, deadline_ns: int | None, job: RunningJob | None = None
    ) -> bytes:
        """Run it. Hot: in the common case each line runs once."""
        if self.refusal is not None:
            self._refuse()
        self.accel.prepare(operation)
        if job is not None:
            # Only now: until it is awaited, and if it is refused, the job does not wait for it.
            job.waiting = operation
            if self._source is not None and job.driver is not None:
                job.driver.keep_going(self._source)
            job = None  # see in_job
        self.flight[operation] = None
        counters = self.counters
        try:
            if self.refusal is not None:  # an engine that was closed since the look above has not seen the operation
                self._refuse()
            if deadline_ns is not None or self.deadline_ns is not None:
                self._set_deadline(operation, deadline_ns)
            space = self.space
            operation.submitted = True  # before it is: it may complete before submit returns
            try:
                taken = not space.waiting and not space.turns and self._submit(operation)
            except Exception as error:
                raise _not_taken(operation, error) from error
            if not taken:
                operation.submitted = False
                await self._get_slot(operation, waker)
            if operation.submitted:
                if self._polls_itself:
                    self._poll_if_many(operation)
                # Also if it is done by now: a wait fd was announced, so whoever drives the job expects a pause.
                waker.wait_done(operation)
                await PAUSE
                while not waker.resumed(operation):
                    counters.spurious += 1
                    waker.wait_done(operation)
                    await PAUSE
        except BaseException as error:
            counters.given_up += 1
            counters.operations += 1
            counters.failed += 1
            try:
                self._give_up(operation, waker)
            except BaseException:
                self._give_up(operation, waker)  # one that came in between, such as Ctrl-C: nothing may be left of it
                raise
            if isinstance(error, OperationError):
                self._refuse()  # in the child of a fork, where its fd is gone as well
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
        """Raise what whoever calls an engine at its end, or its parent's, gets; nothing if it is neither."""
        if self.refusal is not None:
            raise ClosedError(self.refusal)

    async def _get_slot(self, operation: Operation, waker: Waker) -> None:
        """The slow path of a full ring: pause, try again, until submitted - or settled without, by a deadline or the
        engine's end, whose wake has ended a pause in here."""
        space, counters = self.space, self.counters
        limit = self._retry.blocking_limit if waker.blocking else self._retry.limit
        tries = 0
        if space.may_submit(operation) and self._try(operation):
            return
        while True:
            tries += 1
            if limit is not None and tries > limit:
                raise RingFullError(
                    f"the ring was still full after {limit} tries: resume jobs and reap completions more often, "
                    "use a larger depth, or a Retry with a higher limit"
                )
            waker.wait_again(operation)
            timer = self._arrange_wake(operation, waker, tries)
            counters.eagains += 1
            await PAUSE
            done = waker.resumed(operation)
            if timer is not None:
                timer.cancel()
            if done:
                break
            # A slot that is still free behind a sleep may be promised to a job of this very thread, which can't run.
            if (waker.blocking or space.may_submit(operation)) and self._try(operation):
                operation.promised = True
                counters.slots += 1
                break
        space.leave(operation)

    def _try(self, operation: Operation) -> bool:
        operation.submitted = True  # before it is: it may complete before submit returns
        submitted = False
        try:
            submitted = self._submit(operation)
        except Exception as error:
            raise _not_taken(operation, error) from error
        finally:
            operation.submitted = submitted
        return submitted

    def _arrange_wake(self, operation: Operation, waker: Waker, tries: int) -> Timer | None:
        """See to it that a waiter for a slot is woken; the timer that does it, if one does."""
        retry, accel = self._retry, self.accel
        operation.promised = True
        wait_ns = retry.sleep_ns(tries) if waker.blocking else 0
        if retry.wake == "space" or waker.blocking:
            self.space.join(operation)
        else:
            wait_ns = retry.pause_ns(tries)
            if not wait_ns:
                operation.promised = not waker.silent_again
                if not operation.promised:
                    return None
                if tries < SPINS:
                    waker.nudge()
                    return None
                if accel.clock.virtual and retry.limit is None:
                    self.space.join(operation)
                    return None
                wait_ns = SPIN_NS
        return accel.call_at(accel.clock.now_ns() + wait_ns, waker.nudge) if wait_ns else None

    def _poll_if_many(self, operation: Operation) -> None:
        kernel = getattr(operation, "kernel", None)  # not every accelerator sets one
        limit = HEURISTIC_ASYMMETRIC if getattr(kernel, "asymmetric", False) else HEURISTIC_SYMMETRIC
        if len(self.flight) >= limit:
            self.accel.poll()

    def _give_up(self, operation: Operation, waker: Waker) -> None:
        """The caller was cancelled, or its fd is gone, or the ring stayed full: leave nothing of it behind.

        May be called again after an exception in between.
        """
        operation.abandon()
        if interpreter_ends():  # a paused job that is collected at the very end: nobody is left to be told
            return
        self.space.leave(operation)
        with suppress(OperationError):  # the fd is gone, which may be the very reason
            while not waker.resumed(operation):  # somebody else had it, and failed to wake us
                operation.abandon()
        self._end_badly(operation, waker)

    def disown(self) -> None:
        """In the child of a fork: nothing of what was in flight will ever come here, and its fds are the parent's."""
        self.refusal = f"this engine belongs to the parent process, {os.getppid()}: make a new one behind the fork"
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

    def _waker(self, ctx: WaitCtx) -> Waker:
        """How a job with this context is woken: by its callback if the engine works so and it has one, else by fd."""
        if self._mode.by_callback and ctx.callback is not None:
            return self._callback(self, ctx, ctx.callback, self._sleep)
        try:
            waker = ctx.get_fd(self._key).custom_data
            if not waker.gone:
                return waker  # type: ignore[no-any-return]
            ctx.clear_fd(self._key)  # closed behind our back, and found out: a new one
        except UnknownKeyError:
            pass
        waker = FdWaker(self, ctx, wake_fd(self._mode.wake_fd))
        ctx.set_wait_fd(self._key, waker.wake_fd.fd, waker, _close_fd)
        return waker


def checked_deadline(value: int | None) -> int | None:
    """The deadline, or UsageError for what is none."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"deadline_ns={value!r}: use a whole number of ns above 0, or None for none")
    return value


def _not_taken(operation: Operation, error: Exception) -> OperationError:
    """The accelerator raised at the submit. The operation has used no slot: if it had a turn, another may have it."""
    operation.submitted = False
    return OperationError(f"the device did not take {operation.op}: {error}")


def _close_fd(ctx: WaitCtx, key: object, fd: int, waker: FdWaker) -> None:
    """The cleanup of the engine's fd."""
    waker.wake_fd.close()


def _failure(operation: Operation) -> Exception:
    """What its caller gets: the engine's own verdict, or what the device gave as the reason."""
    if operation.verdict is not None:
        return operation.verdict
    failure = OperationError(f"the device failed {operation.op}: {operation.error}")
    failure.__cause__ = operation.error
    return failure
