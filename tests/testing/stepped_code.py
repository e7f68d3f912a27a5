"""Code that knows nothing of schedules, for the tests to step into."""

from __future__ import annotations

import os
import threading


class Counter:
    """Counts, with and without care."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()
        self.free = True

    def add(self) -> None:
        value = self.value
        self.value = value + 1

    def add_if(self) -> None:
        value = self.value
        if self.free and self.value == value:
            self.value = value + 1

    def add_under_lock(self) -> None:
        with self.lock:
            value = self.value
            self.value = value + 1

    def add_acquiring(self) -> None:
        self.lock.acquire()
        try:
            value = self.value
            self.value = value + 1
        finally:
            self.lock.release()

    def add_yielding(self) -> None:
        while not self.lock.acquire(blocking=False):
            os.sched_yield()
        value = self.value
        self.value = value + 1
        self.lock.release()
