"""Functions to write short job scripts by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.oracle.script import Code, Op, Program, Trace

ERR, NO_JOBS, PAUSED, FINISHED = range(4)
"""ASYNC_ERR, ASYNC_NO_JOBS, ASYNC_PAUSE, ASYNC_FINISH."""

PAUSE, BLOCK, UNBLOCK = Op(Code.PAUSE), Op(Code.BLOCK), Op(Code.UNBLOCK)
CURRENT, COUNT, OWN_CTX, ARGS = Op(Code.CURRENT), Op(Code.COUNT), Op(Code.OWN_CTX), Op(Code.ARGS)
CLEANUP_THREAD = Op(Code.CLEANUP_THREAD)


def start(slot: int = 0, *, ctx: int = 0, body: int = 0, args: int = -1) -> Op:
    """Start a job in an empty slot."""
    return Op(Code.START, slot, ctx, body, args)


def resume(slot: int = 0, *, ctx: int = -1, body: int = 0, args: int = -1) -> Op:
    """Resume the job of a slot. The other arguments are what it must ignore."""
    return Op(Code.RESUME, slot, ctx, body, args)


def init_thread(max_size: int, init_size: int) -> Op:
    """ASYNC_init_thread."""
    return Op(Code.INIT_THREAD, max_size, init_size)


def returns(value: int) -> Op:
    """End the body with this value."""
    return Op(Code.RETURN, value)


def set_fd(fd: int, *, ctx: int = 0, key: int = 0, data: int = 0, cleanup: bool = False) -> Op:
    """ASYNC_WAIT_CTX_set_wait_fd."""
    return Op(Code.SET_FD, ctx, key, fd, data, int(cleanup))


def clear_fd(*, ctx: int = 0, key: int = 0) -> Op:
    """ASYNC_WAIT_CTX_clear_fd."""
    return Op(Code.CLEAR_FD, ctx, key)


def changed(ctx: int = 0) -> Op:
    """ASYNC_WAIT_CTX_get_changed_fds."""
    return Op(Code.CHANGED_FDS, ctx)


def told(
    run_script: Callable[[Program], Trace],
    host: Sequence[Op],
    *bodies: Sequence[Op],
    args: Sequence[bytes] = (),
) -> Trace:
    """The trace of a script, without the end that all scripts have in common."""
    trace = run_script(Program(tuple(host), tuple(map(tuple, bodies)), tuple(args)))
    end = max(at for at, entry in enumerate(trace) if entry[0] == Code.CLEANUP_THREAD.name)
    return trace[:end]
