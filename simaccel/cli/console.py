"""Consoles of rich for tables and lines. They differ from rich's own in what happens if the output can't be written."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise, instead of exiting with rich's own exit code."""
        raise BrokenPipeError


class _ErrorConsole(_Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """If a text can't be written to standard error, for example to a full disk, it is lost, and the work goes
        on."""
        with suppress(OSError):
            super().print(*objects, **options)


def console(file: TextIO | None = None) -> Console:
    """The console for tables. An OSError of standard output is raised; one of standard error is not."""
    stream = sys.stdout if file is None else file
    return (_ErrorConsole if stream is sys.stderr else _Console)(file=stream, highlight=False, markup=False)
