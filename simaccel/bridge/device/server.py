"""The device process: one thread that fetches the submissions of its clients and has them done.

The thread visits each client that has submitted something, takes a few submissions, and gives them to the executors.
When nobody has submitted anything it sleeps. Before it does, it tells the clients, so that they ring their doorbells,
and then looks at their rings once more. So no submission is missed.
"""

from __future__ import annotations

import os
import select
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, ClassVar

from sim.errors import UsageError
from sim.kernels import Kernels
from sim.unraisable import report_unraisable
from simaccel.bridge import wire
from simaccel.bridge.device.admission import Admission, Refused
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.connections import Connections
from simaccel.bridge.device.executors import Executors
from simaccel.bridge.device.fair_queue import TURN_NS
from simaccel.bridge.device.listener import identity, listen, unlink
from simaccel.bridge.device.memory import Violation

if TYPE_CHECKING:
    from simaccel.bridge.device.request_trace import RequestTrace  # which needs numpy

BUDGET = 32
"""How many submissions one round of visits takes from all clients together. It takes at least one from each."""

ROUND_NS = 5_000_000
"""After this time a round of visits stops for a look at the sockets. The next round goes on where it stopped."""

DOZE_NS = 1_000_000
"""How long the thread sleeps without telling the clients, if the workers are busy for at least twice this time. Then
the clients need not ring, which would cost them 10 to 25 us if it wakes a core. A short request may have to wait this
long."""


class Server:
    """Serves clients at a socket until it is stopped. A context manager.

    - `address`: a path, or @ and an abstract name.
    - `depth`: the most entries that a client's ring may have, a power of two. A client that asks for more gets these.
    - `workers`: threads for long operations. `units`, `latency`, `seed`, `faults`: as those of `Accelerator`.
    - `uids`: users that may connect besides our own and root. `gid`: a group whose members may.
    - `mode`: of the socket's file. The default is the strictest that lets those in: 0600, with `gid` 0660, with `uids`
      0666. Everybody who connects is checked in any case.
    - `admit`: says of a process, by its pid, whether it may connect though its user may not.
    - `own_process`: whether clients in this very process may connect.
    - `latencies`: keep histograms of the times of requests, which are then part of the report.
    - `trace`: the trace for Perfetto, which is written while the server runs. `close` closes it too.
    - `on_refused`: called with the first refusal of each user, in the thread of `serve`.

    `serve` runs in one thread; `stop` and `report` may be called from any. Raises UsageError for bad parameters, a
    socket that can't be used, or one at which a device is running. Raises OSError if this process may not open
    the files of even one client.
    """

    executors: ClassVar[type[Executors]] = Executors
    """The class whose object does the requests. Devices for tests have another one."""

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
        admit: Callable[[int], bool] | None = None,
        own_process: bool = False,
        on_refused: Callable[[Refused], object] | None = None,
        latencies: bool = False,
        trace: RequestTrace | None = None,
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
        admission = Admission(uids, gid, own_process, on_refused, admit)
        self._executors = self.executors(
            self.kernels, workers, units, latency, seed, faults, latencies=latencies, trace=trace
        )
        if mode is None:
            mode = 0o666 if uids else 0o600 if gid is None else 0o660
        try:
            self._listener = listen(address, mode, gid)
        except BaseException:
            self._executors.close()
            raise
        self._file = identity(address)
        self._connections = Connections(self._listener, address, depth, admission, self._executors)
        self._clients = self._connections.clients
        self._counts = self._connections.totals.counts
        self._visited = 0
        """The serial of the client that was visited last."""
        self._stopping = False
        self._fence = threading.Lock()
        self._wake: int | None = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waking = threading.RLock()
        """Held while `_wake` is written to or closed. Reentrant, because a signal handler may call `stop` anywhere."""
        self._epoll = self._connections.epoll
        self._epoll.register(self._wake, select.EPOLLIN)
        try:
            self._connections.check_room()
        except OSError:
            self.close()
            raise

    # Serving

    def serve(self) -> None:
        """Serves until `stop`. Blocks."""
        while not self._stopping:
            if not self._visit_all():
                self._sleep()
            else:
                self._handle(self._epoll.poll(0))

    def stop(self) -> None:
        """Ends `serve`. Any thread and any signal handler may call it, more than once, and also after `close`."""
        self._stopping = True
        self._rouse()

    def _rouse(self) -> None:
        with self._waking:
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)

    def pause(self) -> None:
        """Takes no more submissions until `go_on`: they wait on the rings of the clients. Any thread."""
        self._connections.paused = True

    def go_on(self) -> None:
        """Ends a `pause`. Any thread. Does nothing if there is none."""
        self._connections.paused = False
        self._rouse()

    def release(self) -> None:
        """Releases all requests that faults hold, so that they complete. Any thread."""
        self._executors.cores.release()

    def reset(self) -> None:
        """Fails everything that the cores have in flight, as the reset of a device does. Any thread."""
        self._executors.cores.reset()

    def _visit_all(self) -> bool:
        """Visits each client that has submitted something, in turn. Returns whether there were any.

        Inline requests are done during the visit. So the more clients there are, the shorter a visit is: visits to all
        of them together take about as long as one to a single client.
        """
        busy = [client for client in self._clients.values() if client.memory.has_submissions()]
        if not busy or self._connections.paused:
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

    def _visit(self, client: ConnectedClient, budget: int) -> int:
        """Takes at most `budget` submissions of a client. Returns how many."""
        if client.ring_is_full:
            self._counts["ring_full"] += 1
            client.times_full += 1
        try:
            batch = client.fetch(budget)
            self._executors.run(client, batch)
        except Violation:
            self._counts["violations"] += 1
            self._connections.drop(client.control.fileno())
        except Exception as error:  # a bug of ours: this client loses its connection, and the others go on
            report_unraisable(error, "serving a client failed; it is dropped, and the device goes on", client)
            self._connections.drop(client.control.fileno())
        else:
            return len(batch)
        return 0

    def _sleep(self) -> None:
        """Sleeps until a doorbell, a message or a signal, or for a moment if the workers have enough to do.

        It first tells the clients that it sleeps, and then looks at the rings. If a client submits before it can see
        that we sleep, that look finds its submission. If it submits later, it rings.
        """
        if self._executors.backlog_ns > 2 * DOZE_NS:
            self._handle(self._epoll.poll(DOZE_NS / 1e9))
            return
        clients = self._clients.values()
        for client in clients:
            client.memory.set_sleeping(True)
        # Between our stores and the loads that follow there must be a full fence. Taking a lock is one.
        with self._fence:
            pass
        events = self._epoll.poll(self._timeout() if not self._any_submissions() else 0)
        for client in clients:
            client.memory.set_sleeping(False)
        if self._executors.cores.waiting:
            self._executors.cores.refill()
        self._counts["wakes"] += 1
        self._handle(events)

    def _any_submissions(self) -> bool:
        return not self._connections.paused and any(
            client.memory.has_submissions() for client in self._clients.values()
        )

    def _timeout(self) -> float | None:
        # A core asks for more requests when it has completed some. With faults it may never do so: look again soon.
        return 0.001 if self._executors.cores.waiting else None

    def _handle(self, events: list[tuple[int, int]]) -> None:
        for fd, _ in events:
            if fd == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            else:
                self._connections.handle(fd)

    # Reports and the end

    def late(self) -> tuple[int, int, int]:
        """How many requests completed later than the timing model says, how many completed in all, and the sum of the
        delays in ns. Any thread may call it."""
        return self._executors.cores.late

    def report(self) -> dict[str, Any]:
        """What `simaccel stat` shows, as plain data for JSON. Any thread may call it.

        The clients go on meanwhile, so sums may differ by what they did.
        """
        return self._connections.report()

    def close(self) -> None:
        """Ends all connections and frees everything. If `serve` runs in another thread, stop and join that first."""
        self._connections.close()
        unlink(self.address, self._file)
        self._listener.close()
        with self._waking:
            wake, self._wake = self._wake, None
            if wake is not None:
                os.close(wake)
        self._executors.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
