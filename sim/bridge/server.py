"""The device process: one thread that accepts clients, fetches their submissions and runs them on the device core."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sim.bridge import wire
from sim.bridge.admission import Admission, Refused
from sim.bridge.client import BUDGET, Client
from sim.bridge.engines import Engines
from sim.bridge.listener import credentials, identity, listen, unlink
from sim.bridge.memory import Violation
from sim.bridge.wire import Layout, Message
from sim.errors import UsageError
from sim.kernels import Kernels
from sim.report import report_unraisable

ACCEPTED_AT_ONCE = 32
"""At some 100 us each; those who are served wait meanwhile."""

DOZE_NS = 1_000_000
"""How long we look away while the workers have enough to do for twice as long. Nobody has to ring meanwhile, which
costs a client 10 to 25 us where it wakes a core; a short operation may wait for as long."""


class Server:
    """Serves clients at a socket until it is stopped. A context manager.

    - `address`: a path, or @ and an abstract name.
    - `depth`: the most entries that a client's ring may have, a power of two. Who asks for more gets so many.
    - `workers`: threads for long operations. `units`, `latency`, `seed`, `faults`: as of `Accelerator`.
    - `uids`: users that may connect besides our own and root. `gid`: a group whose members may.
    - `mode`: of the socket's file. By default it is open to those alone whom `uids` and `gid` let in, as far as a mode
      can say that: 0600, with `gid` 0660, with `uids` 0666. Who connects is checked all the same.
    - `own_process`: whether clients in this very process may connect.
    - `on_refused`: called with the first refusal of each user, in the thread of `serve`.

    `serve` runs in one thread; `stop` and `report` may be called from any. Raises UsageError for bad parameters, a
    socket that can't be used, or one at which a device is running.
    """

    def __init__(
        self,
        address: str,
        *,
        depth: int = 1024,
        workers: int = 1,
        units: int | None = None,
        latency: str | None = None,
        seed: int | None = None,
        faults: Sequence[str] = (),
        uids: tuple[int, ...] = (),
        gid: int | None = None,
        mode: int | None = None,
        own_process: bool = False,
        on_refused: Callable[[Refused], object] | None = None,
    ) -> None:
        if not 2 <= depth <= wire.MAX_ENTRIES or depth & (depth - 1):
            raise UsageError(f"depth={depth}: use a power of two from 2 to {wire.MAX_ENTRIES}")
        if not 1 <= workers <= 64:
            raise UsageError(f"workers={workers}: use a number from 1 to 64")
        if units is not None and units < workers:
            raise UsageError(f"units={units}: each of the {workers} workers takes one or more")
        self.address = address
        self.depth = depth
        self.kernels = Kernels()
        self._admission = Admission(uids, gid, own_process, on_refused)
        self._engines = Engines(self.kernels, workers, units, latency, seed, faults)
        if mode is None:
            mode = 0o666 if uids else 0o600 if gid is None else 0o660
        try:
            self._listener = listen(address, mode, gid)
        except BaseException:
            self._engines.close()
            raise
        self._file = identity(address)
        self._clients: dict[int, Client] = {}
        self._waiting: dict[int, socket.socket] = {}
        self._past = {"submitted": 0, "completed": 0, "failed": 0, "interrupts": 0}
        self._told: Counter[str] = Counter()
        """What clients that have gone had counted about themselves."""
        self._counts = {"connects": 0, "refused": 0, "violations": 0, "wakes": 0, "ring_full": 0}
        self._started_ns = time.monotonic_ns()
        self._stopping = False
        self._no_fds = False
        """Whether we have stopped letting clients in until one goes."""
        self._fence = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(self._wake, select.EPOLLIN)

    # Serving

    def serve(self) -> None:
        """Serves until `stop`. Blocks."""
        while not self._stopping:
            if not self._visit_all():
                self._sleep()
            else:
                self._handle(self._epoll.poll(0))

    def stop(self) -> None:
        """Ends `serve`. From any thread, and from a signal handler."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def _visit_all(self) -> bool:
        """One visit to each client; whether any had work that could be taken."""
        worked = False
        for fd, client in list(self._clients.items()):
            if not client.memory.has_submissions() or self._engines.free < BUDGET:
                continue
            worked = True
            self._counts["ring_full"] += client.ring_is_full
            try:
                self._engines.run(client, client.fetch())
            except Violation:
                self._counts["violations"] += 1
                self._drop(fd)
            except Exception as error:  # a bug of ours: it costs this client its connection, and nobody else anything
                report_unraisable(error, "serving a client failed, which is dropped; the device goes on", client)
                self._drop(fd)
        return worked

    def _sleep(self) -> None:
        """Until a doorbell, a message or a signal, or for a moment if there is enough to do. Says so first, and then
        looks again: what is submitted before a client can see that is found here, what comes later rings."""
        if self._engines.backlog_ns > 2 * DOZE_NS:
            self._handle(self._epoll.poll(DOZE_NS / 1e9))
            return
        clients = self._clients.values()
        for client in clients:
            client.memory.set_sleeping(True)
        # Between our stores and the loads that follow there must be a full fence; taking a lock is one.
        with self._fence:
            pass
        events = self._epoll.poll(self._timeout() if not self._any_submissions() else 0)
        for client in clients:
            client.memory.set_sleeping(False)
        self._counts["wakes"] += 1
        self._handle(events)

    def _any_submissions(self) -> bool:
        return any(client.memory.has_submissions() for client in self._clients.values())

    def _timeout(self) -> float | None:
        # With the workers' rings full, submissions wait although nobody rings: look again soon.
        return 0.001 if self._engines.free < BUDGET else None

    def _handle(self, events: list[tuple[int, int]]) -> None:
        for fd, _ in events:
            if fd == self._listener.fileno():
                self._accept()
            elif fd in self._clients:
                self._listen_to(fd, self._clients[fd].control)
            elif fd in self._waiting:
                self._listen_to(fd, self._waiting[fd])
            elif fd == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            # Else a doorbell: its edge has woken us, and the visit follows.

    # Connections

    def _accept(self) -> None:
        """Lets in who waits. Several at a time, for each look at the socket may come behind a visit to every client."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:  # those who are served go on in any case
                if error.errno in (errno.EMFILE, errno.ENFILE) and (self._clients or self._waiting):
                    # Somebody still waits, so to look again before anybody has gone would be to spin.
                    self._epoll.unregister(self._listener)
                    self._no_fds = True
                return
            self._let_in(connection)

    def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        why = self._admission.refusal_of_peer(connection)
        if why is not None:
            self._refuse(connection, why)
            connection.close()
            return
        self._waiting[connection.fileno()] = connection
        self._epoll.register(connection, select.EPOLLIN)
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
            self._drop(fd)
            return
        try:
            self._answer(fd, connection, data)
        except Violation as violation:
            self._refuse(connection, str(violation))
            self._drop(fd)
        except Exception as error:  # as in a visit
            report_unraisable(error, "answering a message failed, whose sender is dropped; the device goes on", self)
            self._drop(fd)

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
        elif kind == Message.FORGET and len(data) == wire.FORGET.size and fd in self._clients:
            self._clients[fd].keys.pop(wire.FORGET.unpack(data)[3], None)
        elif kind == Message.STAT:
            self._send(connection, wire.message(Message.REPORT, json.dumps(self.report()).encode()))
        elif kind == Message.INJECT:
            self._inject(data[wire.HEADER.size :])
            self._send(connection, wire.message(Message.REPORT, json.dumps(self.report()).encode()))
        else:
            raise Violation(f"a message of type {kind} and {len(data)} bytes")

    def _welcome(self, fd: int, connection: socket.socket, data: bytes) -> None:
        entries, slot_bytes = wire.HELLO.unpack(data)[3:5]
        try:
            layout = Layout.agreed(entries, slot_bytes, self.depth)
        except ValueError as error:
            raise Violation(str(error)) from None
        why = self._admission.refusal_of_client(connection)
        if why is not None:
            raise Violation(why)
        pid, uid = credentials(connection)
        try:
            client = Client(connection, layout, pid, uid)
        except OSError as error:
            raise Violation(f"no room for one more client: {error.strerror}") from None
        try:
            socket.send_fds(connection, [wire.welcome(layout)], client.welcome_fds)
        except OSError:  # it has gone again
            self._drop(fd)
            client.close()
            return
        client.welcomed()
        del self._waiting[fd]
        self._clients[fd] = client
        self._epoll.register(client.doorbell, select.EPOLLIN | select.EPOLLET)
        self._counts["connects"] += 1

    def _inject(self, text: bytes) -> None:
        try:
            if text:
                self._engines.inject(text.decode())
            else:
                self._engines.clear()
        except (UsageError, UnicodeDecodeError) as error:
            raise Violation(str(error)) from None

    def _refuse(self, connection: socket.socket, why: str) -> None:
        self._counts["refused"] += 1
        self._send(connection, wire.message(Message.REFUSED, why.encode()))

    def _send(self, connection: socket.socket, data: bytes) -> None:
        # A peer that does not read gets no answer; its connection tells when it is gone.
        with suppress(OSError):
            connection.send(data, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)

    def _drop(self, fd: int) -> None:
        """The end of a connection, of a client's or one that has said nothing yet."""
        self._part(fd)
        if self._no_fds:
            self._no_fds = False
            self._epoll.register(self._listener, select.EPOLLIN)

    def _part(self, fd: int) -> None:
        client = self._clients.pop(fd, None)
        if client is None:
            connection = self._waiting.pop(fd, None)
            if connection is not None:
                self._epoll.unregister(fd)
                connection.close()
            return
        for watched in (fd, client.doorbell):
            self._epoll.unregister(watched)
        self._told.update(client.memory.client_counts())
        client.close()
        for name in self._past:
            self._past[name] += getattr(client.endpoint, name)

    # Looking

    def late(self) -> tuple[int, int, int]:
        """How many operations completed later than the timing model says, of how many, by how many ns in all. From any
        thread."""
        return self._engines.late

    def report(self) -> dict[str, Any]:
        """What `simaccel stat` shows: plain data for JSON. Numbers may differ by what moves meanwhile."""
        clients = list(self._clients.values())
        sums = {
            name: past + sum(getattr(client.endpoint, name) for client in clients) for name, past in self._past.items()
        }
        return {
            **sums,
            "in_flight": sum(client.endpoint.outstanding for client in clients),
            **self._counts,
            "told": self._all_told(clients),
            "uptime_ns": time.monotonic_ns() - self._started_ns,
            "seed": self._engines.seed,
            "address": self.address,
            "refused_users": self._admission.rows(),
            "refused_unlisted": self._admission.unlisted,
            **self._engines.statistics(),
            "clients": [
                {
                    "pid": client.pid,
                    "uid": client.uid,
                    "entries": client.memory.layout.entries,
                    "keys": len(client.keys),
                    "submitted": client.endpoint.submitted,
                    "completed": client.endpoint.completed,
                    "failed": client.endpoint.failed,
                    "in_flight": client.endpoint.outstanding,
                    "told": client.memory.client_counts(),
                }
                for client in clients
            ],
        }

    def _all_told(self, clients: Sequence[Client]) -> dict[str, int]:
        """What all clients have counted about themselves, also those that have gone."""
        told = self._told.copy()
        for client in clients:
            told.update(client.memory.client_counts())
        return dict(told)

    # End

    def close(self) -> None:
        """Ends all connections and frees everything. Not while `serve` runs in another thread: stop it first."""
        for fd in [*self._clients, *self._waiting]:
            self._drop(fd)
        self._epoll.close()
        unlink(self.address, self._file)
        self._listener.close()
        os.close(self._wake)
        self._engines.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
