"""Walks folders, reads files in blocks, and reports the paths that can't be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from simaccel.cli.shell_quoting import quoted

BLOCK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path that can't be read, and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{quoted(self.path)}: {self.reason}"


Report = Callable[[Unreadable], object]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file, of at most BLOCK_BYTES. An empty file is one empty block."""

    path: str
    offset: int
    data: bytes

    def __str__(self) -> str:
        return f"{quoted(self.path)}, {len(self.data):,} bytes at {self.offset:,}"


def walk(paths: Iterable[str], report: Report) -> Iterator[str]:
    """The given paths that are not folders, and the regular files in the given folders, in the order of their names.

    Symbolic links inside folders are not followed, as with `find -type f`. Each folder is read when it is reached.
    """
    for path in paths:
        if os.path.isdir(path):
            yield from _walk_folder(path, report)
        else:
            yield path


def _walk_folder(folder: str, report: Report) -> Iterator[str]:
    # A stack, not recursion: folders may be nested deeper than Python's calls.
    pending = [(folder, True)]
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            yield path
            continue
        try:
            with os.scandir(path) as scan:
                entries = sorted(scan, key=lambda entry: os.fsencode(entry.name), reverse=True)
        except OSError as error:
            report(Unreadable(path, error.strerror or str(error)))
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, True))
            elif entry.is_file(follow_symlinks=False):
                pending.append((entry.path, False))


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The contents of the file in blocks of BLOCK_BYTES; the last may be shorter. An empty file is one b""."""
    data = file.read(BLOCK_BYTES)
    yield data
    while len(data) == BLOCK_BYTES:
        data = file.read(BLOCK_BYTES)
        if data:
            yield data


def blocks(paths: Iterable[str], report: Report) -> Iterator[Block]:
    """The blocks of all files, one file open at a time. A file that can't be read is reported and left out."""
    for path in walk(paths, report):
        try:
            with open(path, "rb") as file:
                offset = 0
                for data in read_blocks(file):
                    yield Block(path, offset, data)
                    offset += len(data)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            report(Unreadable(path, getattr(error, "strerror", None) or str(error)))
