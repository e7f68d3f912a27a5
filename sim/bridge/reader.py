"""The thread of a remote accelerator: waits for the device's interrupt, for its end, and for timers."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sim.bridge.remote import NoDeviceError
from sim.bridge.shared import SharedRings
from sim.errors import SimError
from sim.report import report_unraisable
from sim.timers import Timer, Timers


class Reader:
    """A daemon thread, so that a program that forgets to close its accelerator still ends."""

    def __init__(
        self, rings: SharedRings, on_interrupt: Callable[[], object], on_loss: Callable[[SimError], object]
    ) -> None:
        self._rings = rings
        self._on_interrupt = on_interrupt
        self._on_loss = on_loss
        self._timers = Timers()
        self._space = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self._stopped = False
        self._pid = os.getpid()
        self.on_completion: Callable[[], object] | None = None
        """Called once, and forgotten, when there is something to poll for."""
        self._thread = threading.Thread(target=self._run, name="simaccel-reader", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There is something to poll for."""
        fn, self.on_completion = self.on_completion, None
        if fn is not None:
            fn()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Have fn called at that time, in this thread."""
        timer = self._timers.call_at(due_ns, fn)
        os.eventfd_write(self._wake, 1)
        return timer

    def space_freed(self) -> None:
        """A slot fell free."""
        with self._space:
            self._space.notify_all()

    def wait_for_space(self, patience_s: float) -> bool:
        """Blocks until one does. False: it took too long."""
        with self._space:
            return self._space.wait(patience_s)

    def stop(self) -> bool:
        """Ends the thread; whether it was this call that did, in the process it belongs to."""
        if self._stopped or self._pid != os.getpid():
            return False
        self._stopped = self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._wake)
        return True

    def _run(self) -> None:
        poller = select.poll()
        for fd in (self._rings.interrupt, self._rings.control.fileno(), self._wake):
            poller.register(fd, select.POLLIN)
        while not self._stopping:
            due_ns = self._timers.next_due_ns()
            timeout_ms = None if due_ns is None else max(0.0, (due_ns - time.monotonic_ns()) / 1e6)
            ready = {fd for fd, _ in poller.poll(timeout_ms)}
            for fd in ready & {self._rings.interrupt, self._wake}:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            for fn in self._timers.take_due(time.monotonic_ns()):
                self._guarded(fn)
            if self._rings.interrupt in ready:
                self._guarded(self._on_interrupt)
            if self._rings.control.fileno() in ready:
                # What was completed before the device went away is good.
                self._guarded(self._on_interrupt)
                self._on_loss(NoDeviceError("the device went away"))
                self.space_freed()
                return

    def _guarded(self, fn: Callable[[], object]) -> None:
        try:
            fn()
        except BaseException as error:
            report_unraisable(error, "a completion's handler raised; the accelerator goes on", fn)
