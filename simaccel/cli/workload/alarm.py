"""An alarm: calls a function at a time, so that a load arrives when it is meant to.

In virtual time the device's timers do it. In real time a thread of its own does: the device's worker may be in the
middle of a signature, and would call a millisecond late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sim import Accelerator


class Alarm:
    """One call at a time. A context manager; leaving it ends the thread."""

    def __init__(self, accel: Accelerator) -> None:
        self._accel = accel
        self._changed = threading.Condition()
        self._due_ns: int | None = None
        self._fn: Callable[[], object] | None = None
        self._ended = False
        self._thread = None if accel.clock.virtual else threading.Thread(target=self._run, name="simaccel-alarm")

    def set(self, due_ns: int, fn: Callable[[], object]) -> None:
        """Call fn at that time of the accelerator's clock, in any thread, in place of the call that was set before."""
        if self._thread is None:
            self._accel.call_at(due_ns, fn)
            return
        with self._changed:
            self._due_ns, self._fn = due_ns, fn
            self._changed.notify()

    def _run(self) -> None:
        now_ns = self._accel.clock.now_ns
        with self._changed:
            while not self._ended:
                if self._due_ns is None or self._fn is None:
                    self._changed.wait()
                elif (left_ns := self._due_ns - now_ns()) > 0:
                    self._changed.wait(left_ns / 1e9)
                else:
                    fn, self._due_ns = self._fn, None
                    fn()

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            with self._changed:
                self._ended = True
                self._changed.notify()
            self._thread.join()
