"""The seats of a scheduler whose jobs are woken and wait to be resumed.

A waker of `engine.offload.wakers` makes an fd readable or calls a callback. Here that makes a seat ready. A callback
may come on any thread: it adds the seat of its job to `ready`. If the scheduler sleeps, it also rings the bell, which
is an fd that ends the sleep. Sleeps are numbered, so that the bell is rung only once for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from engine.drivers.poller import Poller
from engine.jobs.job import Job
from engine.offload.wake_fds import is_wake_fd, wake_fd
from engine.protocol import BatchCallback, Source
from hotpath.spinning import Spinner
from waitctx.context import WaitCtx

_NONE: frozenset[int] = frozenset()


class Seat:
    """A wait context that one job after the other uses, so that an engine opens an fd for it only once."""

    __slots__ = ("ctx", "eagain", "errors", "fds", "foreign", "job", "woken")

    def __init__(self) -> None:
        self.ctx = WaitCtx()
        self.job: Job | None = None
        # Most seats never have fds. They share one empty set, so that the garbage collector has less to visit.
        self.fds = _NONE
        self.foreign = _NONE
        """Those of the `fds` that are not an engine's own."""
        self.woken = False
        self.eagain = False
        self.errors = 0


class ReadySeats:
    """Turns readable fds and callbacks into seats that are ready. It is the callback of every wait context here.

    Any thread may call `wake`, `call_all` and `rouse`; the other methods are for the scheduler's thread. `forget(seat)`
    is called if an fd of a seat is readable, but the seat has no job.
    """

    __slots__ = ("_bell", "_by_fd", "_forget", "_poller", "_rung", "_sleeping", "_sleeps", "_spinner", "ready")

    def __init__(self, forget: Callable[[Seat], None]) -> None:
        self.ready: deque[Seat] = deque()
        """Seats whose jobs are to be resumed, in the order in which they were woken."""
        self._forget = forget
        self._by_fd: dict[int, list[Seat]] = {}
        self._poller = Poller()
        self._bell = wake_fd()
        self._poller.add(self._bell.fd)
        self._sleeping = 0
        """The number of the scheduler's present sleep, or 0 while it is awake. Only its own thread writes this."""
        self._rung = 0
        """The number of the last sleep for which the bell was rung, so that it is rung only once."""
        self._sleeps = 0
        self._spinner = Spinner()

    def wake(self, seat: Seat) -> None:
        """Make a seat ready. Any thread. If an exception comes in the middle of it, it may be called once more."""
        if not seat.woken:
            seat.woken = True
            try:
                self.ready.append(seat)
            except BaseException:
                seat.woken = False  # it may be in `ready` or not: to be in it twice does no harm
                raise
        sleep = self._sleeping
        if sleep and sleep != self._rung:
            self._end_sleep()
            self._rung = sleep

    def __call__(self, seat: Any) -> None:
        """The same as `wake`, as the callback of a wait context. See `protocol.BatchCallback`."""
        self.wake(seat)

    def call_all(self, seats: list[Seat]) -> None:
        """Make many ready at once. Any thread."""
        ready = self.ready
        for seat in seats:
            if not seat.woken:
                seat.woken = True
                try:
                    ready.append(seat)
                except BaseException:
                    seat.woken = False
                    raise
        sleep = self._sleeping
        if sleep and sleep != self._rung:
            self._end_sleep()
            self._rung = sleep

    def _end_sleep(self) -> None:
        self._spinner.end()
        if not self._spinner.spinning:
            self._bell.put()

    def watch(self, seat: Seat) -> None:
        """Watch the fds that were added to its wait context, and stop watching those that were deleted."""
        added, deleted = seat.ctx.changed_fds()
        for fd in deleted:
            if fd in seat.fds:
                self._unwatch_fd(seat, fd)
        for fd in added:
            if fd in seat.fds or fd < 0:
                continue
            try:
                self._poller.add(fd)
            except FileExistsError:  # the fd is in another context too: the seats of all these are woken
                pass
            except OSError:  # the fd is closed: the job finds out when it is resumed
                self.wake(seat)
                continue
            self._by_fd.setdefault(fd, []).append(seat)
            seat.fds |= {fd}
            if not is_wake_fd(fd):
                seat.foreign |= {fd}

    def unwatch(self, seat: Seat) -> None:
        """Stop watching all its fds."""
        for fd in seat.fds:
            self._unwatch_fd(seat, fd)

    def _unwatch_fd(self, seat: Seat, fd: int) -> None:
        seat.fds -= {fd}
        seat.foreign -= {fd}
        sharers = self._by_fd[fd]
        sharers.remove(seat)
        if not sharers:
            del self._by_fd[fd]
            self._poller.remove(fd)

    def look(self) -> None:
        """Make ready all seats whose fds are readable now. Does not block."""
        if self._by_fd:
            self._take_events(0)

    def sleep(self, timeout_ns: int | None, polled: Iterable[Source]) -> None:
        """Block until a seat is ready, a polled source has completions, or the time is over. None is for ever."""
        try:
            self._sleeps += 1
            self._sleeping = self._sleeps
            for source in polled:
                source.notify_once(self.rouse)
            if not self.ready:  # from here on, waking a seat rings the bell
                most_ns = -1 if timeout_ns is None else timeout_ns
                if self._spinner.spin(most_ns, self._poller.fd if self._by_fd or most_ns >= 0 else -1):
                    self._sleeping = 0
                    self.look()
                else:
                    self._take_events(timeout_ns)
                self._spinner.waited()
        finally:
            self._sleeping = 0

    def rouse(self) -> None:
        """End a sleep. Any thread."""
        self._spinner.end()
        self._bell.put()

    def close(self) -> None:
        """Close the fds of the bell and the poller."""
        self._bell.close()
        self._poller.close()

    def _take_events(self, timeout_ns: int | None) -> None:
        fds = self._poller.wait(timeout_ns)
        self._sleeping = 0  # so that the wakes below do not ring the bell
        for fd in fds:
            if fd == self._bell.fd:
                self._bell.drain()
                continue
            sharers = tuple(self._by_fd.get(fd, ()))
            seats = [seat for seat in sharers if seat.job is not None]
            for seat in seats:
                self.wake(seat)
            if not seats:
                # A token that a cancelled job has left, and for which no job waits. It must not end all sleeps to come.
                for seat in sharers:
                    self.unwatch(seat)
                    self._forget(seat)


BatchCallback.register(ReadySeats)  # no subclass, because a compiled class has no base in Python
