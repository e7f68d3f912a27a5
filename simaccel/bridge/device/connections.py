"""The connections of a device process: who is let in, what they say on the control socket, and how they end."""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sim.errors import UsageError
from sim.unraisable import report_unraisable
from simaccel.bridge import wire
from simaccel.bridge.device.admission import Admission
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.executors import Executors
from simaccel.bridge.device.memory import Violation
from simaccel.bridge.device.totals import Totals, page
from simaccel.bridge.peer import credentials
from simaccel.bridge.wire import Layout, Message

ACCEPTED_AT_ONCE = 32
"""How many connections are let in before clients are served again. Each takes about 100 us."""

SPARE_FDS = 8
"""How many fds stay free when clients are let in, so that `simaccel stat` always gets an answer."""

FDS_FOR_THE_FIRST = 9
"""How many fds it takes until the first client has its welcome. Five are the client's, which keeps four. The others are
what a device opens between its start and then."""


class Connections:
    """The clients, by the fd of their control socket, and the silent: connections that have not yet said what they are.

    Belongs to the server's thread, except `report`. Registered with `epoll` are the listener, all control sockets, and
    the clients' doorbells. An edge of a doorbell only has to wake the thread that polls the epoll.
    """

    def __init__(
        self, listener: socket.socket, address: str, depth: int, admission: Admission, executors: Executors
    ) -> None:
        self.clients: dict[int, ConnectedClient] = {}
        """In the order in which they came."""
        self.totals = Totals()
        self.epoll = select.epoll()
        self.epoll.register(listener, select.EPOLLIN)
        self._listener = listener
        self._address = address
        self._depth = depth
        self._admission = admission
        self._executors = executors
        self._silent: dict[int, socket.socket] = {}
        self.paused = False
        """Whether the submissions of clients are left on their rings."""
        self._no_fds = False
        """Whether nobody is let in until a client goes, because there are no fds left."""

    def check_room(self) -> None:
        """Raises OSError with EMFILE if the hard limit of open files leaves no room for even one client."""
        lowest = os.dup(self._listener.fileno())
        os.close(lowest)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if lowest + FDS_FOR_THE_FIRST > limit - SPARE_FDS:
            raise OSError(errno.EMFILE, f"a limit of {limit} open files leaves no room for a client")

    def handle(self, fd: int) -> None:
        """Handles what `epoll` reported for that fd. Does nothing for a doorbell."""
        if fd == self._listener.fileno():
            self._accept()
        elif fd in self.clients:
            self._listen_to(fd, self.clients[fd].control)
        elif fd in self._silent:
            self._listen_to(fd, self._silent[fd])

    def _accept(self) -> None:
        """Lets in those who wait. It lets in several at a time, because all clients may be visited before the next
        call."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # the clients that we have go on
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    return
                if self._silent:
                    self._drop_longest_silent()
                    continue
                if self.clients:
                    # The listener stays readable, so to poll it before a client has gone would be a busy loop.
                    self.epoll.unregister(self._listener)
                    self._no_fds = True
                return
            self._let_in(connection)

    def _drop_longest_silent(self) -> None:
        """Drops the connection that has said nothing for longest, to make room for another one."""
        self.drop(next(iter(self._silent)))

    def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        why = self._admission.refusal_of_peer(connection)
        if why is not None:
            self._refuse(connection, why)
            connection.close()
            return
        if connection.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FDS // 2 and self._silent:
            self._drop_longest_silent()
        self._silent[connection.fileno()] = connection
        self.epoll.register(connection, select.EPOLLIN)
        # Most have sent their first message by now, and wait for the answer.
        self._listen_to(connection.fileno(), connection)

    def _listen_to(self, fd: int, connection: socket.socket) -> None:
        try:
            data = connection.recv(wire.MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(fd)
            return
        try:
            self._answer(fd, connection, data)
        except Violation as violation:
            self._refuse(connection, str(violation))
            self.drop(fd)
        except Exception as error:  # a bug of ours, as in `Server._visit`
            report_unraisable(error, "answering a message failed; its sender is dropped, and the device goes on", self)
            self.drop(fd)

    def _answer(self, fd: int, connection: socket.socket, data: bytes) -> None:
        if len(data) < wire.HEADER.size:
            raise Violation(f"a message of {len(data)} bytes")
        magic, version, kind = wire.HEADER.unpack_from(data)
        if magic != wire.MAGIC:
            raise Violation("this is no client of a simaccel device")
        if version != wire.VERSION:
            raise Violation(
                f"the device speaks version {wire.VERSION} of the protocol, you {version}: "
                "install the same simaccel on both sides"
            )
        if kind == Message.HELLO and len(data) == wire.HELLO.size and fd in self._silent:
            self._welcome(fd, connection, data)
        elif kind == Message.FORGET and len(data) == wire.FORGET.size and fd in self.clients:
            self.clients[fd].keys.forget(wire.FORGET.unpack(data)[3])
        elif kind == Message.STAT and len(data) in (wire.HEADER.size, wire.HEADER.size + wire.SERIAL.size):
            self._send_report(connection, data[wire.HEADER.size :])
        elif kind == Message.INJECT:
            self._inject(data[wire.HEADER.size :])
            self._send_report(connection, b"")
        else:
            raise Violation(f"a message of type {kind} and {len(data)} bytes")

    def _welcome(self, fd: int, connection: socket.socket, data: bytes) -> None:
        entries, slot_bytes = wire.HELLO.unpack(data)[3:5]
        try:
            layout = Layout.agreed(entries, slot_bytes, self._depth)
        except ValueError as error:
            raise Violation(str(error)) from None
        why = self._admission.refusal_of_client(connection)
        if why is not None:
            raise Violation(why)
        pid, uid = credentials(connection)
        try:
            client = ConnectedClient(connection, layout, pid, uid, self.totals.counts["connects"] + 1)
        except OSError as error:
            raise Violation(_no_room(error.errno or 0)) from None
        # A new fd is the lowest free one, so the highest of these tells how many are left.
        if max(client.welcome_fds) >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FDS:
            self._refuse(connection, _no_room(errno.EMFILE))
            self.drop(fd)
            client.close()
            return
        try:
            socket.send_fds(connection, [wire.welcome(layout)], client.welcome_fds)
        except OSError:  # it has gone already
            self.drop(fd)
            client.close()
            return
        client.welcomed()
        del self._silent[fd]
        self.clients[fd] = client
        self._executors.add(client)
        self.epoll.register(client.doorbell, select.EPOLLIN | select.EPOLLET)
        self.totals.counts["connects"] += 1

    def _inject(self, text: bytes) -> None:
        try:
            if text:
                self._executors.cores.inject(text.decode())
            else:
                self._executors.cores.clear()
        except (UsageError, UnicodeDecodeError) as error:
            raise Violation(str(error)) from None

    def _refuse(self, connection: socket.socket, why: str) -> None:
        self.totals.counts["refused"] += 1
        self._send(connection, wire.message(Message.REFUSED, why.encode()))

    def _send_report(self, connection: socket.socket, body: bytes) -> None:
        self._send(connection, wire.message(Message.REPORT, json.dumps(self._report_page(body)).encode()))

    def _send(self, connection: socket.socket, data: bytes) -> None:
        # A peer that does not read gets no answer. Its socket tells us when it is gone.
        with suppress(OSError):
            connection.send(data, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)

    def drop(self, fd: int) -> None:
        """Ends a connection: that of a client, or a silent one."""
        self._forget(fd)
        if self._no_fds:
            self._no_fds = False
            self.epoll.register(self._listener, select.EPOLLIN)

    def _forget(self, fd: int) -> None:
        client = self.clients.pop(fd, None)
        if client is None:
            connection = self._silent.pop(fd, None)
            if connection is not None:
                self.epoll.unregister(fd)
                connection.close()
            return
        for watched in (fd, client.doorbell):
            self.epoll.unregister(watched)
        self.totals.keep(client)
        client.close()
        self._executors.drop(client.endpoint)

    # Reports

    def report(self) -> dict[str, Any]:
        """What `simaccel stat` shows, as plain data for JSON. Any thread may call it.

        The clients go on meanwhile, so sums may differ by what they did.
        """
        clients = list(self.clients.values())
        return self._summary(clients) | page(clients, 0, len(clients))

    def _report_page(self, body: bytes) -> dict[str, Any]:
        """The sums and the first page of clients, or the page that was asked for."""
        clients = list(self.clients.values())
        if body:
            return page(clients, wire.SERIAL.unpack(body)[0])
        return self._summary(clients) | page(clients, 0)

    def _summary(self, clients: Sequence[ConnectedClient]) -> dict[str, Any]:
        return {
            **self.totals.sums(clients),
            "seed": self._executors.cores.seed,
            "address": self._address,
            "paused": self.paused,
            "refused_users": self._admission.rows(),
            "refused_unlisted": self._admission.unlisted,
            **self._executors.statistics(),
        }

    # End

    def close(self) -> None:
        """Ends all connections. The listener stays open. Those who wait there see the end when it closes."""
        for fd in [*self.clients, *self._silent]:
            self.drop(fd)
        self.epoll.close()


_LIMITS = {errno.EMFILE: "open files (ulimit -n)", errno.EFBIG: "file sizes (ulimit -f)"}
"""What a client needs of the device. Its memory is a file for the kernel."""


def _no_room(number: int) -> str:
    """Why there is no room for a client, from the error by which the system said so, and the cure."""
    why = f"no room for one more client: {os.strerror(number)}"
    return f"{why}; raise the device's limit of {_LIMITS[number]}" if number in _LIMITS else why
