"""The connections of a device process: who comes, what they say on the control socket, and who goes."""

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
from sim.report import report_unraisable
from simaccel.bridge import wire
from simaccel.bridge.books import Books, page
from simaccel.bridge.device.admission import Admission
from simaccel.bridge.device.client import Client
from simaccel.bridge.device.engines import Engines
from simaccel.bridge.device.listener import credentials
from simaccel.bridge.device.memory import Violation
from simaccel.bridge.wire import Layout, Message

ACCEPTED_AT_ONCE = 32
"""At some 100 us each; those who are served wait meanwhile."""

SPARE_FDS = 8
"""Left free when clients are let in, so that with however many clients there are `simaccel stat` gets an answer."""


class Connections:
    """Clients by the fd of their control socket, and those who have not said yet what they want.

    Belongs to the server's thread, but for `report`. What is registered with `epoll`: the listener, control sockets,
    and the clients' doorbells, whose edges wake whoever polls it.
    """

    def __init__(
        self, listener: socket.socket, address: str, depth: int, admission: Admission, engines: Engines
    ) -> None:
        self.clients: dict[int, Client] = {}
        """In the order in which they came."""
        self.books = Books()
        self.epoll = select.epoll()
        self.epoll.register(listener, select.EPOLLIN)
        self._listener = listener
        self._address = address
        self._depth = depth
        self._admission = admission
        self._engines = engines
        self._waiting: dict[int, socket.socket] = {}
        self._no_fds = False
        """Whether we have stopped letting clients in until one goes."""

    def handle(self, fd: int) -> None:
        """Something has happened to that fd, which `epoll` told of; nothing if it is a doorbell."""
        if fd == self._listener.fileno():
            self._accept()
        elif fd in self.clients:
            self._listen_to(fd, self.clients[fd].control)
        elif fd in self._waiting:
            self._listen_to(fd, self._waiting[fd])

    def _accept(self) -> None:
        """Lets in who waits. Several at a time, for each look at the socket may come behind a visit to every client."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # those who are served go on in any case
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    return
                if self._waiting:
                    self._drop_the_silent()
                    continue
                if self.clients:
                    # Somebody still waits, so to look again before anybody has gone would be to spin.
                    self.epoll.unregister(self._listener)
                    self._no_fds = True
                return
            self._let_in(connection)

    def _drop_the_silent(self) -> None:
        """Who has been here for longest without a word makes room for somebody else."""
        self.drop(next(iter(self._waiting)))

    def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        why = self._admission.refusal_of_peer(connection)
        if why is not None:
            self._refuse(connection, why)
            connection.close()
            return
        if connection.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FDS // 2 and self._waiting:
            self._drop_the_silent()
        self._waiting[connection.fileno()] = connection
        self.epoll.register(connection, select.EPOLLIN)
        # Most have said by now what they want, and it is they who wait.
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
        except Exception as error:  # as in a visit
            report_unraisable(error, "answering a message failed, whose sender is dropped; the device goes on", self)
            self.drop(fd)

    def _answer(self, fd: int, connection: socket.socket, data: bytes) -> None:
        if len(data) < wire.HEADER.size:
            raise Violation(f"a message of {len(data)} bytes")
        magic, version, kind = wire.HEADER.unpack_from(data)
        if magic != wire.MAGIC:
            raise Violation("this is no client of a simaccel device")
        if version != wire.VERSION:
            raise Violation(f"the device speaks version {wire.VERSION} of the protocol, you {version}")
        if kind == Message.HELLO and len(data) == wire.HELLO.size and fd in self._waiting:
            self._welcome(fd, connection, data)
        elif kind == Message.FORGET and len(data) == wire.FORGET.size and fd in self.clients:
            self.clients[fd].keys.pop(wire.FORGET.unpack(data)[3], None)
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
            client = Client(connection, layout, pid, uid, self.books.counts["connects"] + 1)
        except OSError as error:
            raise Violation(f"no room for one more client: {error.strerror}") from None
        # A new fd is the lowest one that is free.
        if max(client.welcome_fds) >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FDS:
            self._refuse(connection, f"no room for one more client: {os.strerror(errno.EMFILE)}")
            self.drop(fd)
            client.close()
            return
        try:
            socket.send_fds(connection, [wire.welcome(layout)], client.welcome_fds)
        except OSError:  # it has gone again
            self.drop(fd)
            client.close()
            return
        client.welcomed()
        del self._waiting[fd]
        self.clients[fd] = client
        self.epoll.register(client.doorbell, select.EPOLLIN | select.EPOLLET)
        self.books.counts["connects"] += 1

    def _inject(self, text: bytes) -> None:
        try:
            if text:
                self._engines.inject(text.decode())
            else:
                self._engines.clear()
        except (UsageError, UnicodeDecodeError) as error:
            raise Violation(str(error)) from None

    def _refuse(self, connection: socket.socket, why: str) -> None:
        self.books.counts["refused"] += 1
        self._send(connection, wire.message(Message.REFUSED, why.encode()))

    def _send_report(self, connection: socket.socket, body: bytes) -> None:
        self._send(connection, wire.message(Message.REPORT, json.dumps(self._report_page(body)).encode()))

    def _send(self, connection: socket.socket, data: bytes) -> None:
        # A peer that does not read gets no answer; its connection tells when it is gone.
        with suppress(OSError):
            connection.send(data, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)

    def drop(self, fd: int) -> None:
        """The end of a connection, of a client's or one that has said nothing yet."""
        self._part(fd)
        if self._no_fds:
            self._no_fds = False
            self.epoll.register(self._listener, select.EPOLLIN)

    def _part(self, fd: int) -> None:
        client = self.clients.pop(fd, None)
        if client is None:
            connection = self._waiting.pop(fd, None)
            if connection is not None:
                self.epoll.unregister(fd)
                connection.close()
            return
        for watched in (fd, client.doorbell):
            self.epoll.unregister(watched)
        self.books.close(client)
        client.close()
        self._engines.drop(client.endpoint)

    # Looking

    def report(self) -> dict[str, Any]:
        """What `simaccel stat` shows: plain data for JSON. Numbers may differ by what moves meanwhile."""
        clients = list(self.clients.values())
        return self._summary(clients) | page(clients, 0, len(clients))

    def _report_page(self, body: bytes) -> dict[str, Any]:
        """The sums and the first clients, or the clients from the one that was asked for on."""
        clients = list(self.clients.values())
        if body:
            return page(clients, wire.SERIAL.unpack(body)[0])
        return self._summary(clients) | page(clients, 0)

    def _summary(self, clients: Sequence[Client]) -> dict[str, Any]:
        return {
            **self.books.sums(clients),
            "seed": self._engines.seed,
            "address": self._address,
            "refused_users": self._admission.rows(),
            "refused_unlisted": self._admission.unlisted,
            **self._engines.statistics(),
        }

    # End

    def close(self) -> None:
        """Ends all connections. The listener stays open."""
        for fd in [*self.clients, *self._waiting]:
            self.drop(fd)
        self.epoll.close()
