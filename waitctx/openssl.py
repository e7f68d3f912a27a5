"""The same wait contexts for those who know the C API: its functions, under the names of openssl/async.h.

Return codes are C's. Where C would crash, on a NULL context or a freed one, these functions raise a WaitCtxError. What
C writes into a buffer is an element of the returned tuple here. In C, a first call with a NULL buffer only counts; here
there is no such call, because len() of the list says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from waitctx.context import Cleanup, WaitCtx
from waitctx.errors import ClosedError, NullContextError, UnknownKeyError
from waitctx.status import Status

__all__ = [
    "ASYNC_STATUS_EAGAIN",
    "ASYNC_STATUS_ERR",
    "ASYNC_STATUS_OK",
    "ASYNC_STATUS_UNSUPPORTED",
    "ASYNC_WAIT_CTX_clear_fd",
    "ASYNC_WAIT_CTX_free",
    "ASYNC_WAIT_CTX_get_all_fds",
    "ASYNC_WAIT_CTX_get_callback",
    "ASYNC_WAIT_CTX_get_changed_fds",
    "ASYNC_WAIT_CTX_get_fd",
    "ASYNC_WAIT_CTX_get_status",
    "ASYNC_WAIT_CTX_new",
    "ASYNC_WAIT_CTX_set_callback",
    "ASYNC_WAIT_CTX_set_status",
    "ASYNC_WAIT_CTX_set_wait_fd",
]

ASYNC_STATUS_UNSUPPORTED = Status.UNSUPPORTED
ASYNC_STATUS_ERR = Status.ERR
ASYNC_STATUS_OK = Status.OK
ASYNC_STATUS_EAGAIN = Status.EAGAIN


def _given(ctx: WaitCtx | None, call: str) -> WaitCtx:
    if not isinstance(ctx, WaitCtx):
        raise NullContextError(f"{call} needs a context from ASYNC_WAIT_CTX_new, not {ctx!r}; C crashes here")
    return ctx


def ASYNC_WAIT_CTX_new() -> WaitCtx:
    """A context with no fds, no callback, and the status UNSUPPORTED."""
    return WaitCtx()


def ASYNC_WAIT_CTX_free(ctx: WaitCtx | None) -> None:
    """Run the cleanups of all entries that were not cleared, newest first.

    None is allowed. A second free raises ClosedError.
    """
    if ctx is None:
        return
    if _given(ctx, "ASYNC_WAIT_CTX_free").closed:
        raise ClosedError("the wait context was freed before, or is being freed: a double free in C")
    ctx.close()


def ASYNC_WAIT_CTX_set_wait_fd(
    ctx: WaitCtx | None, key: object, fd: int, custom_data: Any, cleanup: Cleanup | None
) -> int:
    """Put a new entry in front. Always returns 1."""
    _given(ctx, "ASYNC_WAIT_CTX_set_wait_fd").set_wait_fd(key, fd, custom_data, cleanup)
    return 1


def ASYNC_WAIT_CTX_get_fd(ctx: WaitCtx | None, key: object) -> tuple[int, int | None, Any]:
    """Return (1, fd, custom_data) of the newest entry of that key, or (0, None, None) if there is none."""
    try:
        found = _given(ctx, "ASYNC_WAIT_CTX_get_fd").get_fd(key)
    except UnknownKeyError:
        return 0, None, None
    return 1, found.fd, found.custom_data


def ASYNC_WAIT_CTX_get_all_fds(ctx: WaitCtx | None) -> tuple[int, list[int]]:
    """Return (1, the list of fds, newest first)."""
    return 1, _given(ctx, "ASYNC_WAIT_CTX_get_all_fds").all_fds()


def ASYNC_WAIT_CTX_get_changed_fds(ctx: WaitCtx | None) -> tuple[int, list[int], list[int]]:
    """Return (1, added, deleted): the fds that changed since the last resume, each list newest first."""
    added, deleted = _given(ctx, "ASYNC_WAIT_CTX_get_changed_fds").changed_fds()
    return 1, added, deleted


def ASYNC_WAIT_CTX_clear_fd(ctx: WaitCtx | None, key: object) -> int:
    """Return 1, or 0 if the key has no entry."""
    try:
        _given(ctx, "ASYNC_WAIT_CTX_clear_fd").clear_fd(key)
    except UnknownKeyError:
        return 0
    return 1


def ASYNC_WAIT_CTX_set_callback(ctx: WaitCtx | None, callback: Callable[[Any], object] | None, arg: Any) -> int:
    """Return 1, or 0 if the context is None: besides free, this is the only call that allows NULL in C."""
    if ctx is None:
        return 0
    _given(ctx, "ASYNC_WAIT_CTX_set_callback").set_callback(callback, arg)
    return 1


def ASYNC_WAIT_CTX_get_callback(ctx: WaitCtx | None) -> tuple[int, Callable[[Any], object] | None, Any]:
    """Return (1, callback, arg), or (0, None, None) if none is set."""
    callback = _given(ctx, "ASYNC_WAIT_CTX_get_callback").callback
    return (0, None, None) if callback is None else (1, callback.fn, callback.arg)


def ASYNC_WAIT_CTX_set_status(ctx: WaitCtx | None, status: int) -> int:
    """Store any int. Always returns 1."""
    _given(ctx, "ASYNC_WAIT_CTX_set_status").status = status
    return 1


def ASYNC_WAIT_CTX_get_status(ctx: WaitCtx | None) -> int:
    """Return the int that was stored last, or UNSUPPORTED if none was."""
    return _given(ctx, "ASYNC_WAIT_CTX_get_status").status
