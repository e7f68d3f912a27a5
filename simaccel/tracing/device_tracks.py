"""The tracks of one device: its rings, worker and units. Arrows between them show the way of each request.

Each method `on_WORD` draws the events with that word (see `sim.trace`). Each request is a flow, and the number of the
flow is that of the request. Its arrows go over submit, fetch, service on a unit, complete, interrupt or poll, and wake.
"""

from __future__ import annotations

from typing import Any

from simaccel.tracing.file import PerfettoFile
from simaccel.tracing.packets import BEGIN, COUNTER, END, INSTANT


class DeviceTracks:
    """The group of tracks of a device. Any thread may draw."""

    def __init__(self, file: PerfettoFile, name: str, rank: int) -> None:
        self._head = file.head
        self._rows = file.rows
        self._file = file
        self.group = group = file.track(name, rank=rank)
        self._ring = file.track("submission ring", group, rank=1)
        full = file.track("ring full", group, rank=2)
        self._full_begins, self._full_ends = file.head(BEGIN, full, "ring full"), file.head(END, full)
        self._occupancy = file.head(COUNTER, file.track("ring occupancy", group, rank=3, unit="requests"))
        self._in_flight = file.head(COUNTER, file.track("in flight", group, rank=4, unit="requests"))
        worker = file.track("worker", group, rank=5)
        self._fetch = file.head(INSTANT, worker, "fetch")
        self._interrupt = file.head(INSTANT, worker, "interrupt")
        self._hand_out = file.head(INSTANT, worker, "hand out")
        self._units = file.track("units", group, rank=6)
        self._unit_tracks: dict[int, int] = {}
        self._completions = file.track("completion ring", group, rank=7)
        self._heads: dict[Any, int] = {}
        self._services: dict[tuple[int, str], tuple[int, int]] = {}
        self._queued = self._flying = 0
        self._moved = ""
        self._is_full = False
        self._untimed: dict[int, int] = {}
        """Requests without a known time of service, and their units. Their service ends when they complete."""
        self._busy_until_ns: dict[int, int] = {}
        """For each unit, when the last of these requests ended."""

    def on_other(self, time_ns: int, number: int, request: object, what: str) -> None:
        """Draw an event that has no method of its own: a fault, a rejection, a reset and so on."""
        head = self._heads.get(what)
        if head is None:
            head = self._heads[what] = self._head(INSTANT, self.group, what)
        self._rows.put(time_ns, head, number)

    def _moves(self, time_ns: int, what: str) -> None:
        """Draw the counters. Called when the kind of change is a new one, so each highest and lowest value is drawn."""
        self._moved = what
        self._rows.put(time_ns, self._occupancy, self._queued)
        self._rows.put(time_ns, self._in_flight, self._flying)

    def on_submit(
        self, time_ns: int, number: int, request: object, op: str, payload_bytes: int, aux_bytes: int
    ) -> None:
        """The request has a slot."""
        if self._moved != "submit":
            self._moves(time_ns, "submit")
        self._queued += 1
        self._flying += 1
        head = self._heads.get(op)
        if head is None:
            head = self._heads[op] = self._head(INSTANT, self._ring, f"submit {op}")
        self._rows.put(time_ns, head, number)

    def on_full(self, time_ns: int, number: int, request: object, op: str) -> None:
        """A submit found no slot."""
        self._rows.put(time_ns, self._head(INSTANT, self._ring, f"full {op}"), 0)
        if not self._is_full:
            self._is_full = True
            self._rows.put(time_ns, self._full_begins, 0)

    def on_fetch(self, time_ns: int, number: int, request: object) -> None:
        """The device has fetched the request."""
        if self._moved != "fetch":
            self._moves(time_ns, "fetch")
        self._queued -= 1
        self._rows.put(time_ns, self._fetch, number)

    def on_start(
        self, time_ns: int, number: int, request: Any, _at: str, start_ns: int, _u: str, unit: int, _f: str, for_ns: int
    ) -> None:
        """A unit takes the request."""
        if for_ns:
            begins, ends = self._service(unit, request.op)
            self._rows.put(start_ns, begins, number)
            self._rows.put(start_ns + for_ns, ends, 0)
        else:
            self._untimed[number] = unit

    def _service(self, unit: int, op: str) -> tuple[int, int]:
        """The heads of the begin and the end of such an operation on a unit."""
        heads = self._services.get((unit, op))
        if heads is None:
            track = self._unit_tracks.get(unit)
            if track is None:
                track = self._unit_tracks[unit] = self._file.track(f"unit {unit}", self._units, rank=unit)
            heads = self._services[unit, op] = self._head(BEGIN, track, op), self._head(END, track)
        return heads

    def on_complete(self, time_ns: int, number: int, request: Any, how: str) -> None:
        """The request is on the completion ring."""
        if self._untimed:
            unit = self._untimed.pop(number, None)
            if unit is not None:
                start_ns = max(self._busy_until_ns.get(unit, 0), request.started_ns)
                self._busy_until_ns[unit] = end_ns = max(start_ns, request.finished_ns)
                begins, ends = self._service(unit, request.op)
                self._rows.put(start_ns, begins, number)
                self._rows.put(end_ns, ends, 0)
        name = "complete" if how == "ok" else f"complete {how}"
        head = self._heads.get(name)
        if head is None:
            head = self._heads[name] = self._head(INSTANT, self._completions, name)
        self._rows.put(time_ns, head, number)

    def on_interrupt(self, time_ns: int, number: int, request: object) -> None:
        """The handler of the interrupt reaps the completion ring. The events of what it hands out come next."""
        self._rows.put(time_ns, self._interrupt, 0)

    def on_wake(self, time_ns: int, number: int, request: object) -> None:
        """The request is handed out to its owner, and its slot is free."""
        if self._moved != "wake":
            self._moves(time_ns, "wake")
        self._flying -= 1
        if self._is_full:
            self._is_full = False
            self._rows.put(time_ns, self._full_ends, 0)
        self._rows.put(time_ns, self._hand_out, number)
