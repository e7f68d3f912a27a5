"""The server's socket: a path or an abstract name, taken over from a dead server and left to a living one."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from contextlib import suppress

from sim.bridge.wire import socket_address
from sim.errors import UsageError

_UCRED = struct.Struct("iII")


def listen(name: str) -> socket.socket:
    """A listening socket. Raises UsageError if the name can't be used, or a device is there already."""
    try:
        address = socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _bind(listener, name, address)
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, name: str, address: str) -> None:
    # The mode of the socket's file is what bind makes it: a chmod afterwards would leave a moment in between.
    before = os.umask(0o177)
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


def unlink(name: str) -> None:
    """The end of `listen` for a path."""
    if not name.startswith("@"):
        with suppress(FileNotFoundError):
            os.unlink(name)


def credentials(connection: socket.socket) -> tuple[int, int]:
    """The pid and uid of whoever connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return pid, uid
