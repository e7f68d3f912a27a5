"""Warns that operations complete later than the timing model says, because the software is slower than the model."""

from __future__ import annotations

import threading
from collections.abc import Callable

from simaccel.cli.exits import complain
from simaccel.cli.quantities import duration
from simaccel.cli.workload.results import LATE_SHARE

LOOK_S = 1.0


def late_text(late: int, of: int, late_ns: int, latency: str | None, cures: str) -> str:
    """The warning that `late` of `of` operations were late, by `late_ns` in all. `cures` says what helps."""
    return (
        f"{late:,} of {of:,} operations completed later than --latency {latency} says, by {duration(late_ns // late)} "
        "on average: the software here is slower than the model, so the times are not those of the model; "
        f"use {cures}, or a slower model"
    )


class LateWatch:
    """Looks at a device that serves, once a second and at the end, in a thread of its own. Warns at most once."""

    def __init__(
        self, count: Callable[[], tuple[int, int, int]], latency: str, tell: Callable[[str], object] = complain
    ) -> None:
        """`count` returns how many operations were late, how many ended, and the sum of delays in ns. `tell` takes the
        warning. Both are called in any thread."""
        self._count = count
        self._latency = latency
        self._tell = tell
        self._told = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simaccel-late-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Look once more, and join the thread."""
        self._ended.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._told and not self._ended.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        late, of, late_ns = self._count()
        if not self._told and late > LATE_SHARE * of:
            self._told = True
            self._tell(late_text(late, of, late_ns, self._latency, "more --workers, fewer --units"))
