"""Rows of events that were not written yet, and their bytes. Where the hot path is compiled, rows.pyx replaces this.

A row is four ints: a time in ns, the number of its head, a flow (0: none) or the value of a counter, and a second flow.
A head has all the bytes that its rows have in common: their type, track and name.

numpy turns thousands of rows into bytes at once, which takes 0.3 us for each row. A Python loop takes ten times as
long. Compiled, a loop in C takes 0.01 us.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from simaccel.tracing.layout import (
    BEFORE_TIME,
    FIXED,
    FLOW_BYTES,
    FLOW_TAG,
    MOST_EVENT_BYTES,
    TIME_BYTES,
    VALUE_BYTES,
    VALUE_TAG,
)

_INTS = 4
"""Ints of a row."""
_LENGTH_AT, _TIME_AT = 1, len(BEFORE_TIME)
_INNER_AT = _TIME_AT + TIME_BYTES + len(FIXED) - 1
"""Where the length of the TrackEvent stands."""
_TAG_AT = _INNER_AT + 1 + MOST_EVENT_BYTES
"""The tag and the flow (or the value) stand at the same place in all rows."""
_EXTRA_AT = _TAG_AT + len(FLOW_TAG)
_MORE_AT = _EXTRA_AT + FLOW_BYTES
"""The tag of the second flow."""
_WIDTH = _MORE_AT + len(FLOW_TAG) + FLOW_BYTES

_Bytes = npt.NDArray[np.uint8]
_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]


class Rows:
    """The rows of one file that were not written yet, and all its heads. `len` counts the rows.

    Any thread may call `put`, at any time. One thread at a time may call `head`, and one at a time `take`.
    """

    def __init__(self) -> None:
        self._ints: list[int] = []
        self._heads = 0
        # By the number of the head. They have room for more, and grow by doubling.
        self._cells: _Bytes = np.zeros((64, _WIDTH), dtype=np.uint8)
        self._kept: _Bools = np.zeros((64, _WIDTH), dtype=bool)
        self._counters: _Bools = np.zeros(64, dtype=bool)

    def __len__(self) -> int:
        return len(self._ints) // _INTS

    def head(self, event: bytes, counter: bool) -> int:
        """The number of a new head. `event`: what all TrackEvents of its rows begin with, MOST_EVENT_BYTES at most."""
        used = BEFORE_TIME + bytes(TIME_BYTES) + FIXED + event
        number = self._heads
        if number == len(self._cells):
            self._cells, self._kept, self._counters = map(_doubled, (self._cells, self._kept, self._counters))
        cells, kept = self._cells[number], self._kept[number]
        cells[: len(used)] = np.frombuffer(used, dtype=np.uint8)
        cells[_TAG_AT:_EXTRA_AT] = np.frombuffer(VALUE_TAG if counter else FLOW_TAG, dtype=np.uint8)
        cells[_MORE_AT : _MORE_AT + len(FLOW_TAG)] = np.frombuffer(FLOW_TAG, dtype=np.uint8)
        cells[_INNER_AT] = len(event)
        cells[_LENGTH_AT] = len(used) - TIME_BYTES - _LENGTH_AT - 1
        kept[: len(used)] = True
        self._counters[number] = counter
        self._heads = number + 1
        return number

    def put(self, time_ns: int, head: int, extra: int, more: int = 0) -> None:
        """Add a row. `extra`: a flow, or the value of a counter; `more`: a second flow of a row that has one."""
        self._ints += (time_ns, head, extra, more)  # nothing can interrupt this

    def take(self) -> tuple[int, bytes]:
        """Take all rows: how many they are, and their packets, in the order of the rows."""
        count = len(self)
        ints = array("q", self._ints[: count * _INTS])  # numpy would take twice as long to make an array of the list
        del self._ints[: count * _INTS]
        if not count:
            return 0, b""
        table: _Ints = np.frombuffer(ints, dtype=np.int64).reshape(-1, _INTS)
        times, heads, extras, more = table.T
        cells, kept, counters = self._cells[heads], self._kept[heads], self._counters[heads]
        cells[:, _EXTRA_AT:_MORE_AT] = extras.astype("<i8").view(np.uint8).reshape(-1, FLOW_BYTES)
        flows = ~counters & (extras > 0)
        kept[:, _TAG_AT:_MORE_AT] = flows[:, None]
        inner = flows * np.uint8(_MORE_AT - _TAG_AT)
        if more.any():
            cells[:, -FLOW_BYTES:] = more.astype("<i8").view(np.uint8).reshape(-1, FLOW_BYTES)
            kept[:, _MORE_AT:] = (more > 0)[:, None]
            inner += (more > 0) * np.uint8(_WIDTH - _MORE_AT)
        if counters.any():
            some_cells, some_kept = cells[counters], kept[counters]
            taken = _put_varints(some_cells, some_kept, _EXTRA_AT, VALUE_BYTES, extras[counters])
            some_kept[:, _TAG_AT:_EXTRA_AT] = True
            cells[counters], kept[counters] = some_cells, some_kept
            inner[counters] = taken + np.uint8(len(VALUE_TAG))
        cells[:, _INNER_AT] += inner
        cells[:, _LENGTH_AT] += inner + _put_varints(cells, kept, _TIME_AT, TIME_BYTES, times)
        return count, cells[kept].tobytes()


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
