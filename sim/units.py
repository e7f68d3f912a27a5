"""Parallel execution units: which one takes a request, when the request starts, and when it is done.

The rule is that of nvmevirt: a request starts at max(now, the time until which its unit is busy), and keeps the unit
busy for its service time. There is no thread and no clock in here: times come in and go out as ints in ns.
"""

from __future__ import annotations

from heapq import heapify, heapreplace

from sim.errors import UsageError

MAX_UNITS = 1 << 20
"""The largest number of slots that a ring can have: more units could never be busy."""


class UnitBank:
    """`count` equal units. Belongs to one thread."""

    __slots__ = ("_count", "_free_at")

    def __init__(self, count: int) -> None:
        """Raises UsageError unless `count` is a whole number from 1 to MAX_UNITS."""
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_UNITS:
            raise UsageError(f"units={count!r}: use a whole number, 1 or more and at most {MAX_UNITS:,}")
        self._count = count
        self.reset()

    @property
    def count(self) -> int:
        """The number of units."""
        return self._count

    @property
    def frees_at_ns(self) -> int:
        """The time at which the unit that takes the next request will be free. Any thread may read it."""
        return self._free_at[0][0]

    @property
    def next_unit(self) -> int:
        """The number of the unit that takes the next request."""
        return self._free_at[0][1]

    def check(self, unit: int) -> None:
        """Raises UsageError for a unit that does not exist."""
        if not isinstance(unit, int) or isinstance(unit, bool) or not 0 <= unit < self._count:
            raise UsageError(f"unit {unit!r}: the units are 0 to {self._count - 1}")

    def assign(self, now_ns: int, service_ns: int) -> tuple[int, int, int]:
        """Give a request to the unit that is free first; if there are several, to the one with the lowest number.

        Returns (unit, start_ns, end_ns), where start_ns >= now_ns and end_ns = start_ns + service_ns. Requests are
        assigned in the order of the calls.
        """
        # A heap of (free_at_ns, unit). The order of these tuples is the rule above.
        free_at_ns, unit = self._free_at[0]
        start_ns = free_at_ns if free_at_ns > now_ns else now_ns
        end_ns = start_ns + service_ns
        heapreplace(self._free_at, (end_ns, unit))
        return unit, start_ns, end_ns

    def stall(self, unit: int, until_ns: int) -> None:
        """Let a unit start nothing before `until_ns`. If the unit is busy for longer, this changes nothing.

        Requests that were assigned to the unit before keep their times. Raises UsageError for a unit that does not
        exist.
        """
        self.check(unit)
        for position, (free_at_ns, index) in enumerate(self._free_at):
            if index == unit and free_at_ns < until_ns:
                self._free_at[position] = (until_ns, unit)
                heapify(self._free_at)
                return

    def reset(self) -> None:
        """All units are free at once, as when they were made."""
        # The list is sorted, so it is already a heap. 0 means free now, because no clock of ours gives a time below 0.
        self._free_at = [(0, unit) for unit in range(self._count)]
