"""Wait contexts with the same calls on either side, so that a test program runs on both.

`WaitDoor` is the Protocol of these calls. The module `waitctx.openssl` fits it as it is. `LibcryptoWaitDoor` calls the
real libcrypto by ctypes. Python objects become pointers by their identity, as keys are in C.

If C can be called with and without a buffer, `LibcryptoWaitDoor` does both and compares the answers: the count without
a buffer must be the length of the list with one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

from tests.oracle.errors import DisagreementError
from tests.oracle.libcrypto import CLEANUP, Libcrypto

_UNTOUCHED = -77777


class WaitDoor(Protocol):
    """The calls of openssl/async.h on wait contexts, outputs as tuples."""

    def ASYNC_WAIT_CTX_new(self) -> Any: ...

    def ASYNC_WAIT_CTX_free(self, ctx: Any, /) -> None: ...

    def ASYNC_WAIT_CTX_set_wait_fd(
        self, ctx: Any, key: object, fd: int, custom_data: Any, cleanup: Callable[..., object] | None, /
    ) -> int: ...

    def ASYNC_WAIT_CTX_get_fd(self, ctx: Any, key: object, /) -> tuple[int, int | None, Any]: ...

    def ASYNC_WAIT_CTX_get_all_fds(self, ctx: Any, /) -> tuple[int, list[int]]: ...

    def ASYNC_WAIT_CTX_get_changed_fds(self, ctx: Any, /) -> tuple[int, list[int], list[int]]: ...

    def ASYNC_WAIT_CTX_clear_fd(self, ctx: Any, key: object, /) -> int: ...

    def ASYNC_WAIT_CTX_set_callback(self, ctx: Any, callback: Callable[[Any], object] | None, arg: Any, /) -> int: ...

    def ASYNC_WAIT_CTX_get_callback(self, ctx: Any, /) -> tuple[int, Callable[[Any], object] | None, Any]: ...

    def ASYNC_WAIT_CTX_set_status(self, ctx: Any, status: int, /) -> int: ...

    def ASYNC_WAIT_CTX_get_status(self, ctx: Any, /) -> int: ...


class RealWaitCtx:
    """A pointer to libcrypto's context, with the Python objects that live behind its pointers."""

    __slots__ = ("objects", "pointer", "trampolines")

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer
        self.objects: dict[int, Any] = {}
        self.trampolines: list[Any] = []  # ctypes callbacks die with their last reference, so they are kept

    def keep(self, thing: Any) -> int | None:
        """The pointer that stands for a Python object; NULL for None."""
        if thing is None:
            return None
        self.objects[id(thing)] = thing
        return id(thing)

    def seen(self, pointer: int | None) -> Any:
        """The object behind a pointer that `keep` gave out."""
        return None if pointer is None else self.objects[pointer]


class LibcryptoWaitDoor:
    """A WaitDoor onto the real libcrypto."""

    def __init__(self, libcrypto: Libcrypto) -> None:
        self._lib = libcrypto.lib
        self._pause = libcrypto.address("ASYNC_pause_job")

    def ASYNC_WAIT_CTX_new(self) -> RealWaitCtx:
        return RealWaitCtx(self._lib.ASYNC_WAIT_CTX_new())

    def ASYNC_WAIT_CTX_free(self, ctx: RealWaitCtx | None) -> None:
        self._lib.ASYNC_WAIT_CTX_free(None if ctx is None else ctx.pointer)

    def ASYNC_WAIT_CTX_set_wait_fd(
        self, ctx: RealWaitCtx, key: object, fd: int, custom_data: Any, cleanup: Callable[..., object] | None
    ) -> int:
        trampoline = None
        if cleanup is not None:
            called = cleanup  # bound here, because the variable is read long after this call

            def run(pointer: int | None, key: int | None, fd: int, data: int | None) -> None:
                called(ctx if pointer == ctx.pointer else pointer, ctx.seen(key), fd, ctx.seen(data))

            trampoline = CLEANUP(run)
            ctx.trampolines.append(trampoline)
        result: int = self._lib.ASYNC_WAIT_CTX_set_wait_fd(
            ctx.pointer, ctx.keep(key), fd, ctx.keep(custom_data), trampoline
        )
        return result

    def ASYNC_WAIT_CTX_get_fd(self, ctx: RealWaitCtx, key: object) -> tuple[int, int | None, Any]:
        fd, data = ctypes.c_int(_UNTOUCHED), ctypes.c_void_p(id(ctx))
        found: int = self._lib.ASYNC_WAIT_CTX_get_fd(ctx.pointer, ctx.keep(key), ctypes.byref(fd), ctypes.byref(data))
        if not found:
            _same("outputs of get_fd that found nothing", (fd.value, data.value), (_UNTOUCHED, id(ctx)))
            return found, None, None
        return found, fd.value, ctx.seen(data.value)

    def ASYNC_WAIT_CTX_get_all_fds(self, ctx: RealWaitCtx) -> tuple[int, list[int]]:
        count = ctypes.c_size_t(_UNTOUCHED)
        self._lib.ASYNC_WAIT_CTX_get_all_fds(ctx.pointer, None, ctypes.byref(count))
        buffer = (ctypes.c_int * (count.value + 1))()
        buffer[count.value] = _UNTOUCHED
        again = ctypes.c_size_t(_UNTOUCHED)
        result: int = self._lib.ASYNC_WAIT_CTX_get_all_fds(ctx.pointer, buffer, ctypes.byref(again))
        _same("the count of all fds with and without a buffer", again.value, count.value)
        _same("what follows the last of all fds", buffer[count.value], _UNTOUCHED)
        return result, list(buffer[: count.value])

    def ASYNC_WAIT_CTX_get_changed_fds(self, ctx: RealWaitCtx) -> tuple[int, list[int], list[int]]:
        _, counts, _, _ = self._changed(ctx, None, None)
        alone: list[list[int] | None] = [None, None]
        for which in (0, 1):
            sizes = [counts[0] if which == 0 else None, counts[1] if which == 1 else None]
            _, counted, *lists = self._changed(ctx, *sizes)
            _same("the counts of changed fds, whichever buffer is given", counted, counts)
            alone[which] = lists[which]
        result, counted, added, deleted = self._changed(ctx, *counts)
        _same("the counts of changed fds with and without buffers", counted, counts)
        _same("changed fds asked for one by one and together", alone, [added, deleted])
        return result, added or [], deleted or []

    def _changed(
        self, ctx: RealWaitCtx, room_added: int | None, room_deleted: int | None
    ) -> tuple[int, tuple[int, int], list[int] | None, list[int] | None]:
        counts = ctypes.c_size_t(_UNTOUCHED), ctypes.c_size_t(_UNTOUCHED)
        buffers = [None if room is None else (ctypes.c_int * (room + 1))() for room in (room_added, room_deleted)]
        for buffer in buffers:
            if buffer is not None:
                buffer[-1] = _UNTOUCHED
        result: int = self._lib.ASYNC_WAIT_CTX_get_changed_fds(
            ctx.pointer, buffers[0], ctypes.byref(counts[0]), buffers[1], ctypes.byref(counts[1])
        )
        for buffer in buffers:
            if buffer is not None:
                _same("what follows the last changed fd", buffer[-1], _UNTOUCHED)
        lists = [None if buffer is None else list(buffer[:-1]) for buffer in buffers]
        return result, (counts[0].value, counts[1].value), lists[0], lists[1]

    def ASYNC_WAIT_CTX_clear_fd(self, ctx: RealWaitCtx, key: object) -> int:
        result: int = self._lib.ASYNC_WAIT_CTX_clear_fd(ctx.pointer, ctx.keep(key))
        return result

    def ASYNC_WAIT_CTX_set_callback(
        self, ctx: RealWaitCtx | None, callback: Callable[[Any], object] | None, arg: Any
    ) -> int:
        if ctx is None:
            failed: int = self._lib.ASYNC_WAIT_CTX_set_callback(None, None, None)
            return failed
        result: int = self._lib.ASYNC_WAIT_CTX_set_callback(ctx.pointer, ctx.keep(callback), ctx.keep(arg))
        return result

    def ASYNC_WAIT_CTX_get_callback(self, ctx: RealWaitCtx) -> tuple[int, Callable[[Any], object] | None, Any]:
        callback, arg = ctypes.c_void_p(id(ctx)), ctypes.c_void_p(id(ctx))
        found: int = self._lib.ASYNC_WAIT_CTX_get_callback(ctx.pointer, ctypes.byref(callback), ctypes.byref(arg))
        if not found:
            _same("outputs of get_callback without one", (callback.value, arg.value), (id(ctx), id(ctx)))
            return found, None, None
        return found, ctx.seen(callback.value), ctx.seen(arg.value)

    def ASYNC_WAIT_CTX_set_status(self, ctx: RealWaitCtx, status: int) -> int:
        result: int = self._lib.ASYNC_WAIT_CTX_set_status(ctx.pointer, status)
        return result

    def ASYNC_WAIT_CTX_get_status(self, ctx: RealWaitCtx) -> int:
        status: int = self._lib.ASYNC_WAIT_CTX_get_status(ctx.pointer)
        return status

    def resume_once(self, ctx: RealWaitCtx) -> None:
        """Let a job on this context pause and resume, which starts a new list of changes.

        The job's function is ASYNC_pause_job itself, so that no Python runs on the fibre.
        """
        job, ret = ctypes.c_void_p(), ctypes.c_int(_UNTOUCHED)
        answers = [
            self._lib.ASYNC_start_job(ctypes.byref(job), ctx.pointer, ctypes.byref(ret), self._pause, None, 0)
            for _ in range(2)
        ]
        _same("a job that pauses once", (answers, ret.value, job.value), ([2, 3], 1, None))


def _same(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise DisagreementError(f"libcrypto disagrees with itself on {what}: {got!r}, not {expected!r}")
