"""The device process: one thread that fetches the submissions of its clients and has them done."""

from __future__ import annotations

import os
import select
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from time import monotonic_ns
from typing import Any

from sim.errors import UsageError
from sim.kernels import Kernels
from sim.report import report_unraisable
from simaccel.bridge import wire
from simaccel.bridge.connections import Connections
from simaccel.bridge.device.admission import Admission, Refused
from simaccel.bridge.device.client import BUDGET, Client
from simaccel.bridge.device.engines import Engines
from simaccel.bridge.device.listener import identity, listen, unlink
from simaccel.bridge.device.memory import Violation
from simaccel.bridge.fair import TURN_NS

ROUND_NS = 5_000_000
"""After so long a round of visits is interrupted for a look at the sockets, and then goes on where it was."""

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
        admission = Admission(uids, gid, own_process, on_refused)
        self._engines = Engines(self.kernels, workers, units, latency, seed, faults)
        if mode is None:
            mode = 0o666 if uids else 0o600 if gid is None else 0o660
        try:
            self._listener = listen(address, mode, gid)
        except BaseException:
            self._engines.close()
            raise
        self._file = identity(address)
        self._connections = Connections(self._listener, address, depth, admission, self._engines)
        self._clients = self._connections.clients
        self._counts = self._connections.books.counts
        self._visited = 0
        """The serial of the client that was visited last."""
        self._stopping = False
        self._fence = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = self._connections.epoll
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
        """One visit to each client that has submitted something, or to some of them, in turn; whether there were any.

        What is done at once is done in a visit. So with many clients a visit is short: all of them together wait for
        about as long as for one with a BUDGET.
        """
        busy = [client for client in self._clients.values() if client.memory.has_submissions()]
        if not busy:
            return False
        budget = max(1, BUDGET // len(busy))
        first = bisect_right(busy, self._visited, key=attrgetter("serial"))
        begun_ns = now_ns = monotonic_ns()
        for client in busy[first:] + busy[:first]:
            before_ns = now_ns
            taken = self._visit(client, min(budget, max(1, TURN_NS // client.cost_ns)))
            self._visited = client.serial
            now_ns = monotonic_ns()
            client.cost_ns = (now_ns - before_ns) // max(1, taken) + 1
            if now_ns - begun_ns >= ROUND_NS:
                break
        return True

    def _visit(self, client: Client, budget: int) -> int:
        """Take up what a client has submitted, at most so many; how many it was."""
        self._counts["ring_full"] += client.ring_is_full
        try:
            batch = client.fetch(budget)
            self._engines.run(client, batch)
        except Violation:
            self._counts["violations"] += 1
            self._connections.drop(client.control.fileno())
        except Exception as error:  # a bug of ours: it costs this client its connection, and nobody else anything
            report_unraisable(error, "serving a client failed, which is dropped; the device goes on", client)
            self._connections.drop(client.control.fileno())
        else:
            return len(batch)
        return 0

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
        if self._engines.waiting:
            self._engines.refill()
        self._counts["wakes"] += 1
        self._handle(events)

    def _any_submissions(self) -> bool:
        return any(client.memory.has_submissions() for client in self._clients.values())

    def _timeout(self) -> float | None:
        # A core asks for more when it has completed something. With faults it may never do so: look again soon.
        return 0.001 if self._engines.waiting else None

    def _handle(self, events: list[tuple[int, int]]) -> None:
        for fd, _ in events:
            if fd == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            else:
                self._connections.handle(fd)

    # Looking and ending

    def late(self) -> tuple[int, int, int]:
        """How many operations completed later than the timing model says, of how many, by how many ns in all. From any
        thread."""
        return self._engines.late

    def report(self) -> dict[str, Any]:
        """What `simaccel stat` shows: plain data for JSON. Numbers may differ by what moves meanwhile."""
        return self._connections.report()

    def close(self) -> None:
        """Ends all connections and frees everything. Not while `serve` runs in another thread: stop it first."""
        self._connections.close()
        unlink(self.address, self._file)
        self._listener.close()
        os.close(self._wake)
        self._engines.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
