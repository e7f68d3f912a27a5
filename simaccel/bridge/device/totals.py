"""What a device process counts, and the report of it that `simaccel stat` shows.

A report is one message on the socket, and the kernel limits its length. So everything in a report is bounded, and
clients come in pages. The first page has the sums too, and each page names the client that the next one begins with.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.wake_times import Wakes

PAGE_CLIENTS = 64
"""How many clients are on one page. A row takes up to about 800 bytes, and a message up to about 200,000."""


class Totals:
    """Counts over all clients. Belongs to the server's thread, except `sums`, which any thread may call."""

    def __init__(self) -> None:
        self._started_ns = time.monotonic_ns()
        self._past = {"submitted": 0, "completed": 0, "failed": 0, "interrupts": 0}
        self._told: Counter[str] = Counter()
        """What the clients that have gone had counted about themselves."""
        self._wakes = Wakes()
        """The wake times of clients that have gone."""
        self._failures: Counter[str] = Counter()
        """Failed requests of clients that have gone, by operation."""
        self.counts = {"connects": 0, "refused": 0, "violations": 0, "wakes": 0, "ring_full": 0}

    def keep(self, client: ConnectedClient) -> None:
        """Adds to the sums what this client has done, because it goes away."""
        self._told.update(client.memory.client_counts())
        self._wakes = Wakes.sum((self._wakes, client.wakes.read()))
        self._failures.update(client.endpoint.failures)
        counts = client.endpoint.counts()
        for name in self._past:
            self._past[name] += getattr(counts, name)

    def sums(self, clients: Sequence[ConnectedClient]) -> dict[str, Any]:
        """The sums over these clients, and over all that have gone."""
        told = self._told.copy()
        for client in clients:
            told.update(client.memory.client_counts())
        failures = self._failures.copy()
        for client in clients:
            failures.update(dict(client.endpoint.failures))
        counts = [client.endpoint.counts() for client in clients]
        sums = {name: past + sum(getattr(count, name) for count in counts) for name, past in self._past.items()}
        return {
            **sums,
            "in_flight": sum(count.outstanding for count in counts),
            "connected": len(clients),
            **self.counts,
            "failed_by_op": dict(sorted(failures.items())),
            "told": dict(told),
            "wake": Wakes.sum((self._wakes, *(client.wakes.read() for client in clients))).to_dict(),
            "uptime_ns": time.monotonic_ns() - self._started_ns,
        }


def page(clients: Sequence[ConnectedClient], first: int, most: int = PAGE_CLIENTS) -> dict[str, Any]:
    """At most `most` clients, beginning with the serial `first`, in the order in which they came.

    `next` is the serial that the next page begins with, or None if this is the last page.
    """
    rest = [client for client in clients if client.serial >= first]
    following = rest[most].serial if len(rest) > most else None
    return {"clients": [_row(client) for client in rest[:most]], "next": following}


def _row(client: ConnectedClient) -> dict[str, Any]:
    counts = client.endpoint.counts()
    return {
        "pid": client.pid,
        "uid": client.uid,
        "entries": client.memory.layout.entries,
        "keys": len(client.keys),
        "submitted": counts.submitted,
        "completed": counts.completed,
        "failed": counts.failed,
        "in_flight": counts.outstanding,
        "ring_full": client.times_full,
        "told": client.memory.client_counts(),
        "wake": client.wakes.read().summary(),
    }
