"""Wakers: here a completion becomes a wake-up. The one file that knows both operations and wait contexts.

There is a waker for each place where somebody can wait for an operation: a wait context with an fd (`FdWaker`), a wait
context with a callback, in one of three contracts (`QatCallback`, `StrictCallback`, `DasyncCallback`), and a blocked
thread (`BlockedThread`). The task of an asyncio loop has its own in `engine.drivers.asyncio_loop`. What a waker does,
and in which order it is asked, says `Waker` in operation.py.

Sources: QAT_Engine's qat_events.c for `QatCallback` and for the order of token and pause; the man page
ASYNC_WAIT_CTX_new(3) for `StrictCallback`; OpenSSL's e_dasync.c for `DasyncCallback`.
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
    """Wakes by the fd of a wait context. One serves all operations of an engine on that context."""

    __slots__ = ("_ctx", "erred", "gone", "owner", "wake_fd")
    blocking = False
    silent_eagain = False
    batch_callback: BatchCallback | None = None
    arg = None

    def __init__(self, owner: object, ctx: WaitCtx, wake_fd: WakeFd) -> None:
        self.owner = owner
        self.gone = False
        """Whether the fd was found closed, though only the wait context may close it."""
        self._ctx = ctx
        self.wake_fd = wake_fd
        self.erred = False

    def wait_for_slot(self, operation: Operation) -> None:
        pass

    def wait_for_completion(self, operation: Operation) -> None:
        pass

    def resumed(self, operation: Operation) -> bool:
        # First take the token, then look at `done`. The other way round, a completion between the two would have its
        # token taken here and be overlooked.
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
        # Another thread has taken the operation out of flight. It has not written the token yet, or has written it and
        # still holds the lock. Waiting for the lock is ten times faster than polling. It may not hold the lock yet:
        # that is a window of a few bytecodes.
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
    """Wakes by callback, as QAT_Engine: the status is set before the pause, and only the callback tells of the end."""

    __slots__ = ("_ctx", "_fn", "arg", "batch_callback", "owner")
    blocking = False
    silent_eagain = True
    batch_callback: BatchCallback | None
    erred: bool = False  # the next operation sets a status of its own

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        """`sleep(thread)` keeps the calling thread until that `BlockedThread` is roused. Not every contract uses it."""
        self.owner = owner
        self._ctx = ctx
        self._fn, self.arg = fn, _ = callback
        self.batch_callback = fn if isinstance(fn, BatchCallback) else None

    def wait_for_slot(self, operation: Operation) -> None:
        self._ctx.status = _EAGAIN

    def wait_for_completion(self, operation: Operation) -> None:
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
    """Wakes by callback, as the man page says: the status is UNSUPPORTED while an operation is in flight, and OK or ERR
    is set just before the callback is called."""

    __slots__ = ()

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None  # each call needs its own status first

    def wait_for_completion(self, operation: Operation) -> None:
        self._ctx.status = _UNSUPPORTED
        if operation.done:  # it completed before the line above, which has overwritten its status
            self._ctx.status = _final(operation)

    def wake(self, operation: Operation) -> None:
        if not self._ctx.closed:
            self._ctx.status = _final(operation)
        self._fn(self.arg)
        operation.fired = True


class DasyncCallback(QatCallback):
    """Wakes by callback, as the dasync engine: the operation completes, and the callback is called, before the job
    pauses. A success sets no status. Nothing is asynchronous here, but code that misses an early callback hangs."""

    __slots__ = ("_sleep", "_thread", "erred")

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None
        self.erred = False
        self._sleep = sleep
        self._thread = BlockedThread()

    def wait_for_completion(self, operation: Operation) -> None:
        while not operation.fired:  # not `done`: the callback must come before the pause, too
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
    """Wakes a thread that waits outside of a job, or in a job whose pauses are blocked."""

    __slots__ = ("_lock",)
    blocking = True
    silent_eagain = False
    batch_callback: BatchCallback | None = None
    arg = None
    erred = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait_for_slot(self, operation: Operation) -> None:
        pass

    def wait_for_completion(self, operation: Operation) -> None:
        pass

    def resumed(self, operation: Operation) -> bool:
        return operation.done

    def wake(self, operation: Operation) -> None:
        self.rouse()

    def nudge(self) -> None:
        self.rouse()

    def rouse(self) -> None:
        """End the sleep, or the next one if the thread does not sleep now. Any thread, any number of times."""
        with suppress(RuntimeError):  # roused already
            self._lock.release()

    def sleep(self) -> None:
        """Block until roused."""
        self._lock.acquire()

    def roused(self) -> bool:
        """Whether it was roused, so that a sleep would end at once. Takes that back. Does not block."""
        return self._lock.acquire(blocking=False)

    def end_badly(self) -> None:
        pass

    def end_well(self) -> None:
        pass


def _final(operation: Operation) -> Status:
    return _OK if operation.error is None and operation.verdict is None else _ERR


def _by_callback_instead(ctx: WaitCtx) -> None:
    """The fd was closed, so it can't wake anybody. Use the context's callback if there is one; raise if not."""
    callback = None if ctx.closed else ctx.callback
    if callback is not None:
        callback.fn(callback.arg)
    elif not ctx.closed:  # the device reports what a completion raises
        raise OperationError(
            "an operation completed, but its wait fd was closed by somebody else, and the wait context has no "
            "callback: its job can't be woken; leave closing the fd to the wait context"
        )
