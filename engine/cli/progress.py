"""The progress bar on a terminal's stderr. Without a thread: one would take the GIL from what is measured."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

EVERY, EVERY_NS = 32, 100_000_000
"""Looks at the clock once in so many operations, and draws at most once in that time."""


class ProgressBar:
    """Counts operations; draws only where stderr is a terminal. A context manager: leaving it wipes the bar."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            auto_refresh=False,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=None)
        self._done = 0
        self._drawn_ns = 0

    def begin(self, what: str, total: int | None) -> None:
        """Start again from 0; a total of None is one that is not known."""
        self._done = 0
        self._progress.reset(self._task, total=total, completed=0, description=what)

    def step(self, now_ns: int) -> None:
        """One more is done."""
        self._done += 1
        if self._done % EVERY == 0 and not self._progress.disable and now_ns - self._drawn_ns >= EVERY_NS:
            self._drawn_ns = now_ns
            self._progress.update(self._task, completed=self._done, refresh=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
