"""The scheduler: runs many jobs on one thread, and resumes each when what it waits for has come; see waiting.py.

- Woken by fd (epoll) or by callback: resumed in the next turn.
- EAGAIN that no engine promised to end: tried again, first come first served, when others made progress, or after a
  back-off.
- Status ERR: resumed once, so that it can see the failure; cancelled if it pauses with ERR again.
- A plain `pause_job()`: resumed in the next turn.

A turn starts what is new, resumes what is ready, and polls or jumps the clock when nothing else is to be done - and
every few turns in any case, so that jobs that only pause and pause can't keep the others waiting.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from engine.drivers.eagain import EagainQueue
from engine.drivers.seats import Seats
from engine.drivers.sources import Sources
from engine.drivers.waiting import Wait, waits_for
from engine.drivers.wakeups import Seat
from engine.ending import refuse_at_the_end
from engine.errors import ClosedError, Errors, NoJobsError, StalledError, UsageError, comes_in_between
from engine.jobs.job import Job
from engine.jobs.start import new_job
from engine.jobs.states import JobState
from engine.jobs.thread import LOCAL
from engine.protocol import Source

PAUSED = JobState.PAUSED
PUMP_TURNS = 16
"""After so many turns without it the sources are polled, or their clocks jumped, though some jobs are ready."""
FRUITLESS_MOST = 1_000
"""How many turns in a row jobs may only ask for a slot while virtual time stands still: then they never get one."""


class Scheduler:
    """Runs jobs. A context manager: leaving it cancels those that have not ended.

    All calls belong to the thread that runs it, also `spawn`, which jobs may call. Jobs get their wait contexts from
    here; each has the scheduler's callback set, so engines may use fd or callback as they are made.
    """

    def __init__(self) -> None:
        self._new: deque[Job] = deque()
        self._seats = Seats()
        self._busy = self._seats.busy
        self._wakeups = self._seats.wakeups
        self._ready = self._wakeups.ready
        self._eagain = EagainQueue()
        self._sources = Sources()
        self._running = False
        self._refusal: str | None = None
        """Why it can't be used any more."""
        self._closed = False
        self._torn = False
        """An exception ended a run, and may have left something half done."""
        self._fruitless = 0
        """Turns since something moved, in which jobs were tried."""
        self._progress = 0
        """Jobs that ended, or pause for something new, in this turn: not those that still ask for a slot."""
        _alive.add(self)

    def spawn(self, fn: Callable[..., Any], *args: Any) -> Job:
        """A job for fn(*args), started by `run`: an `async def` stackless, else stackful. Returns at once."""
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        job = new_job(fn, args, None, False)
        job.driver = self
        self._new.append(job)
        return job

    def run(self) -> None:
        """Until all jobs have ended, also those that are spawned meanwhile. Blocks; burns no CPU while all wait.

        A job's exception is its own, and comes out of its result(). Raises StalledError when jobs wait that nothing
        can wake (in virtual time), NoJobsError if the pool has no job for the first of them; what was spawned stays.
        """
        if self._refusal is not None:
            raise ClosedError(self._refusal)
        if LOCAL.state.current is not None or self._running:
            raise UsageError("a scheduler can't be run inside of a job: spawn there, and run outside")
        refuse_at_the_end()
        self._running = True
        try:
            if self._torn:
                self._seats.mend()
                self._torn = False
            while self._new or self._busy:
                self._turn()
        except (NoJobsError, StalledError):
            raise
        except BaseException:
            self._torn = True
            raise
        finally:
            self._running = False
            if not self._busy:  # else their operations are still to be moved on by the next run
                self._sources.known.clear()

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """The results of fn over the iterables, in their order, one job each. If some raise, the first of these does,
        when all have ended."""
        jobs = [self.spawn(fn, *args) for args in zip(*iterables, strict=False)]
        self.run()
        return [job.result() for job in jobs]

    def keep_going(self, source: Source) -> None:
        """Poll this source, or jump its clock, while all jobs wait. Engines call it for their jobs."""
        self._sources.known[source] = None

    @property
    def unfinished(self) -> list[Job]:
        """The jobs that have not ended, those not started last."""
        return [seat.job for seat in self._busy if seat.job is not None] + [
            job for job in self._new if job.state is JobState.NEW
        ]

    def close(self) -> None:
        """Cancel the jobs that have not ended, until they have, and free their contexts. Calling again does nothing,
        or goes on where an exception has interrupted it."""
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
        self._sources.known.clear()
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

    def _turn(self) -> None:
        self._progress = 0
        self._start_new()
        ready = self._ready
        tried = bool(ready or self._eagain)
        if self._eagain and ready:
            # Before those that were woken: the slots that they gave back go to who waits for one, not to their next.
            self._eagain.drive(len(ready), self._resume)
        for _ in range(len(ready)):
            # It stays in there until all is done: an exception in between must not lose it.
            seat = ready[0]
            seat.woken = seat.eagain = False
            job = seat.job
            if job is not None and job.state is PAUSED:
                try:
                    job.resume()
                except BaseException as error:
                    self._resume_failed(seat, job, error)
                else:
                    # The common case of `_park`, written out: in flight again, with the wait context as it was.
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
            del ready[0]
        if self._eagain and not ready:
            self._eagain.drive(self._progress, self._resume)
        if not self._busy:
            return
        if ready or self._new or self._sources.known:  # else it sleeps at once, and sees them there
            self._wakeups.look()
        if self._progress and (self._ready or self._new):
            self._fruitless = 0
            self._sources.unpumped += 1
            if self._sources.unpumped >= PUMP_TURNS:
                self._sources.pump()
            return
        self._fruitless = self._fruitless + 1 if tried and not self._progress else 0
        # Twice, because those that have just become ready were not among those that were tried.
        if self._ready and self._fruitless < 2:
            return
        # All wait - or those that are ready only ask for a slot again and again, which is no reason to stand still.
        if self._sources.pump():
            self._fruitless = 0
        else:
            virtual = self._sources.only_virtual()
            if virtual:
                self._check_stalled()
            if not self._ready and not (virtual and self._eagain):
                self._wakeups.sleep(self._eagain.wait_ns(), self._sources.polled_in_real_time())

    def _start_new(self) -> None:
        for _ in range(len(self._new)):  # not those spawned meanwhile: a chain of spawns must not hold up the others
            # The job stays in there, and the seat in its place, until the job has begun: an exception in between must
            # lose neither.
            job = self._new[0]
            if job.state is not JobState.NEW:  # cancelled, or an exception came when it had just begun
                del self._new[0]
                continue
            seat = self._seats.take(job)
            try:
                job.start()
            except NoJobsError:
                # The job stays new, and first in line. With none of ours to wait for, waiting would be for ever.
                job.wait_ctx = None
                self._seats.leave(seat)
                if not self._busy:
                    raise
                return
            except BaseException as error:
                if job.state is JobState.NEW:
                    if comes_in_between(error):
                        raise
                    job.fail_to_start(error)  # arguments that do not fit: the job's own failure
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
        """KeyboardInterrupt and its like came out of it, which go on, or its context was closed under it, which ends it
        alone."""
        if job.state is not PAUSED:
            self._park(seat)
            if not isinstance(error, Exception):
                raise error
        elif comes_in_between(error):
            raise error
        else:
            self._seats.end(seat)

    def _park(self, seat: Seat) -> None:
        """Behind a start or resume: what does the job wait for now?"""
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
            self._wakeups.watch(seat)
        waiting = job.waiting
        if waiting is None or waiting.submitted:
            self._progress += 1
        if seat.woken or (waiting is not None and waiting.promised and not waiting.done):
            return  # ready already, or the common case of waits_for
        wait = waits_for(job, ctx, bool(seat.foreign))
        if wait is Wait.EAGAIN:
            self._eagain.add(seat)
        elif wait is Wait.FAILED:
            seat.errors += 1
            if seat.errors > 1:
                self._seats.end(seat)
            else:
                self._wakeups.wake(seat)
        elif wait is Wait.NOTHING:
            self._wakeups.wake(seat)

    def _check_stalled(self) -> None:
        # A signal handler may have completed an operation after the fds were looked at, and before the clock was asked.
        self._wakeups.look()
        asking = bool(self._eagain or self._ready)
        if not asking or self._fruitless > FRUITLESS_MOST:
            jobs = [f"{seat.job!r} for {seat.job.waiting!r}" for seat in self._busy if seat.job is not None]
            how = f"{len(jobs)} jobs {'ask for a slot again and again, or wait' if asking else 'wait'}"
            raise StalledError(f"virtual time stands still, nothing is due, but {how}: {', '.join(jobs)}")


_alive: WeakSet[Scheduler] = WeakSet()


def _after_fork_in_child() -> None:
    """The epoll is the parent's as well: to take fds out of it here would take them from the parent."""
    parent = os.getppid()
    for scheduler in list(_alive):
        scheduler._closed = True
        scheduler._refusal = f"this scheduler belongs to the parent process, {parent}: make a new one after the fork"
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
