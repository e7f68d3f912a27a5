"""Who is at the other end of a socket. The kernel says it, so nobody can pretend to be somebody else."""

from __future__ import annotations

import socket
import struct

_UCRED = struct.Struct("iII")


def credentials(connection: socket.socket) -> tuple[int, int]:
    """The pid and the uid of the process that connected, or, from a client's side, of the one that listens."""
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid


def group(connection: socket.socket) -> int:
    """The gid of that process."""
    gid: int = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[2]
    return gid
