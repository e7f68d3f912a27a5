"""The server's socket: a path or an abstract name. We take over the socket of a server that is dead, but not that of
one that runs."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sim.errors import UsageError
from simaccel.bridge.wire import socket_address


def listen(name: str, mode: int = 0o600, gid: int | None = None) -> socket.socket:
    """A listening socket that does not block. The file of a path gets that mode and, unless it is None, that group.

    Raises UsageError if the name or the group can't be used, or if a device is there already.
    """
    try:
        address = socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # Until it listens, the socket looks as if its server were dead. So no other device may look at it before.
        with _locked_folder(name):
            _bind(listener, name, address, mode)
            if gid is not None:
                _give_to_group(name, gid)
            listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def _locked_folder(name: str) -> Iterator[None]:
    """Locks out other devices that begin or end in that folder. Does nothing for an abstract name: it has no file."""
    if name.startswith("@"):
        yield
        return
    try:
        folder = os.open(os.path.dirname(name) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"socket {name!r}: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _bind(listener: socket.socket, name: str, address: str, mode: int) -> None:
    # bind gives the file its mode, by the umask. With a chmod later anybody could connect in between.
    before = os.umask(0o777 & ~mode)
    try:
        try:
            listener.bind(address)
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"socket {name!r}: {error.strerror}") from None
        if name.startswith("@") or _answers(address):
            raise UsageError(f"socket {name!r}: a device is running there; stop it, or choose another name") from None
        _remove_stale(name)
        try:
            listener.bind(address)
        except OSError as error:
            raise UsageError(f"socket {name!r}: {error.strerror}") from None
    finally:
        os.umask(before)


def _give_to_group(name: str, gid: int) -> None:
    if name.startswith("@"):  # no file: `Admission` checks the group when somebody connects
        return
    try:
        os.chown(name, -1, gid, follow_symlinks=False)
    except OSError as error:
        os.unlink(name)
        raise UsageError(
            f"socket {name!r} can't be group {gid}'s: {error.strerror}; use a group that you are in"
        ) from None


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except BlockingIOError:  # its backlog is full, so it lives
            return True
        except OSError as error:
            # Only these two mean that nobody listens. With any other error leave it alone.
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    return True


def _remove_stale(name: str) -> None:
    if not stat.S_ISSOCK(os.lstat(name).st_mode):
        raise UsageError(f"{name!r} exists and is no socket: choose another name")
    os.unlink(name)


def identity(name: str) -> tuple[int, int] | None:
    """The device and the inode of a socket's file. None for an abstract name, or if there is no file."""
    if name.startswith("@"):
        return None
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unlink(name: str, mine: tuple[int, int] | None) -> None:
    """Removes the file of a socket that still listens, if it is still the one that `identity` gave after `listen`."""
    if mine is None:
        return
    with suppress(UsageError), _locked_folder(name):  # the folder may have gone
        if identity(name) == mine:
            os.unlink(name)
