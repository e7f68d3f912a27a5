"""Where the completions of one client go, and its interrupt."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import NamedTuple, Protocol

from simaccel.bridge.device.memory import Memory

Completion = tuple[int, int, int, int, int]
"""Cookie, status, length of the result, start and end in ns: the fields of `wire.COMPLETION`, in its order."""


class EndpointCounts(NamedTuple):
    """What `Endpoint` counts, at one moment."""

    submitted: int
    completed: int
    failed: int
    interrupts: int
    outstanding: int


class Watcher(Protocol):
    """Who is told what happens at an endpoint, in the thread where it happens."""

    def completed(self, endpoint: Endpoint, completions: list[Completion]) -> None:
        """These completions are on the client's ring."""
        ...

    def fired(self, endpoint: Endpoint, interrupts: bool) -> None:
        """The client was told of them: by an interrupt, unless it polls."""
        ...


class Endpoint:
    """The completing side of one client. Any thread may complete and interrupt, so there is a lock."""

    __slots__ = (
        "completed",
        "failed",
        "failures",
        "gone",
        "interrupt",
        "interrupts",
        "lock",
        "memory",
        "outstanding",
        "submitted",
        "watcher",
    )

    def __init__(self, memory: Memory, interrupt: int) -> None:
        self.memory = memory
        self.interrupt = interrupt
        """An eventfd, closed by `close`."""
        self.lock = threading.Lock()
        self.gone = False
        self.watcher: Watcher | None = None
        """Is told of each completion and interrupt, if a trace is written."""
        self.submitted = 0
        self.completed = 0
        self.failed = 0
        self.failures: dict[str, int] = {}
        """Failed requests by operation."""
        self.interrupts = 0
        self.outstanding = 0
        """Submissions that were fetched and are not completed yet. Changed under the lock."""

    def fetched(self, count: int) -> None:
        """Notes that this many submissions were fetched."""
        with self.lock:
            self.outstanding += count
        self.submitted += count

    def complete(self, completions: list[Completion]) -> None:
        """Adds completions to the client's ring. The client sees all of them at once; `fire` interrupts it."""
        with self.lock:
            failed = self.memory.complete(completions)
            self.outstanding -= len(completions)
            self.failed += failed
            self.completed += len(completions) - failed
            if self.watcher is not None:
                self.watcher.completed(self, completions)

    def counts(self) -> EndpointCounts:
        """What is counted so far. A client that has seen a completion finds it counted."""
        with self.lock:  # `complete` shows completions first
            return EndpointCounts(self.submitted, self.completed, self.failed, self.interrupts, self.outstanding)

    def note_failure(self, op: str) -> None:
        """Notes that a request of this operation fails. `complete` counts it among all failed ones."""
        with self.lock:
            self.failures[op] = self.failures.get(op, 0) + 1

    def fire(self) -> None:
        """Interrupts the client, unless the client polls or is gone."""
        # The lock is also the fence between our store of the completion index and our load of what the client wants.
        with self.lock:
            if self.gone:
                return
            self.memory.count(self.submitted, self.completed, self.failed)
            interrupts = self.memory.wants_interrupts
            if self.watcher is not None:
                self.watcher.fired(self, interrupts)
            if interrupts:
                self.interrupts += 1
                # A full counter blocks the write. The client has not read it then, so its fd is readable anyway.
                with suppress(BlockingIOError):
                    os.eventfd_write(self.interrupt, 1)

    def close(self) -> None:
        """Called when the client is gone. What it has in flight completes for nobody."""
        with self.lock:
            self.gone = True
            os.close(self.interrupt)
