"""The seam: where a completion becomes a wake-up. The one file that knows both an operation and a wait context.

A waker belongs to a place where somebody waits: a wait context (by fd, or by callback in one of three contracts), a
blocked thread, an event loop. The engine's one algorithm (`engine.offload.perform`) asks of it:

- `wait_again(op)`: it is about to pause because the ring was full.
- `wait_done(op)`: it is about to pause because the operation is in flight.
- `resumed(op)`: it was resumed; take the token, if there is one, and say whether the operation is done. If so, nothing
  of it is left behind, so that no stale token reaches the next one; to look for oneself a moment later would not do.
- `wake(op)`: it is done; called from any thread, once. `nudge()`: a slot may be had; called from any thread.

Sources: qat_events.c for `QatCallback` and the order of token and pause, the man page for `StrictCallback`, e_dasync.c
for `DasyncCallback`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from engine.errors import OperationError
from engine.offload.operation import Operation
from engine.offload.wake_fds import WakeFd
from engine.protocol import BatchCallback
from waitctx import Callback, Status, WaitCtx

# Looked up once: an attribute of an enum class takes as long as a call.
_UNSUPPORTED, _ERR, _OK, _EAGAIN = Status.UNSUPPORTED, Status.ERR, Status.OK, Status.EAGAIN


class FdWaker:
    """By the fd of a wait context: one for all operations of an engine on that context."""

    __slots__ = ("_ctx", "erred", "gone", "owner", "wake_fd")
    blocking = False
    silent_again = False
    batch_callback: BatchCallback | None = None
    arg = None

    def __init__(self, owner: object, ctx: WaitCtx, wake_fd: WakeFd) -> None:
        self.owner = owner
        self.gone = False
        """Whether the fd was found to be closed behind the engine's back."""
        self._ctx = ctx
        self.wake_fd = wake_fd
        self.erred = False

    def wait_again(self, operation: Operation) -> None:
        pass

    def wait_done(self, operation: Operation) -> None:
        pass

    def resumed(self, operation: Operation) -> bool:
        # First the token, then `done`: a completion behind the look at `done` writes its token behind the drain.
        try:
            found = self.wake_fd.drain()
        except OperationError:
            self.gone = True
            if not self._ctx.closed:
                self._ctx.memo = None
            raise
        if found and operation.fired:
            return True
        if not operation.done and operation in operation.flight:
            return False
        # The waker has taken the operation out of flight and not written its token, or has written it and not let go of
        # the lock. To wait for the lock is ten times faster than to look again and again; the window before it takes
        # the lock is a few bytecodes of another thread.
        while not operation.fired:
            if not operation.done:  # the wake failed, and the operation is in flight again
                return False
            with self.wake_fd.lock:
                pass
            if not operation.fired:
                os.sched_yield()
        self.wake_fd.drain()
        return True

    def wake(self, operation: Operation) -> None:
        with self.wake_fd.lock:
            put = self.wake_fd.put_locked()
            operation.fired = True
        if not put:
            _by_callback_instead(self._ctx)

    def nudge(self) -> None:
        if not self.wake_fd.put():
            _by_callback_instead(self._ctx)

    def end_badly(self) -> None:
        if not self._ctx.closed:
            self._ctx.status = _ERR
            self.erred = True

    def end_well(self) -> None:
        self.erred = False
        if self._ctx.status == _ERR:  # by fd there is nothing else to report
            self._ctx.status = _UNSUPPORTED


class QatCallback:
    """By callback, as QAT_Engine: the status is set before the pause, and the callback alone tells of completion."""

    __slots__ = ("_ctx", "_fn", "arg", "batch_callback", "owner")
    blocking = False
    silent_again = True
    batch_callback: BatchCallback | None
    erred: bool = False  # the next operation sets a status of its own

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        """`sleep(thread)` keeps the calling thread until that `BlockedThread` is roused. Not every contract uses it."""
        self.owner = owner
        self._ctx = ctx
        self._fn, self.arg = fn, _ = callback
        self.batch_callback = fn if isinstance(fn, BatchCallback) else None

    def wait_again(self, operation: Operation) -> None:
        self._ctx.status = _EAGAIN

    def wait_done(self, operation: Operation) -> None:
        ctx = self._ctx
        if ctx.stored_status is not _OK:  # it stays from one operation to the next
            ctx.status = _OK

    def resumed(self, operation: Operation) -> bool:
        return operation.done

    def wake(self, operation: Operation) -> None:
        self._fn(self.arg)
        operation.fired = True

    def nudge(self) -> None:
        self._fn(self.arg)

    def end_badly(self) -> None:
        if not self._ctx.closed:
            self._ctx.status = _ERR

    def end_well(self) -> None:
        pass


class StrictCallback(QatCallback):
    """By callback, as the man page has it: while an operation is in flight the status says nothing, and OK (or ERR)
    is set just before the callback tells of its completion."""

    __slots__ = ()

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None  # the status comes before each call

    def wait_done(self, operation: Operation) -> None:
        self._ctx.status = _UNSUPPORTED
        if operation.done:  # completed before the line above took its status away
            self._ctx.status = _final(operation)

    def wake(self, operation: Operation) -> None:
        if not self._ctx.closed:
            self._ctx.status = _final(operation)
        self._fn(self.arg)
        operation.fired = True


class DasyncCallback(QatCallback):
    """By callback, as dasync: the operation is complete and the callback was called before the job pauses; the status
    is never set. Nothing is asynchronous, but code that does not latch an early callback hangs."""

    __slots__ = ("_sleep", "_thread", "erred")

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None
        self.erred = False
        self._sleep = sleep
        self._thread = BlockedThread()

    def wait_done(self, operation: Operation) -> None:
        while not operation.fired:  # not `done`: the callback too comes before the pause
            self._sleep(self._thread)

    def wake(self, operation: Operation) -> None:
        try:
            self._fn(self.arg)
        finally:
            operation.fired = True
            self._thread.rouse()

    def end_badly(self) -> None:
        super().end_badly()
        self.erred = True

    def end_well(self) -> None:
        self.erred = False
        if self._ctx.status == _ERR:  # no success sets a status here
            self._ctx.status = _UNSUPPORTED


class BlockedThread:
    """A thread that waits outside of a job, or in one whose pauses are blocked."""

    __slots__ = ("_lock",)
    blocking = True
    silent_again = False
    batch_callback: BatchCallback | None = None
    arg = None
    erred = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait_again(self, operation: Operation) -> None:
        pass

    def wait_done(self, operation: Operation) -> None:
        pass

    def resumed(self, operation: Operation) -> bool:
        return operation.done

    def wake(self, operation: Operation) -> None:
        self.rouse()

    def nudge(self) -> None:
        self.rouse()

    def rouse(self) -> None:
        """End the sleep, or the next one if there is none now. Any thread, any number of times."""
        with suppress(RuntimeError):  # roused already
            self._lock.release()

    def sleep(self) -> None:
        """Until roused."""
        self._lock.acquire()

    def roused(self) -> bool:
        """Whether a sleep would end at once; that ends it."""
        return self._lock.acquire(blocking=False)

    def end_badly(self) -> None:
        pass

    def end_well(self) -> None:
        pass


def _final(operation: Operation) -> Status:
    return _OK if operation.error is None and operation.verdict is None else _ERR


def _by_callback_instead(ctx: WaitCtx) -> None:
    """The fd is gone, so its owner can't be woken by it; a callback, if there is one, is the only way left."""
    callback = None if ctx.closed else ctx.callback
    if callback is not None:
        callback.fn(callback.arg)
    elif not ctx.closed:  # whoever completes reports what a completion raises
        raise OperationError(
            "an operation completed, but its wait fd was closed behind the engine's back, and the wait context has no "
            "callback: its job can't be woken; leave closing the fd to the wait context"
        )
