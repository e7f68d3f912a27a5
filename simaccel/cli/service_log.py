"""What a device process tells its operator: lines of text, or of JSON for a log collector.

A line of text is what a person at a terminal reads. A line of JSON is one object with the same sentence as `message`,
and besides that the time in UTC, the level, the event, the device's address and the figures of the event. Errors and
warnings go to standard error, everything else to standard output.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from sim import UsageError
from simaccel.cli.exits import complain
from simaccel.cli.standard_streams import silence_stdout

LEVELS = ("error", "warning", "info")
"""From the level that says least to the one that says most."""

LogLevel = Annotated[
    str, typer.Option(metavar="LEVEL", help=f"Print only lines of this level and above: {', '.join(LEVELS)}.")
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Print each line as a JSON object, for log collectors.")]


class ServiceLog:
    """The log of one process. Any thread may write: each line is one write.

    A line that can't be written, for example to a full disk, is lost, and the device goes on.
    """

    def __init__(self, device: str, level: str = "info", as_json: bool = False) -> None:
        """`device` is the address of the device. Raises UsageError for an unknown level."""
        if level not in LEVELS:
            raise UsageError(f"--log-level {level}: use one of {', '.join(LEVELS)}")
        self._device = device
        self._shown = LEVELS[: LEVELS.index(level) + 1]
        self._as_json = as_json

    def announce(self, event: str, message: str) -> None:
        """Where something is served. Printed at every level, because scripts wait for it, and people open it."""
        self._print(self._object("info", event, message, {}) if self._as_json else message)

    def info(self, event: str, message: str, **figures: object) -> None:
        """Something that is as it should be."""
        if "info" in self._shown:
            self._print(self._object("info", event, message, figures) if self._as_json else message)

    def warning(self, event: str, message: str, **figures: object) -> None:
        """Something that the operator may have to change."""
        self._complain("warning", event, message, figures)

    def error(self, event: str, message: str, **figures: object) -> None:
        """Something has failed."""
        self._complain("error", event, message, figures)

    def relay(self, device: str, line: str) -> None:
        """Passes on a line that the process of this device has printed. JSON names the device itself."""
        self._print(line if self._as_json else f"{device}: {line}")

    def _complain(self, level: str, event: str, message: str, figures: dict[str, object]) -> None:
        if level not in self._shown:
            return
        if not self._as_json:
            complain(message)
            return
        with suppress(OSError):
            sys.stderr.write(self._object(level, event, message, figures) + "\n")
            sys.stderr.flush()

    def _object(self, level: str, event: str, message: str, figures: dict[str, object]) -> str:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        fixed = {"time": time, "level": level, "event": event, "device": self._device, "message": message}
        return json.dumps(fixed | figures)

    def _print(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError:
            silence_stdout()
