"""Does to libcrypto what C leaves undefined. Each function is called in a child process of its own (see child.py).

They return what they saw, if they get that far.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from tests.oracle.driver import driver
from tests.oracle.libcrypto import CLEANUP, load
from tests.oracle.script import Code, Op, Program

_OUT = ctypes.c_size_t()
_REF = ctypes.byref(_OUT)
_BUFFER = (ctypes.c_int * 64)()
_KEY = ctypes.c_char_p(b"a key")


def _lib() -> ctypes.CDLL:
    return load().lib


# A NULL context


def null_set_wait_fd() -> object:
    return _lib().ASYNC_WAIT_CTX_set_wait_fd(None, _KEY, 3, None, None)


def null_get_fd() -> object:
    return _lib().ASYNC_WAIT_CTX_get_fd(None, _KEY, _REF, _REF)


def null_get_all_fds() -> object:
    return _lib().ASYNC_WAIT_CTX_get_all_fds(None, None, _REF)


def null_get_changed_fds() -> object:
    return _lib().ASYNC_WAIT_CTX_get_changed_fds(None, None, _REF, None, _REF)


def null_clear_fd() -> object:
    return _lib().ASYNC_WAIT_CTX_clear_fd(None, _KEY)


def null_get_callback() -> object:
    return _lib().ASYNC_WAIT_CTX_get_callback(None, _REF, _REF)


def null_set_status() -> object:
    return _lib().ASYNC_WAIT_CTX_set_status(None, 2)


def null_get_status() -> object:
    return _lib().ASYNC_WAIT_CTX_get_status(None)


# A context that is freed, or being freed


def _freed() -> int:
    lib = _lib()
    ctx: int = lib.ASYNC_WAIT_CTX_new()
    lib.ASYNC_WAIT_CTX_set_wait_fd(ctx, _KEY, 3, None, None)
    lib.ASYNC_WAIT_CTX_free(ctx)
    return ctx


def freed_get_all_fds() -> object:
    return _lib().ASYNC_WAIT_CTX_get_all_fds(_freed(), _BUFFER, _REF)


def freed_clear_fd() -> object:
    return _lib().ASYNC_WAIT_CTX_clear_fd(_freed(), _KEY)


def freed_twice() -> object:
    return _lib().ASYNC_WAIT_CTX_free(_freed())


def _free_with(touch: Callable[[int], object]) -> object:
    """Free a context with a cleanup that touches it."""
    lib = _lib()
    seen: list[object] = []
    ctx = lib.ASYNC_WAIT_CTX_new()
    cleanup = CLEANUP(lambda pointer, key, fd, data: seen.append(touch(pointer)))
    lib.ASYNC_WAIT_CTX_set_wait_fd(ctx, _KEY, 3, None, cleanup)
    lib.ASYNC_WAIT_CTX_free(ctx)
    return seen


def cleanup_clears_its_own_key() -> object:
    return _free_with(lambda ctx: _lib().ASYNC_WAIT_CTX_clear_fd(ctx, _KEY))


def cleanup_sets_another_fd() -> object:
    return _free_with(lambda ctx: _lib().ASYNC_WAIT_CTX_set_wait_fd(ctx, b"another key", 4, None, None))


def cleanup_frees_the_ctx() -> object:
    def free_once(ctx: int) -> object:
        calls.append(ctx)
        return _lib().ASYNC_WAIT_CTX_free(ctx) if len(calls) < 3 else None

    calls: list[int] = []
    return _free_with(free_once)


# Jobs


def _start(handle: ctypes.c_void_p, ctx: int | None, function: int | None) -> tuple[int, int]:
    ret = ctypes.c_int(-9)
    status = _lib().ASYNC_start_job(ctypes.byref(handle), ctx, ctypes.byref(ret), function, None, 0)
    return status, ret.value


def _paused_job(ctx: int | None) -> tuple[ctypes.c_void_p, int]:
    pause = load().address("ASYNC_pause_job")
    handle = ctypes.c_void_p()
    assert _start(handle, ctx, pause)[0] == 2
    return handle, pause


def start_inside_a_job() -> object:
    nested = (Op(Code.START, 1, 0, 1, -1), Op(Code.CURRENT), Op(Code.RETURN, 5))
    return driver().run(Program((Op(Code.START, 0, 0, 0, -1),), (nested, (Op(Code.RETURN, 6),))))


def resume_on_another_thread() -> object:
    handle, pause = _paused_job(_lib().ASYNC_WAIT_CTX_new())
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(_start(handle, None, pause)))
    thread.start()
    thread.join()
    return seen


def resume_a_finished_job() -> object:
    """A job that was put back into the pool is put there once more, so that two jobs share a stack.

    The last start should start a new job. Instead it resumes the paused one, and ends it.
    """
    ctx = _lib().ASYNC_WAIT_CTX_new()
    handle, pause = _paused_job(ctx)
    finished = ctypes.c_void_p(handle.value)
    _start(handle, ctx, pause)
    return [_start(finished, ctx, pause), _start(ctypes.c_void_p(), ctx, pause), _start(ctypes.c_void_p(), ctx, pause)]


def resume_with_a_freed_ctx() -> object:
    ctx = _lib().ASYNC_WAIT_CTX_new()
    _lib().ASYNC_WAIT_CTX_set_wait_fd(ctx, _KEY, 3, None, None)
    handle, pause = _paused_job(ctx)
    _lib().ASYNC_WAIT_CTX_free(ctx)
    return _start(handle, ctx, pause)


def resume_without_a_ctx() -> object:
    handle, pause = _paused_job(None)
    return _start(handle, None, pause)


def cleanup_thread_with_a_paused_job() -> object:
    """The job can still be resumed, but has no pool to go back to: an error is queued, and it leaks."""
    handle, pause = _paused_job(_lib().ASYNC_WAIT_CTX_new())
    _lib().ASYNC_cleanup_thread()
    return _start(handle, None, pause), load().pop_error()


def cleanup_thread_inside_a_job() -> object:
    return _start(ctypes.c_void_p(), None, load().address("ASYNC_cleanup_thread"))


def start_without_a_function() -> object:
    return _start(ctypes.c_void_p(), None, None)


def wait_ctx_of_null() -> object:
    return _lib().ASYNC_get_wait_ctx(None)
