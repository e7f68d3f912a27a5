"""Tells the service manager, which is systemd on most machines, that a process of ours is ready or about to end.

The protocol is that of sd_notify(3): one datagram of assignments to the socket that NOTIFY_SOCKET names. Without the
variable nobody wants to know.
"""

from __future__ import annotations

import os
import socket

from simaccel.bridge.wire import socket_address
from simaccel.cli.exits import complain

VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """What one process says to its service manager. Says nothing if it has none."""

    def __init__(self) -> None:
        """Takes the address out of the environment: a child's message would be taken for one of this process."""
        self._address = os.environ.pop(VARIABLE, "")

    def ready(self, status: str) -> None:
        """The process serves. `status` is one line that `systemctl status` shows."""
        self._tell(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """The process has begun to end."""
        self._tell("STOPPING=1")

    def _tell(self, assignments: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(socket_address(self._address))
                sender.send(assignments.encode())
        except (OSError, ValueError) as error:
            complain(f"{VARIABLE}={self._address}: the service manager can't be told: {error}")
