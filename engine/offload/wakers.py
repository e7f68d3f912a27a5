"""Wakers: here a completion becomes a wake-up. This is the only file that knows both operations and wait contexts.

There is a waker for each place where a caller can wait for an operation: a wait context with an fd (`FdWaker`), a wait
context with a callback, in one of three contracts (`QatCallback`, `StrictCallback`, `DasyncCallback`), and a blocked
thread (`BlockedThread`). The waker for a task of an event loop is in `engine.drivers.loop_driver`. `Waker` in
operation.py says what each method must do, and in which order they are called. What a scheduler makes of such a wake-up
is in `engine.drivers.ready_seats`.

Sources: QAT_Engine's qat_events.c for `QatCallback` and for the order of token and pause; the man page
ASYNC_WAIT_CTX_new(3) for `StrictCallback`; OpenSSL's e_dasync.c for `DasyncCallback`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from engine.errors import OperationError
from engine.offload.operation import Operation, Waker
from engine.offload.wake_fds import WakeFd
from engine.protocol import BatchCallback
from hotpath.spinning import about_to_sleep
from waitctx.context import Callback, WaitCtx
from waitctx.status import Status

# Looked up once: an attribute of an enum class takes as long as a call.
_UNSUPPORTED, _ERR, _OK, _EAGAIN = Status.UNSUPPORTED, Status.ERR, Status.OK, Status.EAGAIN


class FdWaker(Waker):
    """Wakes by the fd of a wait context. It serves all operations of one engine on that context."""

    __slots__ = ("_ctx", "gone", "wake_fd")

    def __init__(self, owner: object, ctx: WaitCtx, wake_fd: WakeFd) -> None:
        super().__init__(owner)
        self.gone = False
        """Whether the fd was found closed, although only the wait context may close it."""
        self._ctx = ctx
        self.wake_fd = wake_fd

    def resumed(self, operation: Operation) -> bool:
        # First take the token, then look at `done`. In the other order, a completion could come between the two: its
        # token would be taken here, but the completion would be overlooked.
        try:
            found = self.wake_fd.drain()
        except OperationError:
            self.gone = True
            if not self._ctx.closed:
                self._ctx.memo = None
            raise
        if found and operation.fired:
            return True
        # If it is done, another thread has settled it. That thread has not written the token yet, or has written it and
        # still holds the lock. To wait for the lock is ten times faster than to poll. For a few bytecodes the other
        # thread may not hold the lock yet.
        while not operation.fired:
            if not operation.done:  # still in flight, or in flight again because the wake failed
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
        if self._ctx.status == _ERR:  # an engine that works by fd reports no other status
            self._ctx.status = _UNSUPPORTED


class QatCallback(Waker):
    """Wakes by callback, as QAT_Engine does. The status is set before the pause; only the callback tells of the end."""

    __slots__ = ("_ctx", "_fn")

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        """`sleep(thread)` blocks the calling thread until that `BlockedThread` is roused. `DasyncCallback` uses it."""
        super().__init__(owner, silent_eagain=True)
        self._ctx = ctx
        self._fn, self.arg = fn, _ = callback
        self.batch_callback = fn if isinstance(fn, BatchCallback) else None

    def wait_for_slot(self, operation: Operation) -> None:
        self._ctx.status = _EAGAIN

    def wait_for_completion(self, operation: Operation) -> None:
        ctx = self._ctx
        if ctx.stored_status is not _OK:  # it stays from one operation to the next
            ctx.status = _OK

    def wake(self, operation: Operation) -> None:
        self._fn(self.arg)
        operation.fired = True

    def nudge(self) -> None:
        self._fn(self.arg)

    def end_badly(self) -> None:
        if not self._ctx.closed:
            self._ctx.status = _ERR  # `erred` stays False, because the next operation sets a status of its own


class StrictCallback(QatCallback):
    """Wakes by callback, as the man page says. The status is UNSUPPORTED while an operation is in flight, and is set to
    OK or ERR just before the callback is called."""

    __slots__ = ()

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None  # the status must be set before each call

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
    """Wakes by callback, as OpenSSL's dasync engine does. The operation completes, and the callback is called, before
    the job pauses. A success sets no status. Nothing is asynchronous, but code that misses an early callback hangs."""

    __slots__ = ("_sleep", "_thread")

    def __init__(self, owner: object, ctx: WaitCtx, callback: Callback, sleep: Callable[[BlockedThread], None]) -> None:
        super().__init__(owner, ctx, callback, sleep)
        self.batch_callback = None
        self._sleep = sleep
        self._thread = BlockedThread()

    def wait_for_completion(self, operation: Operation) -> None:
        while not operation.fired:  # not `done`, because the callback must also be called before the pause
            self._sleep(self._thread)

    def wake(self, operation: Operation) -> None:
        try:
            self._fn(self.arg)
        finally:
            operation.fired = True
            self._thread.rouse()

    def end_badly(self) -> None:
        QatCallback.end_badly(self)  # a compiled method has no super()
        self.erred = True

    def end_well(self) -> None:
        self.erred = False
        if self._ctx.status == _ERR:  # in this contract a success sets no status
            self._ctx.status = _UNSUPPORTED


class BlockedThread(Waker):
    """Wakes a thread that waits outside of a job, or in a job whose pauses are blocked."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        super().__init__(blocking=True)
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self, operation: Operation) -> None:
        self.rouse()

    def nudge(self) -> None:
        self.rouse()

    def rouse(self) -> None:
        """End the thread's sleep; if it does not sleep now, its next sleep. Any thread, any number of times."""
        with suppress(RuntimeError):  # roused already
            self._lock.release()

    def sleep(self) -> None:
        """Block until roused."""
        about_to_sleep()
        self._lock.acquire()

    def roused(self) -> bool:
        """Returns whether the thread was roused, so that a sleep would end at once, and forgets it. Does not block."""
        return self._lock.acquire(blocking=False)


def _final(operation: Operation) -> Status:
    return _OK if operation.error is None and operation.verdict is None else _ERR


def _by_callback_instead(ctx: WaitCtx) -> None:
    """Call the context's callback, because its fd was closed and can't wake anybody. Raise if it has no callback."""
    callback = None if ctx.closed else ctx.callback
    if callback is not None:
        callback.fn(callback.arg)
    elif not ctx.closed:  # the device reports this exception, as all that completions raise
        raise OperationError(
            "an operation completed, but its wait fd was closed by somebody else, and the wait context has no "
            "callback: its job can't be woken; leave closing the fd to the wait context"
        )
