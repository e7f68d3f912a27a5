"""Traces: what happened on a device, in order, to be read, to be drawn, and to be compared with another run.

An event is a time in ns, a word, the number of a request (0 if it is about none) and details. Whoever takes events is a
`Tracer`: a `Trace` keeps them for replay, and `simaccel.tracing` draws them for Perfetto. `EVENTS` lists all events.
Requests are numbered from 1, in the order in which they get their slots. In virtual time equal seeds give equal events:
nothing in an event depends on an address, a hash, a real clock or the version of Python.

The event `corrupt` shows offsets, from which the positions follow: offset modulo length of the result. It can't show
the positions, because the length of an ECDSA signature differs from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Protocol

from hotpath.submittable import Submittable


class Tracer(Protocol):
    """Takes the events of devices. Any thread may call it, and it must not block for long."""

    def number(self, request: Any) -> None:
        """A request has got its slot: give it the next number."""
        ...

    def add(self, time_ns: int, what: str, request: Any = None, *details: object) -> None:
        """Add an event. `what` is one word; as text, no detail has a line break."""
        ...


EVENTS = {
    "submit OP PAYLOAD_BYTES AUX_BYTES": "the request has a slot",
    "full OP": "there was no slot",
    "reject OP eagain, reject OP fatal": "a rule refused it",
    "fault KIND": "it will meet this fault",
    "fetch": "the device took it off the ring",
    "start at NS unit UNIT for NS": "a unit takes it: when, for how long",
    "corrupt OFFSETS BITS": "these bits of its result were flipped",
    "complete ok, complete ERROR": "it is on the completion ring",
    "interrupt": "completions are taken off the ring",
    "wake": "its owner is told",
    "orphaned": "its owner no longer wanted it",
    "spurious": "its owner had it already",
    "duplicate": "its owner is told again",
    "false-wake": "its owner is woken for nothing",
    "doorbell-stuck, reset, remove, plug-in": "what happened to the whole device",
}
"""Every event's word with its details, and what happened. `simaccel help trace` prints these."""

Event = tuple[int, str, int, tuple[object, ...]]
"""Time in ns, word, number of the request, details."""


class Trace:
    """The events of one run: give it to an Accelerator. Any thread may add events."""

    __slots__ = ("_events", "_numbers", "_submitted")

    def __init__(self) -> None:
        self._events: list[Event] = []
        # By the request's id(). If Python uses an id again for a later request, that request gets a number of its own.
        self._numbers: dict[int, int] = {}
        self._submitted = 0

    def number(self, request: Submittable) -> None:
        """Give the next number to a request that has got its slot."""
        self._submitted += 1
        self._numbers[id(request)] = self._submitted

    def add(self, time_ns: int, what: str, request: Submittable | None = None, *details: object) -> None:
        """Add an event. `what` is one word; as text, no detail has a line break."""
        number = 0 if request is None else self._numbers.get(id(request), 0)
        self._events.append((time_ns, what, number, details))

    def lines(self) -> Iterator[str]:
        """The events as text, one line each."""
        return map(as_line, list(self._events))

    def digest(self) -> str:
        """The SHA-256 of the lines, in hex. If two runs have equal digests, they went the same way."""
        return sha256("".join(f"{line}\n" for line in self.lines()).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events>"


def as_line(event: Event) -> str:
    """An event as text."""
    time_ns, what, number, details = event
    return " ".join(map(str, (time_ns, what, number, *details)))
