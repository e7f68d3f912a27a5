"""Who may use a device, and a record of those who were turned away.

The kernel says who connected (SO_PEERCRED, SO_PEERGROUPS), so nobody can pretend to be somebody else.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from struct import Struct
from typing import Any

from simaccel.bridge.peer import credentials, group
from simaccel.bridge.users import user_name

SO_PEERGROUPS = 59
MAX_GROUPS = 256
"""How many supplementary groups of a peer we ask the kernel for. A user with more is treated as being in none."""

MAX_ROWS = 64
"""How many rows of refusals are kept. A user that can change its uid must not make the list grow for ever."""

_GID = Struct("I")


@dataclass(slots=True)
class Refused:
    """The refusals of one user for one reason."""

    uid: int
    why: str
    pid: int
    """The process that was refused last."""
    times: int = 0

    def __str__(self) -> str:
        return f"refused pid {self.pid} of user {user_name(self.uid)}: {self.why}"


class Admission:
    """Decides who gets in. Belongs to the server's thread, except `rows`, which any thread may call.

    - `uids`: users that may connect, besides our own and root. `gid`: a group whose members may, or None.
    - `admit`: says of a process, by its pid, whether it may connect though its user may not. Called in the server's
      thread.
    - `own_process`: whether clients in the device's own process may connect. An OpenSSL provider in this process would
      wait for the thread that serves it, and it may run in that very thread.
    - `tell`: called with the first refusal of each user, in the server's thread.
    """

    def __init__(
        self,
        uids: tuple[int, ...],
        gid: int | None,
        own_process: bool,
        tell: Callable[[Refused], object] | None,
        admit: Callable[[int], bool] | None = None,
    ) -> None:
        self._uids = frozenset({os.geteuid(), 0, *uids})
        self._gid = gid
        self._own_pid = None if own_process else os.getpid()
        self._tell = tell
        self._admit = admit
        self._rows: dict[tuple[int, str], Refused] = {}
        self.unlisted = 0
        """Refusals of users for whom there was no row left."""

    def refusal_of_peer(self, connection: socket.socket) -> str | None:
        """Why the peer may not send anything, or None if it may."""
        pid, uid = credentials(connection)
        if uid in self._uids or self._is_member(connection) or (self._admit is not None and self._admit(pid)):
            return None
        why = f"user {uid} may not use this device: allow it with --allow-user {uid}"
        self._note(uid, pid, why)
        return why

    def refusal_of_client(self, connection: socket.socket) -> str | None:
        """Why the peer may not become a client, or None if it may."""
        pid, uid = credentials(connection)
        if pid != self._own_pid:
            return None
        why = "a device can't be its own client: start it without the provider in its OPENSSL_CONF"
        self._note(uid, pid, why)
        return why

    def rows(self) -> list[dict[str, Any]]:
        """Each user that was refused, with the reason and how often, as plain data for JSON."""
        return [asdict(row) for row in list(self._rows.values())]

    def _is_member(self, connection: socket.socket) -> bool:
        if self._gid is None:
            return False
        if group(connection) == self._gid:
            return True
        try:
            groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, MAX_GROUPS * _GID.size)
        except OSError:  # more groups than we can ask for
            return False
        return (self._gid,) in _GID.iter_unpack(groups)

    def _note(self, uid: int, pid: int, why: str) -> None:
        row = self._rows.get((uid, why))
        if row is None:
            if len(self._rows) >= MAX_ROWS:
                self.unlisted += 1
                return
            row = self._rows[uid, why] = Refused(uid, why, pid)
            if self._tell is not None:
                self._tell(row)
        row.pid = pid
        row.times += 1
