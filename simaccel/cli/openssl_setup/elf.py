"""The libraries that a program or library is linked to. Imports nothing of ours: building the wheel runs this file."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct("<4sBB26xQ14xHH6x")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRING_TABLE = 1, 5
_64_BIT, _LITTLE = 2, 1


def needed(path: Path) -> list[str]:
    """The libraries that the file itself names. Empty if it is not a 64-bit little-endian ELF file."""
    try:
        data = path.read_bytes()
        return list(_needed(data))
    except (OSError, struct.error, ValueError, LookupError, StopIteration):
        return []


def libcrypto_of(path: Path) -> str | None:
    """The libcrypto to which the file is linked, directly or through libssl, such as libcrypto.so.3. None if to
    none."""
    for name in needed(path):
        library, _, version = name.partition(".so.")
        if library in ("libcrypto", "libssl"):
            return f"libcrypto.so.{version}"
    return None


def _needed(data: bytes) -> list[str]:
    magic, bits, order, segments_off, segment_bytes, count = _HEADER.unpack_from(data)
    if (magic, bits, order) != (b"\x7fELF", _64_BIT, _LITTLE):
        return []
    segments = [_SEGMENT.unpack_from(data, segments_off + number * segment_bytes) for number in range(count)]
    loads = [(address, size, offset) for kind, _, offset, address, _, size, *_ in segments if kind == _LOAD]
    for kind, _, offset, _, _, size, *_ in segments:
        if kind == _DYNAMIC:
            entries = list(_ENTRY.iter_unpack(data[offset : offset + size]))
            strings = dict(entries)[_STRING_TABLE]
            first, _, at = next(load for load in loads if load[0] <= strings < load[0] + load[1])
            names = strings - first + at
            return [_text(data, names + value) for tag, value in entries if tag == _NEEDED]
    return []


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
