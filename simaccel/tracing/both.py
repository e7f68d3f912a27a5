"""One stream of events for two traces."""

from __future__ import annotations

from typing import Any

from sim import Tracer


class Both:
    """A `sim.Tracer` that hands each event to two others, in this order."""

    def __init__(self, first: Tracer, second: Tracer) -> None:
        self._first = first
        self._second = second

    def number(self, request: Any) -> None:
        """A request has got its slot."""
        self._first.number(request)
        self._second.number(request)

    def add(self, time_ns: int, what: str, request: Any = None, *details: object) -> None:
        """Something happened."""
        self._first.add(time_ns, what, request, *details)
        self._second.add(time_ns, what, request, *details)
