"""A Perfetto file that is written as it goes: tracks and names when they are first used, and rows in portions."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from simaccel.tracing import packets
from simaccel.tracing.packets import COUNTER
from simaccel.tracing.rows import Rows

PERFETTO = ".pftrace"
"""How the name of a trace for Perfetto ends."""
PORTION = 4_096
"""How many rows are kept before they are written, in one piece of about 100 KB."""


class PerfettoFile:
    """Rows of events that go to a file. Any thread may call all of it; writing happens in the thread that calls.

    If the file can't be written any more, for example because the disk is full, `error` says why. All later rows are
    dropped, and the file ends after its last whole portion.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Overwrites a file that exists. Raises OSError if the file can't be opened."""
        self.path = os.fspath(path)
        self.error: OSError | None = None
        self.events = 0
        """Rows that were written."""
        self.rows = Rows()
        """The rows that were not written yet. Put rows into it, and call `flush` when there are PORTION of them."""
        self._heads: dict[tuple[int, int, int], int] = {}
        self._names: dict[str, int] = {}
        self._tracks = 0
        self._definitions: list[bytes] = []
        self._size_bytes = 0
        self._defining = threading.RLock()
        self._flushing = threading.Lock()
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - `close` closes it
        self._write(packets.beginning())

    def track(self, name: str, parent: int = 0, *, rank: int = 0, unit: str | None = None) -> int:
        """Make a track, and return its number. With a unit, it is the track of a counter."""
        with self._defining:
            self._tracks += 1
            self._definitions.append(packets.track(self._tracks, name, parent, rank=rank, unit=unit))
            return self._tracks

    def head(self, kind: int, track: int, name: str = "") -> int:
        """The number of a head, for `rows`: what all events of that kind and name on that track have in common."""
        with self._defining:
            iid = self._names.get(name, 0)
            if name and not iid:
                iid = self._names[name] = len(self._names) + 1
                self._definitions.append(packets.name(iid, name))
            key = (kind, track, iid)
            found = self._heads.get(key)
            if found is None:
                found = self._heads[key] = self.rows.head(packets.event(kind, track, iid), kind == COUNTER)
            return found

    def flush(self) -> None:
        """Write all rows, unless another thread is writing them."""
        if not self._flushing.acquire(blocking=False):
            return
        try:
            count, rows = self.rows.take()
            with self._defining:  # taken after the rows, so every track that these rows need is in it
                definitions, self._definitions = self._definitions, []
            if self._write(b"".join((*definitions, rows))):
                self.events += count
        finally:
            self._flushing.release()

    def _write(self, data: bytes) -> bool:
        if self.error is not None:
            return False
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
            with suppress(OSError):  # not a regular file
                os.ftruncate(self._file.fileno(), self._size_bytes)
            return False
        self._size_bytes += len(data)
        return True

    def close(self) -> None:
        """Write what is left, and close the file. Calling again does nothing. `error` says whether all was written."""
        if not self._file.closed:
            self.flush()
            self._file.close()
