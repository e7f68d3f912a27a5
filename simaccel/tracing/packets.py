"""The packets of a Perfetto trace that are not events: the beginning, tracks and names.

Source: perfetto/protos/perfetto/trace/trace_packet.proto and track_event/*.proto. A file is a sequence of packets, and
each packet is a field of the message Trace. So a file can be written packet by packet, and after a crash it can be read
up to the last one. `rows` writes the packets of events.
"""

from __future__ import annotations

from simaccel.tracing.layout import NEEDS_STATE, SEQUENCE, number, varint

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
"""TrackEvent.Type."""
CALLER_FLOWS = 1 << 62
"""All flows from here on lead from one request of a caller to its next. Those of requests are below."""

_RESET = 1


def message(field: int, body: bytes) -> bytes:
    """A field of a message, or of text."""
    return varint(field << 3 | 2) + varint(len(body)) + body


def packet(body: bytes) -> bytes:
    """A TracePacket of our sequence."""
    return message(1, body + number(10, SEQUENCE))


def beginning() -> bytes:
    """The first packet of a file. The numbers of names begin anew with it."""
    return packet(number(13, _RESET) + number(87, 1))


def track(uuid: int, name: str, parent: int = 0, *, rank: int = 0, unit: str | None = None) -> bytes:
    """A track. Children of a track stand in the order of their ranks. With a unit, it is the track of a counter."""
    body = number(1, uuid) + message(2, name.encode())
    if parent:
        body += number(5, parent)
    if unit is not None:
        body += message(8, message(6, unit.encode()))
    body += number(11, 3) + number(12, rank)
    return packet(message(60, body))


def name(iid: int, text: str) -> bytes:
    """The name of events with that number."""
    entry = number(1, iid) + message(2, text.encode())
    return packet(message(12, message(2, entry)) + number(13, NEEDS_STATE))


def event(kind: int, track: int, name: int) -> bytes:
    """What TrackEvents of that kind, track and name begin with. A name of 0 means no name."""
    return number(9, kind) + number(11, track) + (number(10, name) if name else b"")
