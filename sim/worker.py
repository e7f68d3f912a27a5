"""The worker thread. The one file of this package that makes a thread, and that knows how to put one to sleep.

The doorbell wakes the worker only if it sleeps: a wake-up costs 10 to 50 us and a hand-over of the GIL, which is
shared so by all that was submitted meanwhile.
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
        """Raises ClosedError while the interpreter ends: no new thread would run."""
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
        """The last sleep that somebody has ended: saves others the call. What ends a sleep is the bell alone."""
        self._sleeps = count(1)
        self._may_stop: Callable[[], bool] | None = None
        self._thread = threading.Thread(target=self._run, name=f"simaccel-worker-{next(_serial)}", daemon=True)
        self._thread.start()

    def wake(self) -> bool:
        """Wake the worker if it sleeps and nobody has woken it; whether that was so. Any thread."""
        sleep = self.asleep
        if not sleep or sleep == self.rung:
            return False
        try:
            self._bell.release()
        except RuntimeError:  # somebody else was faster
            return False
        # After the bell: whoever is interrupted in between leaves a bell that others find rung.
        self.rung = sleep
        return True

    def stop(self, may_stop: Callable[[], bool]) -> None:
        """End the thread as soon as may_stop() says so after a step, and wait for that."""
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
        """Callers wait for this, so what ended the worker, such as a lack of memory, must not end this as well."""
        for _ in range(CRASH_TRIES):
            try:
                self._on_crash(error)
                return
            except BaseException as again:
                report_unraisable(again, "telling of the crash of the device's worker failed", self._device)

    def _sleep(self, due_ns: int | None, seen: Callable[[], bool] | None) -> None:
        self.asleep = next(self._sleeps)
        # Looked at after the number is set: what came before it is seen here, what comes after it rings the bell.
        if not self._device.has_work() and self._may_stop is seen:
            timeout = -1.0
            if due_ns is not None:
                timeout = min(max(due_ns - self._now_ns(), 0) / 1e9, threading.TIMEOUT_MAX)
            self._bell.acquire(timeout=timeout)
        # A ring that crosses this stays, and ends the next sleep at once: one step more, and nothing lost.
        self.asleep = 0


def _be_punctual() -> None:
    """On Linux, let this thread's timed sleeps end when they are due and not up to 50 us later, the default slack.

    A completion of a timing model is half as late so: 50 us in the median instead of 100.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and sys.platform == "linux":
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


_PR_SET_TIMERSLACK = 29
