"""What a device process counts, and the report of it that `simaccel stat` shows.

A report goes over the socket as one message, whose size the kernel limits. So all that is in it is bounded, and clients
come in pages: the first has the sums too, each names the client that the next one begins with.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sim.statistics import Percentiles
from simaccel.bridge.device.client import Client

PAGE_CLIENTS = 64
"""Of one page. A row takes up to some 700 bytes, a message some 200,000."""


class Books:
    """Belongs to the server's thread; `report` may be called from any."""

    def __init__(self) -> None:
        # At its first use numpy imports a part of itself, for which there may be no fd when a report is asked for.
        Percentiles.of([0])
        self._started_ns = time.monotonic_ns()
        self._past = {"submitted": 0, "completed": 0, "failed": 0, "interrupts": 0}
        self._told: Counter[str] = Counter()
        """What clients that have gone had counted about themselves."""
        self.counts = {"connects": 0, "refused": 0, "violations": 0, "wakes": 0, "ring_full": 0}

    def close(self, client: Client) -> None:
        """The client is going: what it did stays in the sums."""
        self._told.update(client.memory.client_counts())
        for name in self._past:
            self._past[name] += getattr(client.endpoint, name)

    def sums(self, clients: Sequence[Client]) -> dict[str, Any]:
        """Over all clients, also those that have gone."""
        told = self._told.copy()
        for client in clients:
            told.update(client.memory.client_counts())
        sums = {
            name: past + sum(getattr(client.endpoint, name) for client in clients) for name, past in self._past.items()
        }
        return {
            **sums,
            "in_flight": sum(client.endpoint.outstanding for client in clients),
            "connected": len(clients),
            **self.counts,
            "told": dict(told),
            "uptime_ns": time.monotonic_ns() - self._started_ns,
        }


def page(clients: Sequence[Client], first: int, most: int = PAGE_CLIENTS) -> dict[str, Any]:
    """Clients from that serial on, in the order in which they came, and with which one it goes on: None at the end."""
    rest = [client for client in clients if client.serial >= first]
    following = rest[most].serial if len(rest) > most else None
    return {"clients": [_row(client) for client in rest[:most]], "next": following}


def _row(client: Client) -> dict[str, Any]:
    endpoint = client.endpoint
    return {
        "pid": client.pid,
        "uid": client.uid,
        "entries": client.memory.layout.entries,
        "keys": len(client.keys),
        "submitted": endpoint.submitted,
        "completed": endpoint.completed,
        "failed": endpoint.failed,
        "in_flight": endpoint.outstanding,
        "told": client.memory.client_counts(),
    }
