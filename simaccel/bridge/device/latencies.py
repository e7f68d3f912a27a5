"""Histograms of how long requests waited and were worked on, by operation: for those who watch a device.

They are kept only if somebody asked for them. As in the percentiles, short requests that are fetched together give one
sample if they complete within 200 us.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

BOUNDS_NS = (*(int(digits * 10**power) for power in range(3, 10) for digits in (1, 2.5, 5)), 10_000_000_000)
"""The upper bound of each bucket. One more bucket holds the longer times."""


_Counts = tuple[list[int], list[int], list[int]]
"""For one operation: the counts of the times in the queue, the counts of the service times, and both sums in ns."""


class Latencies:
    """Both histograms of each operation, as one executor counts them. Belongs to its thread; any may read it."""

    __slots__ = ("by_op",)

    def __init__(self) -> None:
        self.by_op: dict[str, _Counts] = {}

    def add(self, op: str, queue_ns: int, service_ns: int) -> None:
        """One sample of an operation. Hot: half a microsecond."""
        found = self.by_op.get(op)
        if found is None:
            size = len(BOUNDS_NS) + 1
            found = self.by_op[op] = [0] * size, [0] * size, [0, 0]
        queue, service, sums = found
        queue[bisect_left(BOUNDS_NS, queue_ns)] += 1
        service[bisect_left(BOUNDS_NS, service_ns)] += 1
        sums[0] += queue_ns
        sums[1] += service_ns


def merged(parts: Iterable[Latencies]) -> dict[str, Any]:
    """The sums over some executors, for a report: the bounds, and for each operation the counts and the sum."""
    rows: dict[str, dict[str, Any]] = {}
    for part in parts:
        for op, (queue, service, sums) in list(part.by_op.items()):
            zero = {name: {"counts": [0] * len(queue), "sum_ns": 0} for name in ("queue", "service")}
            row = rows.setdefault(op, zero)
            for name, counts, sum_ns in (("queue", queue, sums[0]), ("service", service, sums[1])):
                row[name]["counts"] = [one + other for one, other in zip(row[name]["counts"], counts, strict=True)]
                row[name]["sum_ns"] += sum_ns
    return {"bounds_ns": list(BOUNDS_NS), "ops": dict(sorted(rows.items()))}
