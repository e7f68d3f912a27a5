"""Consoles of rich for tables and lines: what happens when nobody can read them is decided here, not by rich."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The exit code is not for rich to choose."""
        raise BrokenPipeError


class _ErrorConsole(_Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """What can't be written to standard error, of a full disk for example, is lost and stops nothing."""
        with suppress(OSError):
            super().print(*objects, **options)


def console(file: TextIO | None = None) -> Console:
    """Where tables go. An OSError of standard output is raised, one of standard error is not."""
    stream = sys.stdout if file is None else file
    return (_ErrorConsole if stream is sys.stderr else _Console)(file=stream, highlight=False, markup=False)
