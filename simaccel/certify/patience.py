"""Patience: what tells a hang from a busy machine.

A server hangs if what must happen does not happen within a limit. The time in which a process that must make it happen
was ready to run, and got no CPU, does not count. Nor does the time in which the whole machine stood still, as a virtual
one does while its host is busy. The system may tell of that or not, so of a time in which we did not come to look only
the beginning counts. So a limit that is safe on an idle machine is safe on a busy one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from simaccel.stolen_time import stolen_s

AT_MOST = 4
"""A wait is over after this many times the limit in any case. A server with busy threads is always short of CPU."""
LOOK_EVERY_S = 0.1
"""How often the times of the processes are read while all goes well."""
STEP_S = 0.25
"""What counts at most between two calls of `is_over`. Those who wait call it every few milliseconds."""
CONNECT_MS = 60_000
"""How long the provider of a judged program waits for the device to let it in. After that, the program would work in
software for a while, and be judged by that."""


class Patience:
    """The patience with these processes, and with this one."""

    def __init__(self, limit_s: float, pids: Callable[[], Sequence[int]]) -> None:
        self._limit_s = limit_s
        self._pids = pids
        self.since_s = 0.0
        """When the present wait began, on the monotonic clock."""
        self._looked_s = 0.0
        self._waited_s = 0.0
        self._asked_s = 0.0
        self._passed_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin to wait, or begin anew because something has moved."""
        self.since_s = self._asked_s = monotonic()
        self._passed_s = 0.0
        if self.since_s - self._looked_s > min(LOOK_EVERY_S, self._limit_s / 10):
            self._looked_s, self._waited_s = self.since_s, self._waited()

    def is_over(self) -> bool:
        """Whether this wait has lasted too long."""
        now_s = monotonic()
        self._passed_s += min(now_s - self._asked_s, STEP_S)
        self._asked_s = now_s
        if self._passed_s <= self._limit_s:
            return False
        waited_s = self._waited() - self._waited_s
        return self._passed_s - waited_s > self._limit_s or self._passed_s > AT_MOST * self._limit_s

    def _waited(self) -> float:
        return waited_s((os.getpid(), *self._pids())) + stolen_s()


def waited_s(pids: Iterable[int]) -> float:
    """How long the threads of these processes were ready to run and got no CPU, all together, in seconds."""
    waited_ns = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    waited_ns += int(file.read().split()[1])
        except (OSError, ValueError, IndexError):  # it has ended, or the system does not tell
            continue
    return waited_ns / 1e9
