"""The worker thread, which steps a device in real time. This is the one file of the package that makes a thread.

The doorbell wakes the worker only if it sleeps. A wake-up costs 10 to 50 us and a hand-over of the GIL. All requests
that are submitted until the worker sleeps again share that cost.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from itertools import count

from hotpath.spinning import Spinner
from sim.clock import Steppable
from sim.errors import ClosedError
from sim.unraisable import report_unraisable

_serial = count(1)
CRASH_TRIES = 3
WORKER = 0
"""The worker's claim. Those of other threads are their idents, which are never 0."""


class Worker:
    """A thread that steps a device until it is stopped.

    It is a daemon thread, so that a program that forgets to close its accelerator still ends.
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
        self._spinner = Spinner()
        self.asleep = 0
        """The number of the worker's present sleep, or 0 while it is awake. Only the worker writes it."""
        self.rung = 0
        """The number of the last sleep for which the bell was rung, so that other threads need not ring it again."""
        self.claims: list[int] = []
        """The threads that want to step the device. The first one may; each takes its claim back afterwards."""
        self._sleeps = count(1)
        self._may_stop: Callable[[], bool] | None = None
        self._thread = threading.Thread(target=self._run, name=f"simaccel-worker-{next(_serial)}", daemon=True)
        self._thread.start()

    def wake(self) -> bool:
        """Wake the worker if it sleeps and nobody has woken it yet. Returns whether this call woke it. Any thread."""
        sleep = self.asleep
        if not sleep or sleep == self.rung:
            return False
        self._spinner.end()
        if self._spinner.spinning:
            self.rung = sleep
            return True
        try:
            self._bell.release()
        except RuntimeError:  # another thread was faster
            return False
        # Set after the bell is rung: if an exception comes in between, the next caller rings once more, for nothing.
        self.rung = sleep
        return True

    def stop(self, may_stop: Callable[[], bool]) -> None:
        """End the thread as soon as may_stop() is true after a step. Blocks until then."""
        self._may_stop = may_stop
        self.wake()
        self._thread.join()

    @property
    def inside(self) -> bool:
        """Whether this is called in the thread that steps the device."""
        return self._thread is threading.current_thread() or threading.get_ident() in self.claims

    def _run(self) -> None:
        try:
            _be_punctual()
            self._step_until_stopped()
        except BaseException as error:
            report_unraisable(error, "the device's worker crashed; what was in flight fails", self._device)
            self._tell_of_crash(error)

    def _step_until_stopped(self) -> None:
        while True:
            self._take_turn()
            due_ns = self._device.step()
            may_stop = self._may_stop
            if may_stop is not None and may_stop():
                return  # without taking the claim back, so that nobody steps the device any more
            self.claims.remove(WORKER)
            self._sleep(due_ns, may_stop)

    def _take_turn(self) -> None:
        """Wait until no other thread steps the device. That thread rings the bell when it has taken its claim back."""
        claims = self.claims
        if WORKER not in claims:
            claims.append(WORKER)
        while claims[0] != WORKER:
            self.asleep = next(self._sleeps)
            # Asked once more after `asleep` is set, as in `_sleep`.
            if claims[0] != WORKER:
                self._bell.acquire()
            self.asleep = 0

    def _tell_of_crash(self, error: BaseException) -> None:
        """Call `on_crash`. If it raises, perhaps by the lack of memory that ended the worker, try it again.

        Callers wait for their requests, so they must be told.
        """
        for _ in range(CRASH_TRIES):
            try:
                self._take_turn()
                self._on_crash(error)
                return
            except BaseException as another:
                report_unraisable(another, "telling of the crash of the device's worker failed", self._device)

    def _sleep(self, due_ns: int | None, seen: Callable[[], bool] | None) -> None:
        self.asleep = next(self._sleeps)
        # Asked after `asleep` is set: work that came before is seen here, and later work finds the number and rings.
        if not self._device.has_work() and self._may_stop is seen:
            wait_ns = -1 if due_ns is None else max(due_ns - self._now_ns(), 0)
            if not self._spinner.spin(wait_ns, -1):
                if wait_ns > 0:
                    wait_ns = max(due_ns - self._now_ns(), 0)  # type: ignore[operator]  # else it would be -1
                self._bell.acquire(timeout=-1.0 if wait_ns < 0 else min(wait_ns / 1e9, threading.TIMEOUT_MAX))
            self._spinner.waited()
        # If the bell is rung right now, the next sleep ends at once. That costs one step more, and loses nothing.
        self.asleep = 0


def _be_punctual() -> None:
    """On Linux, let timed sleeps of this thread end when they are due. By default they end up to 50 us later.

    With a timing model this halves the delay of completions, from 100 us to 50 us in the median.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and sys.platform == "linux":
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


_PR_SET_TIMERSLACK = 29
