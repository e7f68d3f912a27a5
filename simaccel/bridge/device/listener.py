"""The server's socket: a path or an abstract name, taken over from a dead server and left to a living one."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sim.errors import UsageError
from simaccel.bridge.wire import socket_address

_UCRED = struct.Struct("iII")


def listen(name: str, mode: int = 0o600, gid: int | None = None) -> socket.socket:
    """A listening socket; the file of a path has that mode and, unless it is None, that group.

    Raises UsageError if the name or the group can't be used, or a device is there already.
    """
    try:
        address = socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # Until it listens it looks as a stale one does, so nobody else may look meanwhile.
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
    """Against other devices that begin or end in that folder. Nothing for an abstract name: the kernel ends that."""
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
    # The mode of the socket's file is what bind makes it: a chmod afterwards would leave a moment in between.
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
    if name.startswith("@"):  # no file: the group is looked at when somebody connects
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
            # Anything but "nobody listens": leave it alone.
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    return True


def _remove_stale(name: str) -> None:
    if not stat.S_ISSOCK(os.lstat(name).st_mode):
        raise UsageError(f"{name!r} is there and is no socket: choose another name")
    os.unlink(name)


def identity(name: str) -> tuple[int, int] | None:
    """Which file a socket's path leads to; None for an abstract name, or if there is none."""
    if name.startswith("@"):
        return None
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unlink(name: str, mine: tuple[int, int] | None) -> None:
    """The end of `listen`, while it still listens: removes the file, if that is still the one that `identity` told."""
    if mine is None:
        return
    with suppress(UsageError), _locked_folder(name):  # the folder may have gone
        if identity(name) == mine:
            os.unlink(name)


def credentials(connection: socket.socket) -> tuple[int, int]:
    """The pid and uid of whoever connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return pid, uid
