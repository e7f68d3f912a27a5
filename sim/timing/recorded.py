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
from sim.timing.quantities import check_ns, format_duration_ns, parse_duration_ns

# Everything printable in ASCII but % and what separates the parts of a spec.
_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%+;")

MAX_CHARACTERS = 1 << 28
"""How much of a file is read at most, about 30 million durations. A file such as /dev/zero has no end."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Recorded durations. `trace:PATH` for a file, `values:50us,70us` for a list.

    Each generator has its own position in the recording. Each device has its own generators, so it starts at the first
    duration even if two devices share the model. `random()` is never called.
    """

    durations_ns: tuple[int, ...]
    path: str | None = None
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
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read(MAX_CHARACTERS + 1)
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise UsageError(f"trace {name!r}: {reason}; give a file with one duration on each line") from error
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"trace {name!r}: more than {MAX_CHARACTERS:,} characters; give a shorter file")
        durations_ns = []
        lines = text.splitlines()
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

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        position = self._next.get(rng, 0)
        self._next[rng] = (position + 1) % len(self.durations_ns)
        return self.durations_ns[position]

    @property
    def spec(self) -> str:
        if self.path is not None:
            # Characters that the grammar uses for itself are quoted as in a URL.
            return "trace:" + quote(self.path, safe=_UNQUOTED)
        return "values:" + ",".join(format_duration_ns(duration_ns) for duration_ns in self.durations_ns)


def without_files(timing: Any) -> Any:
    """The same Timing or model with `values:` instead of each `trace:PATH`, so that its text form names no file.

    A recorded run needs this, because it may be kept longer than the files.
    """
    if isinstance(timing, Recorded):
        return Recorded(timing.durations_ns)
    if isinstance(timing, Mapping):
        return {op: without_files(model) for op, model in timing.items()}
    if not is_dataclass(timing) or isinstance(timing, type):
        return timing
    return replace(timing, **{part.name: without_files(getattr(timing, part.name)) for part in fields(timing)})
