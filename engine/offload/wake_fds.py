"""Wake fds: file descriptors that hold wake tokens. The one file of this package that makes fds.

The thread that completes an operation writes a token, which makes the fd readable. The job that is resumed drains it. A
lock keeps a token from being written while the fd is being closed: a moment later its number may be another file's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Sequence
from itertools import starmap
from typing import Protocol
from weakref import WeakValueDictionary

from engine.ending import interpreter_ends
from engine.errors import OperationError

HAS_EVENTFD = hasattr(os, "eventfd")


class WakeFd(Protocol):
    """A non-blocking fd that is readable while a token is in it."""

    fd: int
    lock: threading.Lock

    def put(self) -> bool:
        """Make it readable. Any thread. Returns False if the fd was closed."""
        ...

    def put_locked(self) -> bool:
        """The same, for a caller that holds the lock."""
        ...

    def drain(self) -> bool:
        """Take all tokens. Returns whether there was one. Raises OperationError if somebody else closed the fd."""
        ...

    def close(self) -> None:
        """Close the fd. Calling again does nothing."""
        ...

    def disown(self) -> None:
        """Close it in the child of a fork, where the lock may be held by a thread that exists only in the parent."""
        ...


if HAS_EVENTFD:
    # Called through PyDLL, which keeps the GIL. os.eventfd_read gives the GIL away for a call of 0.2 us, and while a
    # worker runs it takes 5 to 10 us to get it back: with 64 jobs by fd, half of all time (105,000 operations/s, and
    # 160,000 with PyDLL). os.eventfd_write is as bad: the thread woken by the first token would take the GIL from the
    # thread that is still writing the others. Nobody needs the counter's value, so all reads share one buffer.
    _libc = ctypes.PyDLL(None, use_errno=True)
    _eventfd_write = _libc.eventfd_write
    _eventfd_write.argtypes = [ctypes.c_int, ctypes.c_uint64]
    _eventfd_read = _libc.eventfd_read
    _eventfd_read.argtypes = [ctypes.c_int, ctypes.c_void_p]
    _counter = ctypes.c_uint64()
    _counter_address = ctypes.addressof(_counter)


class EventFd:
    """Tokens in an eventfd (Linux): one fd, all tokens drained by one read."""

    __slots__ = ("__weakref__", "_closing", "fd", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fd = -1
        self._closing: Sequence[int] = ()
        """Open fds that are in no other attribute. See `_close_all`."""
        next(map(setattr, (self,), ("fd",), starmap(os.eventfd, ((0, os.EFD_NONBLOCK | os.EFD_CLOEXEC),))))

    def put(self) -> bool:
        with self.lock:
            return self.put_locked()

    def put_locked(self) -> bool:
        if self.fd < 0:
            return False
        if _eventfd_write(self.fd, 1) == 0:
            return True
        code = ctypes.get_errno()
        if code == errno.EAGAIN:  # full of tokens, and so readable
            return True
        if code != errno.EBADF:
            raise OSError(code, os.strerror(code))
        return False

    def drain(self) -> bool:
        if _eventfd_read(self.fd, _counter_address) == 0:
            return True
        if ctypes.get_errno() != errno.EAGAIN:
            raise self._lost()
        return False

    def _lost(self) -> OperationError:
        with self.lock:
            fd, self.fd = self.fd, -1  # we must not close it: its number may be another file's by now
            _open.pop(fd, None)
        return _closed(fd)

    def disown(self) -> None:
        self.lock = threading.Lock()
        self.close()

    def __del__(self) -> None:
        """Close it if an exception kept it out of a wait context, or kept that context from being closed."""
        if getattr(self, "fd", -1) >= 0 or getattr(self, "_closing", ()):
            self.close()

    def close(self) -> None:
        if interpreter_ends():  # the system closes all fds
            return
        with self.lock:
            fd = self.fd
            closing = [one for one in (*self._closing, fd) if one >= 0]
            self._closing, self.fd = closing, -1
            _open.pop(fd, None)
        _close_all(closing)


class Pipe:
    """Tokens in a pipe (any POSIX): two fds. Wait contexts announce `fd`, the reading end."""

    __slots__ = ("__weakref__", "_closing", "_write_fd", "fd", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fd = self._write_fd = -1
        self._closing: Sequence[int] = ()
        """Open fds that are in no other attribute. See `_close_all`."""
        next(map(setattr, (self,), ("_closing",), starmap(os.pipe, ((),))))
        # No exception comes between these two, for nothing is called there.
        self.fd, self._write_fd = self._closing  # type: ignore[misc]  # which that call has set
        self._closing = ()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)

    def put(self) -> bool:
        with self.lock:
            return self.put_locked()

    def put_locked(self) -> bool:
        if self._write_fd < 0:
            return False
        try:
            os.write(self._write_fd, b"\1")
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            return False
        return True

    def drain(self) -> bool:
        found = False
        try:
            while len(os.read(self.fd, 512)) == 512:
                found = True
        except BlockingIOError:
            return found
        except OSError as error:
            raise self._lost() from error
        return True

    def _lost(self) -> OperationError:
        with self.lock:
            fd, self.fd = self.fd, -1  # we must not close it: its number may be another file's by now
            _open.pop(fd, None)
        self.close()  # the other end
        return _closed(fd)

    def disown(self) -> None:
        self.lock = threading.Lock()
        self.close()

    def __del__(self) -> None:
        """Close it if an exception kept it out of a wait context, or kept that context from being closed."""
        if getattr(self, "fd", -1) >= 0 or getattr(self, "_closing", ()):
            self.close()

    def close(self) -> None:
        if interpreter_ends():  # the system closes all fds
            return
        with self.lock:
            fd = self.fd
            closing = [one for one in (*self._closing, fd, self._write_fd) if one >= 0]
            self._closing, self.fd, self._write_fd = closing, -1, -1
            _open.pop(fd, None)
        _close_all(closing)


def wake_fd(kind: str = "fd") -> WakeFd:
    """A new wake fd: an eventfd for kind "fd" where the system has them, else a pipe."""
    made = EventFd() if kind == "fd" and HAS_EVENTFD else Pipe()
    _open[made.fd] = made
    return made


def is_wake_fd(fd: int) -> bool:
    """Whether this fd is an open wake fd. It then becomes readable only by a wake, and never for another reason."""
    return fd in _open


def _closed(fd: int) -> OperationError:
    return OperationError(
        f"the wait fd {fd} was closed by somebody else: it belongs to the wait context, "
        "whose close() closes it; an application only polls it"
    )


def _close_all(closing: list[int]) -> None:
    """Close these. An fd that somebody else has closed is passed over: nobody is left to be told.

    An open fd must be in an attribute of its owner, and a closed one must not, also if Ctrl-C comes. So one call of C
    makes an fd and stores it in an attribute, and one call takes it off this list and closes it: CPython runs no
    signal handler inside a call of C. After an exception the next `close` goes on, or the collector.
    """
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
    """Close the child's copies. They share their tokens with the parent's: one that is drained here is lost there."""
    for wake_fd in list(_open.values()):
        wake_fd.disown()
    _open.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
