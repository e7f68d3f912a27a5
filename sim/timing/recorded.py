"""Recorded durations. They are used in order, and after the last one the first comes again."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from sim.errors import UsageError
from sim.timing.columns import read_column
from sim.timing.quantities import check_ns, format_duration_ns, parse_duration_ns
from sim.timing.text_file import read_text

# Everything printable in ASCII but % and what separates the parts of a spec.
_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%+;")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Recorded durations.

    `trace:PATH` is a file of durations, `csv:PATH,column=service,unit=us` a column of a CSV file, and
    `values:50us,70us` a list.

    Each generator has its own position in the recording. Each device has its own generators, so it starts at the first
    duration even if two devices share the model. `random()` is never called.
    """

    durations_ns: tuple[int, ...]
    path: str | None = None
    column: str | None = None
    """The column of the durations, if the file is CSV."""
    unit: str | None = None
    _next: WeakKeyDictionary[random.Random, int] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        durations_ns = tuple(self.durations_ns)
        if not durations_ns:
            raise UsageError("trace without a duration: give at least one")
        for duration_ns in durations_ns:
            check_ns("trace duration", duration_ns)
        object.__setattr__(self, "durations_ns", durations_ns)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recorded:
        """Read a file with a duration and its unit on each line. Blank lines, and lines that start with #, are skipped.

        May block. Raises UsageError for a file that can't be read, and for a line that is not a duration.
        """
        name = os.fspath(path)
        durations_ns = []
        lines = read_text(name, "trace", "a file with one duration on each line").splitlines()
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                try:
                    durations_ns.append(parse_duration_ns(text))
                except UsageError as error:
                    raise UsageError(f"trace {name!r} line {number}: {error}") from None
        if not durations_ns:
            raise UsageError(f"trace {name!r} has no duration in it: write one on each line, such as 50us")
        return cls(tuple(durations_ns), name)

    @classmethod
    def load_csv(cls, path: str | os.PathLike[str], column: str | None = None, unit: str | None = None) -> Recorded:
        """Read a column of a CSV file with a header; see `read_column`. May block. Raises UsageError."""
        read = read_column(path, column, unit)
        return cls(read.times_ns, os.fspath(path), read.name, read.unit)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        position = self._next.get(rng, 0)
        self._next[rng] = (position + 1) % len(self.durations_ns)
        return self.durations_ns[position]

    @property
    def spec(self) -> str:
        # Characters that the grammar uses for itself are quoted as in a URL.
        if self.path is not None and self.column is not None:
            path, column = (quote(text, safe=_UNQUOTED.replace(",", "")) for text in (self.path, self.column))
            return f"csv:{path},column={column},unit={self.unit}"
        if self.path is not None:
            return "trace:" + quote(self.path, safe=_UNQUOTED)
        return "values:" + ",".join(format_duration_ns(duration_ns) for duration_ns in self.durations_ns)


def without_files(timing: Any) -> Any:
    """The same Timing or model with `values:` instead of `trace:PATH` and `csv:PATH`: its text form names no file.

    A recorded run needs this, because it may be kept longer than the files.
    """
    if isinstance(timing, Recorded):
        return Recorded(timing.durations_ns)
    if isinstance(timing, Mapping):
        return {op: without_files(model) for op, model in timing.items()}
    if not is_dataclass(timing) or isinstance(timing, type):
        return timing
    return replace(timing, **{part.name: without_files(getattr(timing, part.name)) for part in fields(timing)})
