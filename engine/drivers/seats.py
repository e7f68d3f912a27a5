"""Where a scheduler's jobs sit: wait contexts that one job uses after the other.

A seat is in `busy` from before its job begins until it is free again, and then in `idle` or closed. Each method may be
called again after an exception in between, such as Ctrl-C: it goes by who sits where, and does what is left to do.
"""

from __future__ import annotations

from functools import partial

from engine.drivers.wakeups import Seat, Wakeups
from engine.errors import Errors
from engine.jobs.job import Job
from engine.jobs.states import JobState
from waitctx import Status

CANCELS = 100
"""How often a job that pauses again while it cleans up is cancelled, before it is left to the garbage collector."""


class Seats:
    """Those of one scheduler. All calls belong to its thread."""

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
        if ctx.closed or seat.foreign:  # what it leaves there would mislead the next job
            self.wakeups.unwatch(seat)
            ctx.close()
        else:
            if ctx.status is not Status.UNSUPPORTED:
                ctx.status = Status.UNSUPPORTED
            self._idle.append(seat)
        # With no call from here on, no exception comes either.
        seat.job = None
        if seat in self.busy:
            del self.busy[seat]

    def end(self, seat: Seat) -> None:
        """Cancel the job that sits there until it has ended."""
        try:
            self._cancel(seat)
        except BaseException:  # the job's own, and it has ended; or one that came before it was cancelled
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
        """Before a run that follows on one that an exception has ended, such as Ctrl-C.

        What is true are the jobs' own states, and who sits where. All else is found out anew: each paused job is
        resumed once more, and if that is too early it pauses again. Not so where others' fds are waited for, which stay
        readable, and whose readers may block.
        """
        for seat in list(self.busy):
            job = seat.job
            seat.woken = False
            if job is not None and job.state is JobState.NEW:  # its start did not come about; it is still in line
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
        for seat in [*self.busy, *self.busy]:  # a second time those before which an exception came
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
        """Nobody sits there, but its fd is readable: give the context up."""
        if seat in self._idle:
            self._idle.remove(seat)
        seat.ctx.close()
