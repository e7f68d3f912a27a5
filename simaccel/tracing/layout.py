"""How the bytes of an event follow one another in a Perfetto trace. `rows` writes events, many at once.

An event is a TracePacket (perfetto/protos/perfetto/trace/trace_packet.proto) with a TrackEvent in it. Lengths are
single bytes, because no event has more than 127:

    0a LENGTH  40 TIME  FIXED with LENGTH of the TrackEvent  EVENT  [a tag and a flow, or a tag and a value]

EVENT is the type, track and name. These come first, so that they are the same in all events of a kind.
"""

from __future__ import annotations

SEQUENCE = 1
NEEDS_STATE = 2
TIME_BYTES = 9
"""The most that a time takes as a varint."""
VALUE_BYTES = 4
"""The most that the value of a counter takes."""
FLOW_BYTES = 8
MAX_VALUE = (1 << 7 * VALUE_BYTES) - 1
"""The most that a counter may show."""


def varint(value: int) -> bytes:
    """A base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of an int."""
    return varint(field << 3) + varint(value)


BEFORE_TIME = bytes.fromhex("0a0040")
FIXED = number(10, SEQUENCE) + number(13, NEEDS_STATE) + b"\x5a\0"
FLOW_TAG, VALUE_TAG = varint(47 << 3 | 1), varint(30 << 3)
MOST_EVENT_BYTES = 2 + 6 + 5
"""Of a type, a track and a name."""
