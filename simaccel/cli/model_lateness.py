"""Saying that a timing model is faster than the software that does its work: the times are then not the model's."""

from __future__ import annotations

import threading
from collections.abc import Callable

from simaccel.cli.exits import complain
from simaccel.cli.quantities import duration
from simaccel.cli.workload.results import LATE_SHARE

LOOK_S = 1.0


def late_text(late: int, of: int, late_ns: int, latency: str | None, cures: str) -> str:
    """That so many operations were late, all together by so much, and what helps."""
    return (
        f"{late:,} of {of:,} operations completed later than --latency {latency} says, by {duration(late_ns // late)} "
        "on average: the software here is slower than the model, and the times are not the model's; "
        f"use {cures}, or a slower model"
    )


class LateWatch:
    """Looks at a device that serves others, once a second and at its end, and complains once. It has a thread."""

    def __init__(self, count: Callable[[], tuple[int, int, int]], latency: str) -> None:
        """`count` says how many operations were late, of how many, and by how many ns all together. Any thread."""
        self._count = count
        self._latency = latency
        self._told = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simaccel-late-watch", daemon=True)

    def start(self) -> None:
        """Look from now on."""
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
            complain(late_text(late, of, late_ns, self._latency, "more --workers, fewer --units"))
