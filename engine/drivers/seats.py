"""The seats of a scheduler: wait contexts that one job after the other uses.

A seat is in `busy` from just before its job begins until the job has left it. After that it is in `_idle`, or its
context is closed. If an exception such as Ctrl-C ends a method, the method may be called once more: it looks at which
job has which seat, and does what is left to do.
"""

from __future__ import annotations

from functools import partial

from engine.drivers.ready_seats import ReadySeats, Seat
from engine.errors import Errors
from engine.jobs.cancelling import cancel_until_ended
from engine.jobs.job import Job
from engine.jobs.states import JobState
from waitctx.status import Status


class Seats:
    """The seats of one scheduler. For the scheduler's thread only."""

    __slots__ = ("_idle", "busy", "ready_seats")

    def __init__(self) -> None:
        self.busy: dict[Seat, None] = {}  # a dict and not a set, because the order must not come from a hash
        self._idle: list[Seat] = []
        self.ready_seats = ReadySeats(self._forget)

    def take(self, job: Job) -> Seat:
        """Give a new job a seat, and with it a wait context."""
        idle = self._idle
        while idle and idle[-1].job is not None:  # an exception came just when this seat was taken
            del idle[-1]
        seat = idle[-1] if idle else Seat()
        self.busy[seat] = None
        seat.job = job
        if idle:
            del idle[-1]
        job.wait_ctx = seat.ctx
        if seat.ctx.callback is None:
            seat.ctx.set_callback(self.ready_seats, seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Free the seat of a job that has ended."""
        seat.eagain = False
        seat.errors = 0
        ctx = seat.ctx
        if ctx.has_changes and not ctx.closed:
            self.ready_seats.watch(seat)
        if ctx.closed or seat.foreign:  # fds of its own that the job left there would wake the next job
            self.ready_seats.unwatch(seat)
            ctx.close()
        else:
            if ctx.status is not Status.UNSUPPORTED:
                ctx.status = Status.UNSUPPORTED
            self._idle.append(seat)
        # From here on there is no call, so no exception can come.
        seat.job = None
        if seat in self.busy:
            del self.busy[seat]

    def end(self, seat: Seat) -> None:
        """Cancel the job of this seat until it has ended, and free the seat."""
        try:
            self._cancel(seat)
        except BaseException:  # either the job raised it and has ended, or it is Ctrl-C and came before the cancel
            self._cancel(seat)
            raise
        finally:
            try:
                self.leave(seat)
            except BaseException:
                self.leave(seat)
                raise

    def _cancel(self, seat: Seat) -> None:
        job = seat.job
        if job is not None:
            cancel_until_ended(job)

    def leave_ended(self) -> None:
        """Free the seats of jobs that the application has cancelled since the last run."""
        for seat in list(self.busy):
            if seat.job is not None and seat.job.done:
                self.leave(seat)

    def mend(self) -> None:
        """Prepare the next run after one that an exception such as Ctrl-C has ended.

        Only two things are reliable then: the state of each job, and which job has which seat. To find out the rest,
        each paused job is resumed once; if that is too early, it pauses again. Jobs that wait for fds of their own, and
        not for an engine's, are not resumed. Such an fd stays readable, so no wake gets lost, but a job that is resumed
        too early might block in reading it.
        """
        for seat in list(self.busy):
            job = seat.job
            seat.woken = False
            if job is not None and job.state is JobState.NEW:  # not started, so it is still in `Scheduler._new`
                job.wait_ctx = None
            if job is None or job.state is not JobState.PAUSED:
                self.leave(seat)
                continue
            if not seat.ctx.closed:
                self.ready_seats.watch(seat)
            if not seat.foreign:
                self.ready_seats.wake(seat)

    def close(self, errors: Errors) -> None:
        """Cancel all jobs, and close all contexts and fds."""
        for seat in [*self.busy, *self.busy]:  # twice, because an exception may come before a seat was ended
            if seat in self.busy:
                errors.gather(partial(self.end, seat))
        idle = self._idle
        while idle:
            if idle[-1] not in self.busy:
                errors.gather(partial(self._unwatch, idle[-1]))
                errors.gather(idle[-1].ctx.close)
            del idle[-1]
        self.ready_seats.close()

    def _unwatch(self, seat: Seat) -> None:
        # A method of our own, because a compiled method of another module's class does not work as an argument.
        self.ready_seats.unwatch(seat)

    def _forget(self, seat: Seat) -> None:
        """Close the context of a seat that has no job, but has an fd that is readable."""
        if seat in self._idle:
            self._idle.remove(seat)
        seat.ctx.close()
