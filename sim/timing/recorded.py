"""Durations taken from a recording, in order, and from the start again after the last."""

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
"""Of a file: some 30 million durations. /dev/zero has no end."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording. `trace:PATH` for a file, `values:50us,70us` for a list.

    The place in the recording belongs to the generator that is drawn with: each device, having its own, starts at the
    first duration, also when two share the model. It is no draw: `random()` is not called.
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
        """Reads a file: a duration with its unit on each line; blank lines and those starting with # are skipped.

        Reads the file, so it may block. Raises UsageError for a file that can't be read or a line that is none.
        """
        name = os.fspath(path)
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read(MAX_CHARACTERS + 1)
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise UsageError(f"trace {name!r}: {reason}; give a file with one duration a line") from error
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
            raise UsageError(f"trace {name!r}: no duration in it; give one a line, such as 50us")
        return cls(tuple(durations_ns), name)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        position = self._next.get(rng, 0)
        self._next[rng] = (position + 1) % len(self.durations_ns)
        return self.durations_ns[position]

    @property
    def spec(self) -> str:
        if self.path is not None:
            # What the grammar uses for itself is written as in a URL.
            return "trace:" + quote(self.path, safe=_UNQUOTED)
        return "values:" + ",".join(format_duration_ns(duration_ns) for duration_ns in self.durations_ns)


def without_files(timing: Any) -> Any:
    """An equal Timing, or model, whose text form names no file: each `trace:PATH` in it became `values:`.

    For what is kept longer than the files are, such as a recorded run.
    """
    if isinstance(timing, Recorded):
        return Recorded(timing.durations_ns)
    if isinstance(timing, Mapping):
        return {op: without_files(model) for op, model in timing.items()}
    if not is_dataclass(timing) or isinstance(timing, type):
        return timing
    return replace(timing, **{part.name: without_files(getattr(timing, part.name)) for part in fields(timing)})
