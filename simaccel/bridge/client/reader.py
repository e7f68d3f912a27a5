"""The thread of a remote accelerator. It waits for the device's interrupt, for the device's end, and for timers."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sim.errors import ClosedError, InternalError
from sim.timers import Timer, Timers
from simaccel.bridge.client.connection import Connection
from simaccel.bridge.remote import NoDeviceError

IDLE_INTERRUPTS = 1_000
"""After more interrupts in a row than this without a completion the connection ends. Otherwise a device could keep this
thread busy for ever. A working device has a completion for each interrupt, but we may take it before the interrupt."""


class Reader:
    """The thread. It is a daemon, so that a program that forgets to close its accelerator still ends. Its timers are
    exact to a ms."""

    def __init__(self, connection: Connection) -> None:
        """Starts the thread. Raises ClosedError while the interpreter ends, because no new thread runs then."""
        if sys.is_finalizing():
            raise ClosedError("the interpreter is ending: no device can be connected any more")
        self._connection = connection
        self._timers = Timers()
        self._stopping = False
        self._idle_interrupts = 0
        self._reaped = 0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waking = threading.Lock()
        self._poller = select.poll()
        self._watched = (connection.rings.interrupt, connection.rings.control.fileno())
        for fd in (*self._watched, self._wake):
            self._poller.register(fd, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name="simaccel-reader", daemon=True)
        self._thread.start()

    @property
    def inside(self) -> bool:
        """Whether this is called in the reader's own thread."""
        return self._thread is threading.current_thread()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Calls fn at that time, in this thread, or when the accelerator is closed. Any thread may call this."""
        timer = self._timers.call_at(due_ns, fn)
        self.wake()
        return timer

    def wake(self) -> None:
        """Makes the thread look at everything now. Any thread may call this. Does nothing after `stop`."""
        with self._waking:
            if not self._stopping:
                os.eventfd_write(self._wake, 1)

    def wait_for(self, reached: Callable[[], bool], patience_s: float) -> bool:
        """Blocks until `reached()` is true. It is called after every completion and every reap.

        Returns False if that takes longer than `patience_s`. In the reader's own thread, it takes over completions
        while it waits, because no other thread would.
        """
        if not self.inside:
            with self._connection.changed:
                return self._connection.changed.wait_for(reached, patience_s)
        deadline_s = time.monotonic() + patience_s
        while not reached():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._look(left_s * 1e3)
        return True

    def stop(self) -> None:
        """Ends the thread, and calls the timers that were due later, because their time will not come. Blocks."""
        with self._waking:
            if self._stopping:
                return
            self._stopping = True
            os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)
        for fn in self._timers.take_all():
            self._connection.foreign.call(fn)

    def disown(self) -> None:
        """For the child of a fork, where the thread does not exist: frees the fd."""
        self._waking = threading.Lock()
        self._stopping = True
        os.close(self._wake)

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # a bug of ours: fail what is in flight, so that no caller waits for ever
            self._connection.lose(InternalError(f"the accelerator's reader crashed: {error!r}"))
            self._connection.deliver()
            raise

    def _serve(self) -> None:
        while not self._stopping:
            due_ns = self._timers.next_due_ns()
            self._look(None if due_ns is None else max(0.0, (due_ns - time.monotonic_ns()) / 1e6))
            for fn in self._timers.take_due(time.monotonic_ns()):
                self._connection.foreign.call(fn)
            self._connection.deliver()

    def _look(self, timeout_ms: float | None) -> None:
        """Waits for something to happen, and takes over what has completed."""
        interrupt, control = self._watched
        ready = {fd for fd, _ in self._poller.poll(timeout_ms)}
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        if interrupt in ready:
            self._connection.rings.acknowledge()
        if not ready.isdisjoint(self._watched):
            # First the completions, because what the device completed before it went away is valid.
            self._connection.drain()
        if control in ready:
            self._give_up("the device went away")
        elif interrupt in ready and self._is_idle():
            self._connection.rings.hang_up()
            self._give_up("the device interrupts and completes nothing")

    def _is_idle(self) -> bool:
        """Whether there were too many interrupts without a completion. Called after each interrupt."""
        reaped = self._connection.rings.reaped
        self._idle_interrupts = self._idle_interrupts + 1 if reaped == self._reaped else 0
        self._reaped = reaped
        return self._idle_interrupts > IDLE_INTERRUPTS

    def _give_up(self, why: str) -> None:
        for fd in self._watched:
            self._poller.unregister(fd)
        self._connection.lose(NoDeviceError(why))
