"""The seats of a scheduler: wait contexts that one job after the other uses.

A seat is in `busy` from before its job begins until the job has left it. Then it is in `_idle`, or its context is
closed. Each method may be called once more after an exception in between, such as Ctrl-C: it looks at which job sits
where, and does what is left to do.
"""

from __future__ import annotations

from functools import partial

from engine.drivers.wakeups import Seat, Wakeups
from engine.errors import Errors
from engine.jobs.job import Job
from engine.jobs.states import JobState
from waitctx import Status

CANCELS = 100
"""How often a job is cancelled that pauses once more in its clean-up. Then it is left to the garbage collector."""


class Seats:
    """The seats of one scheduler. For its thread only."""

    __slots__ = ("_idle", "busy", "wakeups")

    def __init__(self) -> None:
        self.busy: dict[Seat, None] = {}  # a dict for its order: no order here comes from a hash
        self._idle: list[Seat] = []
        self.wakeups = Wakeups(self._forget)

    def take(self, job: Job) -> Seat:
        """A seat for a new job, with its wait context."""
        idle = self._idle
        while idle and idle[-1].job is not None:  # an exception came when it was just taken
            del idle[-1]
        seat = idle[-1] if idle else Seat()
        self.busy[seat] = None
        seat.job = job
        if idle:
            del idle[-1]
        job.wait_ctx = seat.ctx
        if seat.ctx.callback is None:
            seat.ctx.set_callback(self.wakeups, seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """The job has ended: its seat is free for the next."""
        seat.eagain = False
        seat.errors = 0
        ctx = seat.ctx
        if ctx.has_changes and not ctx.closed:
            self.wakeups.watch(seat)
        if ctx.closed or seat.foreign:  # what the job left there would mislead the next one
            self.wakeups.unwatch(seat)
            ctx.close()
        else:
            if ctx.status is not Status.UNSUPPORTED:
                ctx.status = Status.UNSUPPORTED
            self._idle.append(seat)
        # There is no call from here on, so no exception can come.
        seat.job = None
        if seat in self.busy:
            del self.busy[seat]

    def end(self, seat: Seat) -> None:
        """Cancel the job of this seat until it has ended, and free the seat."""
        try:
            self._cancel(seat)
        except BaseException:  # either the job's own, and it has ended; or Ctrl-C before the cancel
            self._cancel(seat)
            raise
        finally:
            try:
                self.leave(seat)
            except BaseException:
                self.leave(seat)
                raise

    def _cancel(self, seat: Seat) -> None:
        for _ in range(CANCELS):
            if seat.job is None or seat.job.cancel():
                break

    def mend(self) -> None:
        """Prepare a run after one that an exception such as Ctrl-C has ended.

        Only the jobs' own states, and which job sits where, are reliable then. All else is found out anew: each paused
        job is resumed once, and pauses again if that was too early. Jobs that wait for fds other than an engine's are
        not resumed: such an fd stays readable, and a job resumed too early might block in reading it.
        """
        for seat in list(self.busy):
            job = seat.job
            seat.woken = False
            if job is not None and job.state is JobState.NEW:  # it was not started: it is still in `Scheduler._new`
                job.wait_ctx = None
            if job is None or job.state is not JobState.PAUSED:
                self.leave(seat)
                continue
            if not seat.ctx.closed:
                self.wakeups.watch(seat)
            if not seat.foreign:
                self.wakeups.wake(seat)

    def close(self, errors: Errors) -> None:
        """Cancel all jobs, close all contexts, and give back the fds."""
        for seat in [*self.busy, *self.busy]:  # twice: an exception may have come before a seat was ended
            if seat in self.busy:
                errors.gather(partial(self.end, seat))
        idle = self._idle
        while idle:
            if idle[-1] not in self.busy:
                errors.gather(partial(self.wakeups.unwatch, idle[-1]))
                errors.gather(idle[-1].ctx.close)
            del idle[-1]
        self.wakeups.close()

    def _forget(self, seat: Seat) -> None:
        """No job sits there, but its fd is readable: close the context."""
        if seat in self._idle:
            self._idle.remove(seat)
        seat.ctx.close()
