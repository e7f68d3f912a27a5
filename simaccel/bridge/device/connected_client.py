"""One connected client, seen from the device: its control socket, memory, interrupt, and keys."""

from __future__ import annotations

import os
import select
import socket
from contextlib import ExitStack

from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.key_table import KeyTable
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.device.wake_times import ClientWakes
from simaccel.bridge.wire import Layout


class ConnectedClient:
    """A connection with memory of its own. Belongs to the server's thread."""

    __slots__ = (
        "_interrupt",
        "control",
        "cost_ns",
        "doorbell",
        "endpoint",
        "keys",
        "memory",
        "pid",
        "serial",
        "times_full",
        "uid",
        "wakes",
    )

    def __init__(self, control: socket.socket, layout: Layout, pid: int, uid: int, serial: int) -> None:
        """`serial` is higher than that of any client before. Raises OSError if there are no fds left for it."""
        self.control = control
        self.pid = pid
        self.uid = uid
        self.serial = serial
        self.keys = KeyTable()
        self.times_full = 0
        """How often the server's thread found its ring full."""
        self.cost_ns = 1
        """How long the server's thread took on average for a submission of this client at the last visit."""
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        with ExitStack() as opened:  # in case there are no fds left for all of it
            self.memory = Memory(layout)
            opened.callback(self.memory.close_fd)
            interrupt = os.eventfd(0, flags)
            opened.callback(os.close, interrupt)
            self.wakes = ClientWakes(self.memory)
            self.endpoint = Endpoint(self.memory, interrupt)
            # A process that has an eventfd can make it blocking and fill it, and then every write to it blocks. So the
            # client does not get our eventfd. It gets an epoll that watches ours for edges. It can wait for that and
            # acknowledge it, but can't reach the eventfd through it.
            self._interrupt: select.epoll | None = select.epoll()
            self._interrupt.register(interrupt, select.EPOLLIN | select.EPOLLET)
            opened.callback(self._interrupt.close)
            self.doorbell = os.eventfd(0, flags)
            """Watched for edges and never read: a client could make a read block."""
            opened.pop_all()

    @property
    def welcome_fds(self) -> list[int]:
        """The fds that the client gets with the welcome."""
        assert self._interrupt is not None
        return [self.memory.fd, self.doorbell, self._interrupt.fileno()]

    def welcomed(self) -> None:
        """The client has its fds. We keep only the mapping, the doorbell and our end of the interrupt."""
        assert self._interrupt is not None
        self.memory.close_fd()
        self._interrupt.close()
        self._interrupt = None

    @property
    def ring_is_full(self) -> bool:
        """Whether it can submit nothing more until something completes."""
        return self.memory.waiting + self.endpoint.outstanding >= self.memory.layout.entries

    def fetch(self, budget: int) -> list[tuple[int, ...]]:
        """Its next submissions, at most `budget`. Raises Violation; then the client must go."""
        endpoint = self.endpoint
        batch = self.memory.fetch(budget, endpoint.outstanding)
        endpoint.fetched(len(batch))
        return batch

    def close(self) -> None:
        """Frees everything, because the client is gone or could not be welcomed."""
        if self._interrupt is not None:
            self.welcomed()
        self.endpoint.close()
        self.keys.clear()
        os.close(self.doorbell)
        self.control.close()
