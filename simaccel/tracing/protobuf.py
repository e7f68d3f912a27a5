"""Reads the fields of protobuf messages, as far as traces need it."""

from __future__ import annotations

from collections.abc import Iterator

from sim import TraceError

Value = int | bytes


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, value, length) of each field. For an int these are its value and -1; for bytes, their place and length.

    Raises TraceError for bytes that are not a message.
    """
    while at < end:
        key, at = varint(data, at, end)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at, end)
            yield key >> 3, value, -1
        elif kind == 2:
            length, at = varint(data, at, end)
            if at + length > end:
                raise TraceError("a field is longer than its message")
            yield key >> 3, at, length
            at += length
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
            if at + length > end:
                raise TraceError("a number is longer than its message")
            yield key >> 3, int.from_bytes(data[at : at + length], "little"), -1
            at += length
        else:
            raise TraceError(f"a field of kind {kind}")


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins there, and the place after it. Raises TraceError if it does not end."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise TraceError("a number does not end")
