"""Wake tokens as file descriptors: eventfd and pipe. The one file of this package that makes fds.

A token is written by whoever completes an operation, perhaps on another thread, and drained by the job. A lock keeps a
write from meeting an fd that is just being closed: its number may belong to another file a moment later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
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
        """Make it readable, from any thread. False if that is impossible because the fd was closed."""
        ...

    def put_locked(self) -> bool:
        """The same, by who holds the lock."""
        ...

    def drain(self) -> bool:
        """Take all tokens; whether there was one. OperationError if the fd was closed behind our back."""
        ...

    def close(self) -> None:
        """Close the fd. Calling again does nothing."""
        ...

    def disown(self) -> None:
        """The same in the child of a fork, where a thread that is not there may hold the lock."""
        ...


if HAS_EVENTFD:
    # Through PyDLL, which keeps the GIL: os.eventfd_read gives it away for a call of 0.2 us, and with a worker at work
    # has to wait 5 to 10 us to get it back. With 64 jobs by fd that is half of all time: 105,000 operations/s so,
    # 160,000 with this. The same of os.eventfd_write: whom the first of many tokens wakes would take the GIL from who
    # writes them. The counter's value is not of interest, so all share the place it goes to.
    _libc = ctypes.PyDLL(None, use_errno=True)
    _eventfd_write = _libc.eventfd_write
    _eventfd_write.argtypes = [ctypes.c_int, ctypes.c_uint64]
    _eventfd_read = _libc.eventfd_read
    _eventfd_read.argtypes = [ctypes.c_int, ctypes.c_void_p]
    _counter = ctypes.c_uint64()
    _counter_address = ctypes.addressof(_counter)


class EventFd:
    """A token in an eventfd (Linux): one fd, any number of tokens drained at once."""

    __slots__ = ("__weakref__", "fd", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def put(self) -> bool:
        with self.lock:
            return self.put_locked()

    def put_locked(self) -> bool:
        if self.fd < 0:
            return False
        if _eventfd_write(self.fd, 1) == 0:
            return True
        code = ctypes.get_errno()
        if code == errno.EAGAIN:  # full of tokens: readable all the same
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
            fd, self.fd = self.fd, -1  # never to be closed by us: its number may be another file's by now
            _open.pop(fd, None)
        return _closed(fd)

    def disown(self) -> None:
        self.lock = threading.Lock()
        self.close()

    def __del__(self) -> None:
        """For where an exception came before it was put into its wait context, or kept that from being closed."""
        if getattr(self, "fd", -1) >= 0:
            self.close()

    def close(self) -> None:
        if interpreter_ends():  # with it, all fds go
            return
        with self.lock:
            fd, self.fd = self.fd, -1
            _open.pop(fd, None)
        _close_quietly(fd)


class Pipe:
    """A token in a pipe (any POSIX): two fds, of which the reading one is announced."""

    __slots__ = ("__weakref__", "_write_fd", "fd", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fd, self._write_fd = os.pipe()
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
            fd, self.fd = self.fd, -1  # never to be closed by us: its number may be another file's by now
            _open.pop(fd, None)
        self.close()  # the other end
        return _closed(fd)

    def disown(self) -> None:
        self.lock = threading.Lock()
        self.close()

    def __del__(self) -> None:
        """For where an exception came before it was put into its wait context, or kept that from being closed."""
        if getattr(self, "fd", -1) >= 0:
            self.close()

    def close(self) -> None:
        if interpreter_ends():  # with it, all fds go
            return
        with self.lock:
            fds, self.fd, self._write_fd = (self.fd, self._write_fd), -1, -1
            _open.pop(fds[0], None)
        for fd in fds:
            _close_quietly(fd)


def wake_fd(kind: str = "fd") -> WakeFd:
    """An eventfd for "fd" where the system has them, else a pipe."""
    made = EventFd() if kind == "fd" and HAS_EVENTFD else Pipe()
    _open[made.fd] = made
    return made


def is_wake_fd(fd: int) -> bool:
    """Whether it is one of these: readable only when somebody was woken, and never for anything else."""
    return fd in _open


def _closed(fd: int) -> OperationError:
    return OperationError(
        f"the wait fd {fd} was closed behind the engine's back: it belongs to the wait context, "
        "whose close() closes it; an application only polls it"
    )


def _close_quietly(fd: int) -> None:
    """Close it, unless somebody else has: at the end of a context there is nothing left to tell them."""
    if fd >= 0:
        try:
            os.close(fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise


_open: WeakValueDictionary[int, WakeFd] = WeakValueDictionary()


def _after_fork_in_child() -> None:
    """The child's wake fds are the parent's: a token that is taken here is lost there. So the child lets go of them."""
    for wake_fd in list(_open.values()):
        wake_fd.disown()
    _open.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
