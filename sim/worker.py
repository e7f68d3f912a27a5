"""The worker thread, which steps a device in real time. This is the one file of the package that makes a thread.

The doorbell wakes the worker only if it sleeps. A wake-up costs 10 to 50 us and a hand-over of the GIL; all that is
submitted until the worker sleeps again shares that cost.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from itertools import count

from sim.clock import Steppable
from sim.errors import ClosedError
from sim.report import report_unraisable

_serial = count(1)
CRASH_TRIES = 3


class Worker:
    """A daemon thread that steps a device until it is stopped.

    A daemon, so that a program that forgets to close its accelerator still ends.
    """

    def __init__(self, device: Steppable, now_ns: Callable[[], int], on_crash: Callable[[BaseException], None]) -> None:
        """Start the thread. Raises ClosedError while the interpreter ends, when no new thread would run."""
        if sys.is_finalizing():
            raise ClosedError("the interpreter ends: no device can be made any more")
        self._device = device
        self._now_ns = now_ns
        self._on_crash = on_crash
        self._bell = threading.Lock()
        self._bell.acquire()
        self.asleep = 0
        """The number of the worker's sleep; 0 while it is awake. Written by the worker alone."""
        self.rung = 0
        """The last sleep that somebody has ended, so that others need not try. Only the bell itself ends a sleep."""
        self._sleeps = count(1)
        self._may_stop: Callable[[], bool] | None = None
        self._thread = threading.Thread(target=self._run, name=f"simaccel-worker-{next(_serial)}", daemon=True)
        self._thread.start()

    def wake(self) -> bool:
        """Wake the worker if it sleeps and nobody has woken it yet. Returns whether it did so. Any thread."""
        sleep = self.asleep
        if not sleep or sleep == self.rung:
            return False
        try:
            self._bell.release()
        except RuntimeError:  # another thread was faster
            return False
        # After the bell: if an exception comes in between, others find the bell rung.
        self.rung = sleep
        return True

    def stop(self, may_stop: Callable[[], bool]) -> None:
        """End the thread as soon as may_stop() is true after a step. Blocks until then."""
        self._may_stop = may_stop
        self.wake()
        self._thread.join()

    @property
    def inside(self) -> bool:
        """Whether the caller is the worker itself."""
        return self._thread is threading.current_thread()

    def _run(self) -> None:
        try:
            _be_punctual()
            while True:
                due_ns = self._device.step()
                may_stop = self._may_stop
                if may_stop is not None and may_stop():
                    return
                self._sleep(due_ns, may_stop)
        except BaseException as error:
            report_unraisable(error, "the device's worker crashed; what was in flight fails", self._device)
            self._tell_of_crash(error)

    def _tell_of_crash(self, error: BaseException) -> None:
        """Callers wait to be told, so what ended the worker, such as a lack of memory, must not end this as well."""
        for _ in range(CRASH_TRIES):
            try:
                self._on_crash(error)
                return
            except BaseException as another:
                report_unraisable(another, "telling of the crash of the device's worker failed", self._device)

    def _sleep(self, due_ns: int | None, seen: Callable[[], bool] | None) -> None:
        self.asleep = next(self._sleeps)
        # Asked after the number is set: what came before is seen here, and what comes later rings the bell.
        if not self._device.has_work() and self._may_stop is seen:
            timeout = -1.0
            if due_ns is not None:
                timeout = min(max(due_ns - self._now_ns(), 0) / 1e9, threading.TIMEOUT_MAX)
            self._bell.acquire(timeout=timeout)
        # If the bell is rung just now, the next sleep ends at once: that is one step more, and nothing is lost.
        self.asleep = 0


def _be_punctual() -> None:
    """On Linux, let timed sleeps of this thread end when they are due: by default they end up to 50 us later.

    It halves the delay of completions with a timing model, from 100 us to 50 us in the median.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and sys.platform == "linux":
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


_PR_SET_TIMERSLACK = 29
