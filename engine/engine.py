"""The engine: makes an operation of an accelerator pause the job that calls it.

There is one algorithm, `Engine._perform`, written as a coroutine whose every yield means "wait until your waker wakes
you". Four drivers run it: a stackful job pauses its greenlet at a yield, a stackless job awaits it natively, a thread
outside of jobs sleeps, an asyncio task awaits a future (`engine.aio`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from engine.errors import ClosedError, DeadlineError, OperationError, RingFullError, StalledError, UsageError
from engine.fds import wake_fd
from engine.job import Job
from engine.operation import Operation
from engine.operations import Operations
from engine.pause import PAUSE, pause_job
from engine.pool import LOCAL
from engine.protocol import Accelerator
from engine.retry import Retry
from engine.space import SpaceQueue
from engine.wake import BlockedThread, DasyncCallback, FdWaker, QatCallback, StrictCallback, Waker
from waitctx import UnknownKeyError, WaitCtx

NOTIFY = ("fd", "pipe", "callback", "poll", "heuristic")
CONTRACTS = ("qat", "strict", "dasync")
HEURISTIC_ASYMMETRIC, HEURISTIC_SYMMETRIC = 48, 24
"""In flight at which heuristic polling polls by itself; the numbers are QAT_Engine's."""


@dataclass(slots=True)
class EngineStatistics:
    """What an engine has counted. Exact where one thread drives it."""

    operations: int = 0
    """Ended, in whichever way."""
    pauses: int = 0
    """Waits of its callers: at least one an operation."""
    eagains: int = 0
    """Pauses for a full ring, among `pauses`."""
    wakes: int = 0
    """Times a waiter was woken with something to go on with: a completion, a slot, a deadline."""
    spurious_wakes: int = 0
    """Resumes that came too early or for nothing; the caller paused again."""
    failed: int = 0
    """Operations that raised, among `operations`."""


class Engine(Operations[bytes]):
    """Runs operations on an accelerator. A context manager.

    - `notify`: "fd", "pipe" (one fd for each wait context, closed by its cleanup), "callback" (where the context has
      one, else fd), "poll" (completions come only in `poll`), "heuristic" (polls by itself when enough is in flight).
    - `contract`, of the callback: "qat", "strict", "dasync"; see docs/contracts.md.
    - `retry`: what happens on a full ring. `deadline_ns`: for every operation, from its call; None for none.
    - `observe(operation)`: called in the caller's thread with each operation that succeeded, with its times set.

    In a job a call pauses it; outside of one, and while pauses are blocked, it keeps its thread. Any number of threads
    may use one engine, and any number of engines one wait context. Behind a fork it raises ClosedError in the child.
    """

    __slots__ = (
        "__weakref__",
        "_accel",
        "_by_callback",
        "_closed",
        "_flight",
        "_heuristic",
        "_observe",
        "_on_space",
        "_refusal",
        "_retry",
        "_space",
        "aio",
        "contract",
        "deadline_ns",
        "notify",
        "polled",
        "statistics",
    )

    def __init__(
        self,
        accel: Accelerator,
        notify: str = "fd",
        contract: str = "qat",
        retry: Retry | None = None,
        deadline_ns: int | None = None,
        *,
        observe: Callable[[Operation], object] | None = None,
    ) -> None:
        if notify not in NOTIFY:
            raise UsageError(f"notify={notify!r}: use one of {', '.join(NOTIFY)}")
        if contract not in CONTRACTS:
            raise UsageError(f"contract={contract!r}: use one of {', '.join(CONTRACTS)}")
        if retry is not None and not isinstance(retry, Retry):
            raise UsageError(f"retry={retry!r}: use a Retry, or None for the default")
        self.notify = notify
        self.contract = contract
        self.deadline_ns = _deadline(deadline_ns)
        self.polled = notify in ("poll", "heuristic")
        self.statistics = EngineStatistics()
        self._accel = accel
        self._retry = retry or Retry()
        self._observe = observe
        self._by_callback = notify in ("callback", "poll", "heuristic")
        self._heuristic = notify == "heuristic"
        self._flight: set[Operation] = set()
        self._space = SpaceQueue(accel)
        self._refusal: str | None = None
        self._closed = False
        self._on_space = self._space.freed
        accel.attach(self._on_space, polled=self.polled)
        from engine.aio import Aio  # it needs Engine

        self.aio = Aio(self)
        _alive.add(self)

    # What users call

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> bytes:
        """Any kernel by name. In a stackful job it pauses; in an `async def` job await `engine.aio.call` instead."""
        thread = LOCAL.state
        if thread.current is None or thread.blocked or thread.current.wait_ctx is None:
            return self._block(op, payload, aux, session, deadline_ns)
        if thread.dispatcher is None:
            name = op.replace("-", "_")
            raise UsageError(
                f"this would keep the thread of an async def job: write `await engine.aio.{name}(...)` there, "
                "or `await engine.aio.call(...)`"
            )
        perform = self.perform_in_job(thread.current, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                try:
                    pause_job()
                except BaseException as error:  # a cancel: the operation must hear of it
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def session(self, op: str, key: object, **params: Any) -> Any:
        """Load a key once, for any number of operations of that kernel."""
        return self._accel.session(op, key, **params)

    def poll(self, quota: int = 0) -> int:
        """External polling: hand out at most `quota` completions, 0 for all that are there; how many it was.

        The jobs are woken in this thread, by callback or fd. Does not block. UsageError unless notify is "poll" or
        "heuristic".
        """
        if not self.polled:
            raise UsageError(f'notify={self.notify!r} does not poll: make the engine with notify="poll"')
        if not isinstance(quota, int) or quota < 0:
            raise UsageError(f"quota={quota!r}: use a whole number, 0 for all")
        return self._accel.poll(quota)

    @property
    def in_flight(self) -> int:
        """Operations whose callers wait, on the ring or for a place on it."""
        return len(self._flight)

    @property
    def accel(self) -> Accelerator:
        """The accelerator."""
        return self._accel

    @property
    def clock(self) -> Any:
        """The accelerator's clock."""
        return self._accel.clock

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Call fn once there is something to poll for. For schedulers and loops."""
        self._accel.notify_once(fn)

    def close(self) -> None:
        """End it: what is in flight fails with ClosedError in its caller. Calling again does nothing.

        The fds stay with their wait contexts, whose close closes them. The accelerator is not closed.
        """
        if self._closed:
            return
        self._closed = True
        _alive.discard(self)
        self._refusal = self._refusal or "the engine was closed"
        for operation in sorted(
            self._flight, key=lambda operation: operation.submitted_ns if operation.submitted else 0
        ):
            operation.fail(ClosedError("the engine was closed while this operation was in flight"))
        self._accel.detach(self._on_space)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine notify={self.notify} contract={self.contract}, {self.in_flight} in flight>"

    # The algorithm

    def perform_in_job(
        self, job: Job, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for this running job. For the doors; the caller must not keep the job."""
        assert job.wait_ctx is not None
        waker = self._waker(job.wait_ctx)
        operation = Operation(op, payload, aux, session, self._flight, waker)
        job.waiting = operation
        if job.driver is not None and (self.polled or self._accel.clock.virtual):
            job.driver.keep_going(self)
        return self._perform(operation, waker, deadline_ns)

    def perform_with(
        self, waker: Waker, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None
    ) -> Coroutine[Any, Any, bytes]:
        """The operation as a coroutine for whoever that waker wakes."""
        return self._perform(Operation(op, payload, aux, session, self._flight, waker), waker, deadline_ns)

    async def _perform(self, operation: Operation, waker: Waker, deadline_ns: int | None) -> bytes:
        counters = self.statistics
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        self._accel.prepare(operation)
        self._flight.add(operation)
        failed = True
        try:
            if deadline_ns is not None or self.deadline_ns is not None:
                self._set_deadline(operation, deadline_ns)
            operation.submitted = True  # before it is: it may complete before submit returns
            if self._space.waiting or not self._submit(operation):
                operation.submitted = False
                await self._get_slot(operation, waker)
            while True:
                # Also if it is done by now: a wait fd was announced, so whoever drives the job expects a pause.
                waker.wait_done(operation)
                counters.pauses += 1
                await PAUSE
                waker.resumed(operation)
                if operation.done:
                    break
                counters.spurious_wakes += 1
            counters.wakes += 1
            failed = operation.verdict is not None or operation.error is not None
        except BaseException:
            self._give_up(operation, waker)
            raise
        finally:
            counters.operations += 1
            counters.failed += failed
            if operation.timer is not None:
                operation.timer.cancel()
            waker.ended(failed)
        if failed:
            raise _failure(operation)
        if self._observe is not None:
            operation.resumed_ns = self._accel.clock.now_ns()
            self._observe(operation)
        return operation.result  # type: ignore[return-value]  # set by the device where there is no error

    def _submit(self, operation: Operation) -> bool:
        if not self._space.may_submit(operation) or not self._accel.submit(operation):
            return False
        if self._heuristic:
            limit = HEURISTIC_ASYMMETRIC if getattr(operation.kernel, "asymmetric", False) else HEURISTIC_SYMMETRIC
            if len(self._flight) >= limit:
                self._accel.poll()
        return True

    async def _get_slot(self, operation: Operation, waker: Waker) -> None:
        """The slow path of a full ring: pause, try again, until submitted or settled."""
        retry, counters, space = self._retry, self.statistics, self._space
        limit = retry.blocking_limit if waker.blocking else retry.limit
        tries = 0
        while not operation.done:
            tries += 1
            if limit is not None and tries > limit:
                raise RingFullError(
                    f"the ring was still full after {limit} tries: resume jobs and reap completions more often, "
                    "use a larger depth, or a Retry with a higher limit"
                )
            waker.wait_again(operation)
            timer = self._arrange_wake(operation, waker, tries)
            counters.pauses += 1
            counters.eagains += 1
            await PAUSE
            waker.resumed(operation)
            if timer is not None:
                timer.cancel()
            operation.submitted = True
            if not operation.done and self._submit(operation):
                space.leave(operation)
                operation.promised = True
                counters.wakes += 1
                return
            operation.submitted = False
        # Settled while it waited: by its deadline, or by the engine's end. The waker has fired.
        space.leave(operation)

    def _arrange_wake(self, operation: Operation, waker: Waker, tries: int) -> Any:
        """See to it that a waiter for a slot is woken; the timer that does it, if one does."""
        retry, accel = self._retry, self._accel
        operation.promised = True
        wait_ns = retry.sleep_ns(tries) if waker.blocking else 0
        if retry.wake == "space" or waker.blocking:
            self._space.join(operation)
        else:
            wait_ns = retry.pause_ns(tries)
            if not wait_ns:
                operation.promised = not waker.silent_again
                if operation.promised:
                    waker.wake(operation)
                return None
        return accel.call_at(accel.clock.now_ns() + wait_ns, lambda: waker.wake(operation)) if wait_ns else None

    def _give_up(self, operation: Operation, waker: Waker) -> None:
        """The caller was cancelled, or its fd is gone, or the ring stayed full: leave nothing of it behind."""
        if operation.abandon():
            operation.fired = True
        self._space.leave(operation)
        with suppress(OperationError):  # the fd is gone, which may be the very reason
            waker.resumed(operation)

    def _set_deadline(self, operation: Operation, deadline_ns: int | None) -> None:
        after_ns = _deadline(deadline_ns) if deadline_ns is not None else self.deadline_ns
        assert after_ns is not None
        message = f"{operation.op} did not complete within its deadline of {after_ns:,} ns"
        due_ns = self._accel.clock.now_ns() + after_ns
        operation.timer = self._accel.call_at(due_ns, lambda: operation.fail(DeadlineError(message)))

    def _waker(self, ctx: WaitCtx) -> Waker:
        if self._by_callback:
            callback = ctx.callback
            if callback is not None:
                if self.contract == "qat":
                    return QatCallback(ctx, callback)
                if self.contract == "strict":
                    return StrictCallback(ctx, callback)
                return DasyncCallback(ctx, callback, self._sleep)
        try:
            waker = ctx.get_fd(self).custom_data
            if waker.wake_fd.fd >= 0:
                return waker  # type: ignore[no-any-return]
            ctx.clear_fd(self)  # closed behind our back, and found out: a new one
        except UnknownKeyError:
            pass
        waker = FdWaker(ctx, wake_fd("pipe" if self.notify == "pipe" else "fd"))
        ctx.set_wait_fd(self, waker.wake_fd.fd, waker, _close_fd)
        return waker

    # Outside of a job

    def _block(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        waker = BlockedThread()
        perform = self.perform_with(waker, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                try:
                    self._sleep(waker)
                except BaseException as error:  # KeyboardInterrupt, or a clock on which nothing is due
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _sleep(self, waker: BlockedThread) -> None:
        """Keep the thread until the waker is roused, perhaps for nothing. Polls and jumps as is needed."""
        accel = self._accel
        if accel.clock.virtual:
            while not waker.roused():
                if not (self.polled and accel.poll()) and not accel.clock.jump():
                    raise StalledError(
                        f"virtual time stands still: {self.in_flight} operations wait, and nothing is due, ever: "
                        + ", ".join(sorted(map(repr, self._flight)))
                    )
        elif self.polled:
            if not accel.poll() and not waker.roused():
                accel.notify_once(waker.rouse)
                waker.sleep()
                accel.poll()
        else:
            waker.sleep()


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


def _deadline(value: int | None) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"deadline_ns={value!r}: use a whole number of ns above 0, or None for none")
    return value


_alive: WeakSet[Engine] = WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_alive):
        engine._refusal = f"this engine belongs to the parent process, {os.getppid()}: make a new one behind the fork"
        engine._flight.clear()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
