"""Trace files: a trace, together with the scenario from which it was recorded.

The file is ASCII text. The first line names the format and its version. The second is JSON that describes the scenario.
Then comes a line for each event (see `sim.trace`), and a last line with the number of events and the SHA-256 of all
lines before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sim.errors import TraceError, UsageError
from sim.trace import Trace

VERSION = 2
_MAGIC = "simaccel trace"


@dataclass(frozen=True, slots=True)
class Recording:
    """The contents of a trace file."""

    scenario: dict[str, Any]
    lines: tuple[str, ...]


def save_trace(path: str, scenario: Mapping[str, Any], trace: Trace) -> None:
    """Write the file. Raises UsageError for a scenario that JSON can't hold, and OSError as open and write do."""
    try:
        described = json.dumps(scenario, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a scenario that JSON can't hold: {error}") from None
    text = "".join(f"{line}\n" for line in (f"{_MAGIC} {VERSION}", described, *trace.lines()))
    with open(path, "w", encoding="ascii", errors="backslashreplace", newline="\n") as file:
        file.write(text)
        file.write(f"end {len(trace)} {_digest(text)}\n")


def load_trace(path: str) -> Recording:
    """Read the file.

    Raises TraceError, with a message of one line, if the file is not a trace, is damaged, or is of another version.
    Raises OSError as open and read do.
    """
    with open(path, encoding="ascii", errors="replace", newline="\n") as file:
        # Only the first line at first, because a file such as /dev/zero has no end.
        first = file.readline(len(_MAGIC) + 22).rstrip("\n")
        text = f"{first}\n{file.read()}" if first.startswith(_MAGIC) else ""
    magic, _, version = first.rpartition(" ")
    if magic != _MAGIC:
        raise TraceError(f"{path} is not a trace of simaccel: it does not begin with {_MAGIC!r}")
    if version != str(VERSION):
        raise TraceError(f"{path} is a trace of version {version[:20]}, and this simaccel reads version {VERSION}")
    body, newline, last = text.removesuffix("\n").rpartition("\n")
    words = last.split(" ")
    if not newline or not text.endswith("\n") or len(words) != 3 or words[0] != "end":
        raise TraceError(f"{path} is damaged: its end is missing")
    lines = body.split("\n")
    if words[2] != _digest(body + "\n") or words[1] != str(len(lines) - 2):
        raise TraceError(f"{path} is damaged: its lines do not match the digest at its end")
    try:
        scenario = json.loads(lines[1])
    except ValueError:
        scenario = None
    if not isinstance(scenario, dict):
        raise TraceError(f"{path} is damaged: its second line describes no scenario")
    return Recording(scenario, tuple(lines[2:]))


def _digest(text: str) -> str:
    return sha256(text.encode("ascii", errors="backslashreplace")).hexdigest()
