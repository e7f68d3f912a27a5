"""The progress bar on a terminal's stderr. It has no thread, because that would take the GIL from what is measured."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from sim.clock import RealClock

EVERY_NS = 100_000_000
"""It draws at most once in this time of the machine's clock. With `--virtual` the clock of the operations may stand
still."""
ROOM = 80
"""A terminal with fewer columns than this has no room for the bar, and shows only the numbers."""


class _Done(ProgressColumn):
    """How many are done of how many, or only how many are done if the total is not known."""

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):,}"
        return Text(done if task.total is None else f"{done}/{int(task.total):,}")


class ProgressBar:
    """Counts operations, and draws if stderr is a terminal. It is a context manager: leaving it wipes the bar."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            *([BarColumn()] if console.width >= ROOM else ()),
            _Done(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=None)
        self._done = 0
        self._drawn_ns = 0

    def begin(self, what: str, total: int | None) -> None:
        """Start again from 0. `total` is None if it is not known."""
        self._done = 0
        self._progress.reset(self._task, total=total, completed=0, description=what)

    def step(self) -> None:
        """Note that one more is done."""
        self._done += 1
        if self._progress.disable:
            return
        now_ns = RealClock.now_ns()
        if now_ns - self._drawn_ns >= EVERY_NS:
            self._drawn_ns = now_ns
            self._progress.update(self._task, completed=self._done, refresh=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
