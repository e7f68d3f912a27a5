"""Shows on stderr how far a run of the benchmarks is: a bar on a terminal, and elsewhere a line for each step.

It has no thread, because a thread would take time from what is measured. So the bar moves only between the turns of the
contenders.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console
from rich.table import Column

from simaccel.bench.interleaved_rounds import watched


class BenchProgress:
    """The progress through a number of steps. It is a context manager: leaving it wipes the bar."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._what = ""
        self._terminal = sys.stderr.isatty()
        self._bar = progress.Progress(
            progress.BarColumn(bar_width=10),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            # This column gets the rest of the line. If that is short, words are cut, but no numbers.
            progress.TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            expand=True,
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            disable=not self._terminal,
        )
        self._task = self._bar.add_task("", total=steps)
        self._stack = ExitStack()

    def begin(self, what: str) -> None:
        """Note that a step begins."""
        self._what = what
        if self._terminal:
            self._bar.update(self._task, description=what, refresh=True)
        else:
            with suppress(OSError):
                print(f"measuring {what}, {self._done + 1} of {self._steps}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Note that the step has ended."""
        self._done += 1
        self._bar.advance(self._task)

    def _turn(self, text: str) -> None:
        if self._terminal:
            self._bar.update(self._task, description=f"{self._what}: {text}", refresh=True)

    def __enter__(self) -> Self:
        self._bar.start()
        self._stack.callback(self._bar.stop)
        self._stack.enter_context(watched(self._turn))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
