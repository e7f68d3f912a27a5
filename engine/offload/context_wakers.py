"""Which waker a wait context gets: one for its callback if the engine's mode uses callbacks and the context has one,
else one for an fd.

A context keeps its waker from one operation to the next. The waker is in the context's `memo`, which the context clears
when an fd or the callback changes. A waker for an fd is also the custom data of the engine's entry in the context.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.modes import CALLBACKS, Mode
from engine.offload.operation import Waker
from engine.offload.wake_fds import wake_fd
from engine.offload.wakers import BlockedThread, FdWaker
from waitctx.context import WaitCtx
from waitctx.errors import UnknownKeyError


class ContextWakers:
    """The wakers of one engine, by wait context.

    `key` is the engine's key in the wait contexts. `sleep(thread)` blocks the calling thread until that `BlockedThread`
    is roused.
    """

    __slots__ = ("_callback", "_key", "_mode", "_sleep")

    def __init__(self, key: object, mode: Mode, contract: str, sleep: Callable[[BlockedThread], None]) -> None:
        self._key = key
        self._mode = mode
        self._callback = CALLBACKS[contract]
        self._sleep = sleep

    def of(self, ctx: WaitCtx) -> Waker:
        """The waker of this context. It is made if there is none yet; if it is one for an fd, the fd is opened."""
        waker = ctx.memo
        if waker is None or waker.owner is not self:
            ctx.memo = waker = self._found_or_made(ctx)
        return waker  # type: ignore[no-any-return]

    def _found_or_made(self, ctx: WaitCtx) -> Waker:
        if self._mode.by_callback and ctx.callback is not None:
            return self._callback(self, ctx, ctx.callback, self._sleep)
        try:
            waker = ctx.get_fd(self._key).custom_data
            if not waker.gone:
                return waker  # type: ignore[no-any-return]
            ctx.clear_fd(self._key)  # the engine has found that the application closed the fd: make a new one
        except UnknownKeyError:
            pass
        waker = FdWaker(self, ctx, wake_fd(self._mode.wake_fd))
        ctx.set_wait_fd(self._key, waker.wake_fd.fd, waker, _close_fd)
        return waker


def _close_fd(ctx: WaitCtx, key: object, fd: int, waker: FdWaker) -> None:
    """The cleanup of the engine's entry in a wait context."""
    waker.wake_fd.close()
