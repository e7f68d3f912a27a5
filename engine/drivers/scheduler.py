"""The scheduler: it runs many jobs on one thread, and resumes each when what it waits for has come (see waits_for.py).

- A job that is woken, by fd (epoll) or by callback, is resumed in the next turn.
- A job that paused with EAGAIN, and that no engine has promised to wake, is retried when other jobs have made progress,
  or after a back-off. First come, first served.
- A job that paused with the status ERR is resumed once, so that it sees the failure. If it pauses with ERR once more,
  it is cancelled.
- A job that paused with a plain `pause_job()` is resumed in the next turn.

A turn starts the new jobs and resumes those that are ready. If there is nothing else to do, it polls, or jumps the
virtual clock. It also does that at least every PUMP_TURNS turns, so that jobs that only pause can't hold up the others.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from engine.drivers.pump import Pump
from engine.drivers.ready_seats import Seat
from engine.drivers.retry_queue import RetryQueue
from engine.drivers.seats import Seats
from engine.drivers.waits_for import WaitsFor, waits_for
from engine.ending import refuse_at_the_end
from engine.errors import ClosedError, Errors, NoJobsError, StalledError, UsageError, comes_in_between
from engine.jobs.job import Job
from engine.jobs.start import new_job
from engine.jobs.states import JobState
from engine.jobs.thread import LOCAL
from engine.protocol import Source

PAUSED = JobState.PAUSED
PUMP_TURNS = 16
"""After this many turns the pump runs, even if jobs are ready."""
FRUITLESS_MOST = 1_000
"""After this many turns in a row at one virtual time, in which jobs only retried for a slot, none will ever be free."""


class Scheduler:
    """Runs jobs on one thread. A context manager: leaving it cancels the jobs that have not ended.

    Only the thread that runs it may call it. Its jobs may call `spawn` too. Each job gets a wait context with the
    scheduler's callback, so an engine may use an fd or the callback, as its mode says.
    """

    def __init__(self) -> None:
        self._new: deque[Job] = deque()
        self._seats = Seats()
        self._busy = self._seats.busy
        self._ready_seats = self._seats.ready_seats
        self._ready = self._ready_seats.ready
        self._retries = RetryQueue()
        self._disturbed: deque[Job] = deque()
        """Jobs that others have cancelled, and that have ended or wait for something else now."""
        self._pump = Pump()
        self._running = False
        self._refusal: str | None = None
        """Why the scheduler can't be used any more, or None."""
        self._closed = False
        self._torn = False
        """Whether an exception ended a run, and may have left something half done."""
        self._fruitless = 0
        """How many turns in a row resumed jobs although nothing moved."""
        self._progress = 0
        """How many jobs ended in this turn, or wait for something new. Jobs that still retry for a slot don't count."""
        _alive.add(self)

    def spawn(self, fn: Callable[..., Any], *args: Any) -> Job:
        """Make a job of fn(*args), which `run` will start. It is stackless for an `async def`, else stackful."""
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        job = new_job(fn, args, None, False)
        job.driver = self
        self._new.append(job)
        return job

    def run(self) -> None:
        """Run until all jobs have ended, even those that are spawned meanwhile. Blocks, but uses no CPU while all wait.

        If a job raises, its `result()` raises that. This raises StalledError if jobs wait in virtual time for something
        that will never come, and NoJobsError if this thread's pool is exhausted and no job of this scheduler can end.
        The jobs stay as they are then, and `run` may be called again.
        """
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        if LOCAL.state.current is not None or self._running:
            raise UsageError("a scheduler can't be run inside of a job: call spawn in the job, and run outside of it")
        refuse_at_the_end()
        self._running = True
        try:
            if self._torn:
                self._seats.mend()
                self._torn = False
            elif self._busy:
                self._seats.leave_ended()
            self._turn_until_done()
        except BaseException as error:
            if not isinstance(error, NoJobsError | StalledError):
                self._torn = True
                self._pump.let_go()
            raise
        finally:
            self._running = False
            if not self._busy:  # otherwise the next run must keep the sources going
                self._pump.sources.clear()

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """Call fn for each item of the iterables, as the builtin `map` does, each in a job of its own. Blocks until all
        jobs have ended, and returns their results in order.

        If jobs raised, this raises the exception of the first of them.
        """
        jobs = [self.spawn(fn, *args) for args in zip(*iterables, strict=False)]
        self.run()
        return [job.result() for job in jobs]

    def keep_going(self, source: Source) -> None:
        """Poll this source, or jump its clock, while all jobs wait. Engines call this for their jobs."""
        self._pump.sources[source] = None

    def cancelled(self, job: Job) -> None:
        """Look at this job again in the next turn, and end a sleep for it. See `protocol.Driver`."""
        self._disturbed.append(job)
        if self._running:
            self._ready_seats.rouse()

    @property
    def unfinished(self) -> list[Job]:
        """The jobs that have not ended: first those that were started, then the new ones."""
        jobs = [seat.job for seat in self._busy if seat.job is not None] + list(self._new)
        # After an exception in a start, the job has a seat and is still among the new ones.
        return [job for job in dict.fromkeys(jobs) if not job.done]

    def close(self) -> None:
        """Cancel the jobs that have not ended, and close their wait contexts.

        Calling it again does nothing. But if an exception such as Ctrl-C has ended it, calling it again does the rest.
        """
        if self._closed:
            return
        if LOCAL.state.current is not None:
            raise UsageError("a scheduler can't be closed inside of a job")
        self._refusal = "the scheduler was closed: make a new one"
        errors = Errors()
        while self._new:
            errors.gather(self._new[0].cancel)
            if self._new[0].state is JobState.NEW:  # an exception came before it was cancelled
                self._new[0].cancel()
            del self._new[0]
        self._seats.close(errors)
        self._disturbed.clear()
        self._pump.sources.clear()
        _alive.discard(self)
        self._closed = True
        errors.raise_all("jobs raised while they were cancelled")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # One turn

    def _turn_until_done(self) -> None:
        # Not in `run`: Ctrl-C at the jump back of this loop would get past the `try` around it (docs/pythons.md).
        while self._new or self._busy:
            self._turn()

    def _turn(self) -> None:
        self._progress = 0
        if self._disturbed:
            self._park_disturbed()
        self._start_new()
        ready = self._ready
        tried = bool(ready or self._retries)
        if self._retries and ready:
            # Retries come first: the jobs that were woken have given back their slots, and jobs that wait get these.
            self._retries.drive(len(ready), self._resume)
        for _ in range(len(ready)):
            # The seat is taken out last, so that an exception in between does not lose it.
            seat = ready[0]
            seat.woken = seat.eagain = False
            job = seat.job
            if job is not None and job.state is PAUSED:
                try:
                    job.resume()
                except BaseException as error:
                    self._resume_failed(seat, job, error)
                else:
                    # The common case of `_park`, written out: the job waits for an operation in flight, and its wait
                    # context has not changed.
                    waiting = job.waiting
                    if (
                        job.state is PAUSED
                        and waiting is not None
                        and waiting.submitted
                        and not waiting.done
                        and not seat.ctx.has_changes
                    ):
                        self._progress += 1
                    else:
                        self._park(seat)
            ready.popleft()
        if self._retries and not ready:
            self._retries.drive(self._progress, self._resume)
        if not self._busy:
            return
        if ready or self._new or self._pump.sources:  # otherwise it sleeps at once, and a sleep looks at the fds too
            self._ready_seats.look()
        if self._progress and (self._ready or self._new):
            self._fruitless = 0
            self._pump.unpumped += 1
            if self._pump.unpumped >= PUMP_TURNS:
                self._pump.run()
            return
        self._fruitless = self._fruitless + 1 if tried and not self._progress else 0
        # Only after two such turns, because jobs that have just become ready were not resumed yet.
        if self._ready and self._fruitless < 2:
            return
        # All jobs wait, or the ready ones only retry for a slot. So time must go on.
        if self._pump.run():
            self._fruitless = 0
        else:
            virtual = self._pump.only_virtual()
            if virtual:
                self._check_stalled()
            if not self._ready and not (virtual and self._retries):
                self._ready_seats.sleep(self._retries.wait_ns(), self._pump.polled_in_real_time())

    def _start_new(self) -> None:
        # Jobs that are spawned meanwhile are left for the next turn. Otherwise jobs that spawn jobs hold up the others.
        for _ in range(len(self._new)):
            # The job is taken out of `_new` only when it has begun, so that an exception in between does not lose it.
            job = self._new[0]
            if job.state is not JobState.NEW:  # it was cancelled, or an exception came when it had just begun
                del self._new[0]
                continue
            seat = self._seats.take(job)
            try:
                job.start()
            except NoJobsError:
                # The job stays new, and first in `_new`. If no job of ours can end, we would wait for one for ever.
                job.wait_ctx = None
                self._seats.leave(seat)
                if not self._busy:
                    raise
                return
            except BaseException as error:
                if job.state is JobState.NEW:
                    if comes_in_between(error):
                        raise
                    job.fail_to_start(error)  # such as a TypeError for wrong arguments
                del self._new[0]
                self._park(seat)
                if not isinstance(error, Exception):
                    raise
                continue
            del self._new[0]
            self._park(seat)

    def _resume(self, seat: Seat) -> None:
        job = seat.job
        if job is None or job.state is not PAUSED:
            return
        try:
            job.resume()
        except BaseException as error:
            self._resume_failed(seat, job, error)
        else:
            self._park(seat)

    def _resume_failed(self, seat: Seat, job: Job, error: BaseException) -> None:
        """Deal with what a resume raised. Raise KeyboardInterrupt and the like again. End a job of a closed context."""
        if job.state is not PAUSED:
            self._park(seat)
            if not isinstance(error, Exception):
                raise error
        elif comes_in_between(error):
            raise error
        else:
            self._seats.end(seat)

    def _park(self, seat: Seat) -> None:
        """Find out what the job waits for now, after a start or resume."""
        job = seat.job
        if job is None or job.state is not PAUSED:
            self._progress += 1
            self._seats.leave(seat)
            return
        ctx = seat.ctx
        if ctx.has_changes:
            if ctx.closed:
                self._seats.end(seat)
                return
            self._ready_seats.watch(seat)
        waiting = job.waiting
        if waiting is None or waiting.submitted:
            self._progress += 1
        if seat.woken or (waiting is not None and waiting.promised and not waiting.done):
            return  # it is ready already, or it is the common case of `waits_for`, WOKEN
        wait = waits_for(job, ctx, bool(seat.foreign))
        if wait is WaitsFor.EAGAIN:
            self._retries.add(seat)
        elif wait is WaitsFor.FAILED:
            seat.errors += 1
            if seat.errors > 1:
                self._seats.end(seat)
            else:
                self._ready_seats.wake(seat)
        elif wait is WaitsFor.NOTHING:
            self._ready_seats.wake(seat)

    def _park_disturbed(self) -> None:
        jobs = {self._disturbed.popleft() for _ in range(len(self._disturbed))}
        for seat in list(self._busy):
            if seat.job in jobs:
                self._park(seat)

    def _check_stalled(self) -> None:
        # After the last look at the fds, a signal handler may have completed an operation. So look once more.
        self._ready_seats.look()
        if self._disturbed:  # or it has cancelled a job
            return
        asking = bool(self._retries or self._ready)
        if not asking or self._fruitless > FRUITLESS_MOST:
            jobs = [f"{seat.job!r} for {seat.job.waiting!r}" for seat in self._busy if seat.job is not None]
            how = f"{len(jobs)} jobs {'ask for a slot again and again, or wait' if asking else 'wait'}"
            raise StalledError(f"virtual time stands still, nothing is due, but {how}: {', '.join(jobs)}")


_alive: WeakSet[Scheduler] = WeakSet()


def _after_fork_in_child() -> None:
    """Mark the schedulers as closed. Leave their epolls alone: to remove an fd here removes it in the parent too."""
    parent = os.getppid()
    for scheduler in list(_alive):
        scheduler._closed = True
        scheduler._refusal = f"this scheduler belongs to the parent process, {parent}: make a new one after the fork"
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
