"""Histograms of how long requests waited and were worked on, by operation: for those who watch a device.

They are kept only if somebody asked for them. As for the percentiles, several requests that are shown to a client
together give one sample.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

BOUNDS_NS = (*(int(digits * 10**power) for power in range(3, 10) for digits in (1, 2.5, 5)), 10_000_000_000)
"""The upper bound of each bucket. One more holds what is longer."""


class Histogram:
    """The counts of one time. Belongs to one thread; any may read it."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0

    def add(self, time_ns: int) -> None:
        """One sample."""
        self.counts[bisect_left(BOUNDS_NS, time_ns)] += 1
        self.sum_ns += time_ns


class Latencies:
    """Both histograms of each operation, as one executor counts them."""

    def __init__(self) -> None:
        self.queue: dict[str, Histogram] = {}
        self.service: dict[str, Histogram] = {}

    def add(self, op: str, queue_ns: int, service_ns: int) -> None:
        """One sample of an operation."""
        queue = self.queue.get(op)
        if queue is None:
            queue = self.queue[op] = Histogram()
            self.service[op] = Histogram()
        queue.add(queue_ns)
        self.service[op].add(service_ns)


def merged(parts: Iterable[Latencies]) -> dict[str, Any]:
    """The sums over some executors, for a report: the bounds, and for each operation the counts and the sum."""
    sums: dict[str, dict[str, Any]] = {}
    for part in parts:
        for name in ("queue", "service"):
            for op, histogram in list(getattr(part, name).items()):
                zero = {"counts": [0] * (len(BOUNDS_NS) + 1), "sum_ns": 0}
                row = sums.setdefault(op, {}).setdefault(name, zero)
                row["counts"] = [one + other for one, other in zip(row["counts"], histogram.counts, strict=True)]
                row["sum_ns"] += histogram.sum_ns
    return {"bounds_ns": list(BOUNDS_NS), "ops": dict(sorted(sums.items()))}
