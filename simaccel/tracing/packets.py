"""The bytes of a Perfetto trace: tracks, names, and rows of events, many at once.

Source: perfetto/protos/perfetto/trace/trace_packet.proto and track_event/*.proto. A file is a sequence of packets, and
each packet is a field of the message Trace. So a file can be written packet by packet, and after a crash it can be read
up to the last one.

A row is three ints: a time in ns, the number of its head, and a flow (0: none) or the value of a counter. A head is a
type, a track and a name, with all the bytes that its rows have in common. numpy turns thousands of rows into bytes at
once, which takes 0.3 us for each row. A Python loop takes ten times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
"""TrackEvent.Type."""
INTS = 3
"""Ints of a row."""

_SEQUENCE = 1
_RESET, _NEEDS_STATE = 1, 2


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


def message(field: int, body: bytes) -> bytes:
    """A field of a message, or of text."""
    return varint(field << 3 | 2) + varint(len(body)) + body


def packet(body: bytes) -> bytes:
    """A TracePacket of our sequence."""
    return message(1, body + number(10, _SEQUENCE))


def beginning() -> bytes:
    """The first packet of a file: from here on names count."""
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
    return packet(message(12, message(2, entry)) + number(13, _NEEDS_STATE))


_TIME_BYTES = 9
"""Room for any time as a varint."""
_VALUE_BYTES = 4
MAX_VALUE = (1 << 28) - 1
"""The most that a counter may show."""
_FLOW_BYTES = 8
_BEFORE_TIME = bytes.fromhex("0a0040")
_LENGTH_AT, _TIME_AT = 1, len(_BEFORE_TIME)
_FIXED = number(10, _SEQUENCE) + number(13, _NEEDS_STATE) + b"\x5a\0"
_INNER_AT = _TIME_AT + _TIME_BYTES + len(_FIXED) - 1
"""Where the length of the TrackEvent stands."""
_EVENT_AT = _INNER_AT + 1
_FLOW_TAG, _VALUE_TAG = varint(47 << 3 | 1), varint(30 << 3)
_TAG_AT = _EVENT_AT + 2 + 6 + 5
"""Type, track and name come first, so the tag and the flow (or the value) stand at the same place in all rows."""
_EXTRA_AT = _TAG_AT + len(_FLOW_TAG)
_WIDTH = _EXTRA_AT + _FLOW_BYTES

_Bytes = npt.NDArray[np.uint8]
_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]


class Heads:
    """The heads of one file, numbered from 0, and the bytes of rows with them.

    One thread at a time may call `head`. One thread at a time may call `rows`; it may be another one.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int, int], int] = {}
        # By the number of the head. They have room for more, and grow by doubling.
        self._cells: _Bytes = np.zeros((64, _WIDTH), dtype=np.uint8)
        self._kept: _Bools = np.zeros((64, _WIDTH), dtype=bool)
        self._counters: _Bools = np.zeros(64, dtype=bool)

    def head(self, kind: int, track: int, name: int = 0) -> int:
        """The number of the head for events of that kind, track and name. A name of 0 means no name."""
        key = (kind, track, name)
        found = self._numbers.get(key)
        if found is None:
            event = number(9, kind) + number(11, track) + (number(10, name) if name else b"")
            used = _BEFORE_TIME + bytes(_TIME_BYTES) + _FIXED + event
            found = len(self._numbers)
            if found == len(self._cells):
                self._cells, self._kept, self._counters = map(_doubled, (self._cells, self._kept, self._counters))
            cells, kept = self._cells[found], self._kept[found]
            tag = _VALUE_TAG if kind == COUNTER else _FLOW_TAG
            cells[: len(used)] = np.frombuffer(used, dtype=np.uint8)
            cells[_TAG_AT:_EXTRA_AT] = np.frombuffer(tag, dtype=np.uint8)
            cells[_INNER_AT] = len(event)
            cells[_LENGTH_AT] = len(used) - _TIME_BYTES - _LENGTH_AT - 1
            kept[: len(used)] = True
            self._counters[found] = kind == COUNTER
            self._numbers[key] = found  # set last, because from now on another thread may use it
        return found

    def rows(self, ints: list[int]) -> bytes:
        """The packets of these rows, in their order."""
        table: _Ints = np.array(ints, dtype=np.int64).reshape(-1, INTS)
        times, heads, extras = table[:, 0], table[:, 1], table[:, 2]
        cells, kept, counters = self._cells[heads], self._kept[heads], self._counters[heads]
        cells[:, _EXTRA_AT:] = extras.astype("<i8").view(np.uint8).reshape(-1, _FLOW_BYTES)
        flows = ~counters & (extras > 0)
        kept[:, _TAG_AT:] = flows[:, None]
        inner = flows * np.uint8(_WIDTH - _TAG_AT)
        if counters.any():
            some_cells, some_kept = cells[counters], kept[counters]
            taken = _put_varints(some_cells, some_kept, _EXTRA_AT, _VALUE_BYTES, extras[counters])
            some_kept[:, _TAG_AT:_EXTRA_AT] = True
            cells[counters], kept[counters] = some_cells, some_kept
            inner[counters] = taken + np.uint8(len(_VALUE_TAG))
        cells[:, _INNER_AT] += inner
        cells[:, _LENGTH_AT] += inner + _put_varints(cells, kept, _TIME_AT, _TIME_BYTES, times)
        return cells[kept].tobytes()


def _doubled(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate((array, np.zeros_like(array)))


def _put_varints(cells: _Bytes, kept: _Bools, first: int, width: int, values: _Ints) -> _Bytes:
    """Put these numbers into the columns from `first` on, each with no more bytes than it needs.

    Returns how many bytes each takes.
    """
    groups = values[:, None] >> np.arange(0, 7 * width, 7)
    used = groups > 0
    used[:, 0] = True
    cells[:, first : first + width] = groups & 0x7F
    cells[:, first : first + width - 1] |= used[:, 1:].view(np.uint8) << 7
    kept[:, first : first + width] = used
    taken: _Bytes = used.sum(axis=1, dtype=np.uint8)
    return taken
