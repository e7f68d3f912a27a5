"""Wake tokens as file descriptors: eventfd and pipe. The one file of this package that makes fds.

A token is written by whoever completes an operation, perhaps on another thread, and drained by the job. A lock keeps a
write from meeting an fd that is just being closed: its number may belong to another file a moment later.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import Protocol

from engine.errors import OperationError

HAS_EVENTFD = hasattr(os, "eventfd")


class WakeFd(Protocol):
    """A non-blocking fd that is readable while a token is in it."""

    fd: int

    def put(self) -> bool:
        """Make it readable, from any thread. False if that is impossible because the fd was closed."""
        ...

    def drain(self) -> bool:
        """Take all tokens; whether there was one. OperationError if the fd was closed behind our back."""
        ...

    def close(self) -> None:
        """Close the fd. Calling again does nothing."""
        ...


class EventFd:
    """A token in an eventfd (Linux): one fd, any number of tokens drained at once."""

    __slots__ = ("_lock", "fd")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def put(self) -> bool:
        with self._lock:
            if self.fd < 0:
                return False
            try:
                os.eventfd_write(self.fd, 1)
            except BlockingIOError:  # full of tokens: readable all the same
                return True
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
                return False
        return True

    def drain(self) -> bool:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _closed(self.fd) from error
        return True

    def close(self) -> None:
        with self._lock:
            fd, self.fd = self.fd, -1
        _close_quietly(fd)


class Pipe:
    """A token in a pipe (any POSIX): two fds, of which the reading one is announced."""

    __slots__ = ("_lock", "_write_fd", "fd")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)

    def put(self) -> bool:
        with self._lock:
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
            raise _closed(self.fd) from error
        return True

    def close(self) -> None:
        with self._lock:
            fds, self.fd, self._write_fd = (self.fd, self._write_fd), -1, -1
        for fd in fds:
            _close_quietly(fd)


def wake_fd(kind: str = "fd") -> WakeFd:
    """An eventfd for "fd" where the system has them, else a pipe."""
    return EventFd() if kind == "fd" and HAS_EVENTFD else Pipe()


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
