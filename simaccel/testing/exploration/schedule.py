"""A schedule is the steps of one run in order. Its text form can be kept, sent and replayed. An example of the text:

simaccel schedule 1
model: simaccel.testing.models.by_fd
preemptions: 1
application: start
device: complete 0
? which = 1
end: 3 steps, crc32 89abcdef
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path as FilePath

from simaccel.testing.exploration.actor import CHOICE, Mark
from simaccel.testing.exploration.errors import ScheduleError

VERSION = 1
_MAGIC = "simaccel schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps and choices of one run. Immutable."""

    model: str
    preemptions: int
    steps: tuple[Mark, ...]

    @property
    def step_count(self) -> int:
        """How many steps it has, without the choices."""
        return sum(actor != CHOICE for actor, _ in self.steps)

    def to_text(self) -> str:
        """The text form. It ends with a newline."""
        lines = [f"{_MAGIC} {VERSION}", f"model: {self.model}", f"preemptions: {self.preemptions}"]
        lines += [f"{CHOICE} {label}" if actor == CHOICE else f"{actor}: {label}" for actor, label in self.steps]
        body = "\n".join(lines) + "\n"
        return f"{body}end: {len(self.steps)} steps, crc32 {zlib.crc32(body.encode()):08x}\n"

    @classmethod
    def from_text(cls, text: str) -> Schedule:
        """Read the text form. Raises ScheduleError for another version, and for a damaged text."""
        lines = text.splitlines()
        head = re.fullmatch(rf"{_MAGIC} (\d+)", lines[0]) if lines else None
        if head is None:
            first = lines[0] if lines else ""
            raise ScheduleError(f"not a schedule: it begins with {first[:60]!r}, not with '{_MAGIC} {VERSION}'")
        if int(head[1]) != VERSION:
            raise ScheduleError(
                f"a schedule of version {head[1]}: this simaccel reads version {VERSION}; explore again to get one"
            )
        end = re.fullmatch(r"end: (\d+) steps, crc32 ([0-9a-f]{8})", lines[-1])
        body = "\n".join(lines[:-1]) + "\n"
        if end is None:
            raise ScheduleError("the schedule is cut off: its last line is not 'end: ...'")
        if int(end[1]) != len(lines) - 4 or int(end[2], 16) != zlib.crc32(body.encode()):
            raise ScheduleError("the schedule was changed or damaged: its checksum is wrong; explore again")
        model, preemptions = lines[1].removeprefix("model: "), lines[2].removeprefix("preemptions: ")
        return cls(model, int(preemptions), tuple(map(_mark, lines[3:-1])))

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the text form."""
        FilePath(file).write_text(self.to_text(), encoding="utf-8")

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Schedule:
        """Read a file. Raises ScheduleError if it is not a schedule, and OSError if it can't be read."""
        try:
            return cls.from_text(FilePath(file).read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise ScheduleError(f"{file}: not a schedule, not even text") from None
        except ScheduleError as error:
            raise ScheduleError(f"{file}: {error}") from None


def _mark(line: str) -> Mark:
    if line.startswith(f"{CHOICE} "):
        return CHOICE, line[2:]
    actor, _, label = line.partition(": ")
    return actor, label
