"""Wake fds: file descriptors that hold wake tokens. This is the only file of the package that makes fds.

The thread that completes an operation writes a token, which makes the fd readable. The job that is resumed drains it. A
lock keeps a token from being written while the fd is being closed: a moment later its number may be another file's.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from itertools import starmap
from weakref import WeakValueDictionary

from engine.ending import interpreter_ends
from engine.errors import OperationError
from engine.offload.tokens import MOST_BYTES, last_errno, read_bytes, write_byte

HAS_EVENTFD = hasattr(os, "eventfd")
if HAS_EVENTFD:
    from engine.offload.tokens import BUFFER, read_tokens, write_tokens


class WakeFd:
    """A non-blocking fd that is readable while a token is in it. It is open from the start until `close`.

    An open fd must be in an attribute of this object, and a closed one must not, even if Ctrl-C comes. So one call of C
    makes an fd and stores it in an attribute, and one call of C takes it off `_closing` and closes it: CPython runs no
    signal handler inside a call of C. If an exception ends `close`, the next `close` goes on, or the collector does.
    """

    __slots__ = ("__weakref__", "_closing", "fd", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fd = -1
        """The fd to be polled; -1 once it is closed."""
        self._closing: Sequence[int] = ()
        """Open fds that are in no other attribute: `close` has begun, or `__init__` has not ended."""

    def put(self) -> bool:
        """Make it readable. Any thread. Returns False if the fd was closed."""
        with self.lock:
            return self.put_locked()

    def put_locked(self) -> bool:
        """The same as `put`, for a caller that holds the lock."""
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def drain(self) -> bool:
        """Take all tokens. Returns whether there was one. Raises OperationError if somebody else closed the fd."""
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def _move_to_closing(self) -> None:
        """Move all fds into `_closing`, without a call between the first and the last assignment."""
        raise NotImplementedError  # pragma: no cover - both kinds have their own

    def close(self) -> None:
        """Close the fd. Calling it again does nothing."""
        if interpreter_ends():  # the system closes all fds
            return
        with self.lock:
            fd = self.fd
            self._move_to_closing()
            _open.pop(fd, None)
        _close_all(self._closing)  # type: ignore[arg-type]  # a list by now

    def disown(self) -> None:
        """Close it in the child of a fork, where the lock may be held by a thread that exists only in the parent."""
        self.lock = threading.Lock()
        self.close()

    def _lost(self) -> OperationError:
        """Somebody else has closed the fd. Forget it, and return the exception to raise."""
        with self.lock:
            fd, self.fd = self.fd, -1  # we must not close it, because its number may be another file's by now
            _open.pop(fd, None)
        self.close()  # the other end, if there is one
        return _closed(fd)

    def __del__(self) -> None:
        """Close it if an exception kept it out of a wait context, or kept that context from being closed."""
        if getattr(self, "fd", -1) >= 0 or getattr(self, "_closing", ()):
            try:
                self.close()
            except BaseException:  # such as Ctrl-C: after this, nobody goes on with it
                self.close()
                raise


class EventFd(WakeFd):
    """Tokens in an eventfd (Linux): one fd, and one read drains all tokens."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        next(map(setattr, (self,), ("fd",), starmap(os.eventfd, ((0, os.EFD_NONBLOCK | os.EFD_CLOEXEC),))))

    def put_locked(self) -> bool:
        if self.fd < 0:
            return False
        return write_tokens(self.fd, 1) == 0 or _is_full()

    def drain(self) -> bool:
        if read_tokens(self.fd, BUFFER) == 0:
            return True
        if last_errno() != errno.EAGAIN:
            raise self._lost()
        return False

    def _move_to_closing(self) -> None:
        closing = [one for one in (*self._closing, self.fd) if one >= 0]
        self._closing, self.fd = closing, -1


class Pipe(WakeFd):
    """Tokens in a pipe (any POSIX): two fds. Wait contexts announce `fd`, the reading end."""

    __slots__ = ("_write_fd",)

    def __init__(self) -> None:
        super().__init__()
        self._write_fd = -1
        next(map(setattr, (self,), ("_closing",), starmap(os.pipe, ((),))))
        # Nothing is called between these two, so no exception can come there.
        self.fd, self._write_fd = self._closing
        self._closing = ()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)

    def put_locked(self) -> bool:
        if self._write_fd < 0:
            return False
        return write_byte(self._write_fd) == 1 or _is_full()

    def drain(self) -> bool:
        found = False
        while (count := read_bytes(self.fd)) == MOST_BYTES:
            found = True
        if count >= 0:
            return True
        if last_errno() != errno.EAGAIN:
            raise self._lost()
        return found

    def _move_to_closing(self) -> None:
        closing = [one for one in (*self._closing, self.fd, self._write_fd) if one >= 0]
        self._closing, self.fd, self._write_fd = closing, -1, -1


def wake_fd(kind: str = "fd") -> WakeFd:
    """A new wake fd: an eventfd for kind "fd" where the system has them, else a pipe."""
    made = EventFd() if kind == "fd" and HAS_EVENTFD else Pipe()
    _open[made.fd] = made
    return made


def is_wake_fd(fd: int) -> bool:
    """Whether this fd is an open wake fd. If so, nothing but a wake makes it readable."""
    return fd in _open


def _is_full() -> bool:
    """After a write that failed: True if the fd is full of tokens, and so readable, False if it was closed. Raises
    OSError for any other reason."""
    code = last_errno()
    if code not in (errno.EAGAIN, errno.EBADF, errno.EPIPE):
        raise OSError(code, os.strerror(code))
    return code == errno.EAGAIN


def _closed(fd: int) -> OperationError:
    return OperationError(
        f"the wait fd {fd} was closed by somebody else: it belongs to the wait context, "
        "whose close() closes it; an application only polls it"
    )


def _close_all(closing: list[int]) -> None:
    """Close these fds, and take each off the list. An fd that somebody else has closed is passed over."""
    while closing:
        step = map(os.close, iter(closing.pop, None))
        try:
            next(step)
        except IndexError:  # another thread was faster
            return
        except OSError as error:
            if error.errno != errno.EBADF:
                raise


_open: WeakValueDictionary[int, WakeFd] = WeakValueDictionary()


def _after_fork_in_child() -> None:
    """Close the child's copies. They share their tokens with the parent: a token that is drained here is lost there."""
    for wake_fd in list(_open.values()):
        wake_fd.disown()
    _open.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
