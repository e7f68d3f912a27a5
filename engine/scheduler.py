"""The scheduler: runs many jobs on one thread, and resumes each when what it waits for has come.

What a paused job waits for, read off its wait context as any OpenSSL application reads it:

- fds: resumed when one is readable (epoll).
- status OK: in flight; resumed by the callback.
- status EAGAIN: resumed by the callback if its engine promised one; else the scheduler tries it again, first come first
  served, when others made progress, or after a back-off.
- status ERR: resumed once, so that it can see the failure; cancelled if it pauses with ERR again.
- nothing of these: a plain `pause_job()`; resumed in the next turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from engine.errors import ClosedError, NoJobsError, StalledError, UsageError
from engine.fds import wake_fd
from engine.job import Job
from engine.poller import Poller
from engine.pool import LOCAL
from engine.protocol import Source
from engine.start import new_job
from engine.states import JobState
from waitctx import Status, WaitCtx

PAUSED = JobState.PAUSED
AGAIN_FIRST_NS, AGAIN_LAST_NS = 100_000, 10_000_000
"""Back-off of EAGAIN jobs that nobody promised to wake, while nothing else makes progress."""
AGAIN_BATCH = 16
"""How many of those are tried in a turn."""


class _Seat:
    """A wait context, reused by one job after the other, so that an engine's fd in it stays."""

    __slots__ = ("again", "ctx", "errors", "fds", "job", "woken")

    def __init__(self) -> None:
        self.ctx = WaitCtx()
        self.job: Job | None = None
        self.fds: set[int] = set()
        self.woken = False
        self.again = False
        self.errors = 0


class Scheduler:
    """Runs jobs. A context manager: leaving it cancels those that have not ended.

    All calls belong to the thread that runs it, also `spawn`, which jobs may call. Jobs get their wait contexts from
    here; each has the scheduler's callback set, so engines may use fd or callback as they are made.
    """

    def __init__(self) -> None:
        self._new: deque[Job] = deque()
        self._ready: deque[_Seat] = deque()
        self._again: deque[_Seat] = deque()
        self._idle: list[_Seat] = []
        self._busy: dict[_Seat, None] = {}  # a dict for its order: no order here comes from a hash
        self._by_fd: dict[int, _Seat] = {}
        self._sources: dict[Source, None] = {}
        self._again_ns = AGAIN_FIRST_NS
        self._poller = Poller()
        self._bell = wake_fd()
        self._poller.add(self._bell.fd)
        self._sleeping = False
        self._running = False
        self._closed = False
        self._progress = 0
        """Jobs that ended, or pause for something new, in this turn: not those that still ask for a slot."""

    def spawn(self, fn: Callable[..., Any], *args: Any) -> Job:
        """A job for fn(*args), started by `run`: an `async def` stackless, else stackful. Returns at once."""
        if self._closed:
            raise ClosedError("the scheduler was closed: make a new one")
        job = new_job(fn, args, None, False)
        job.driver = self
        self._new.append(job)
        return job

    def run(self) -> None:
        """Until all jobs have ended, also those that are spawned meanwhile. Blocks; burns no CPU while all wait.

        A job's exception is its own, and comes out of its result(). Raises StalledError when jobs wait that nothing
        can wake (in virtual time), NoJobsError if the pool has no job for the first of them; what was spawned stays.
        """
        if self._closed:
            raise ClosedError("the scheduler was closed: make a new one")
        if LOCAL.state.current is not None or self._running:
            raise UsageError("a scheduler can't be run inside of a job: spawn there, and run outside")
        self._running = True
        try:
            while self._new or self._busy:
                self._turn()
        finally:
            self._running = False
            self._sources.clear()

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """The results of fn over the iterables, in their order, one job each. If some raise, the first of these does,
        when all have ended."""
        jobs = [self.spawn(fn, *args) for args in zip(*iterables, strict=False)]
        self.run()
        return [job.result() for job in jobs]

    def keep_going(self, source: Source) -> None:
        """Poll this source, or jump its clock, while all jobs wait. Engines call it for their jobs."""
        self._sources[source] = None

    @property
    def unfinished(self) -> list[Job]:
        """The jobs that have not ended, those not started last."""
        return [seat.job for seat in self._busy if seat.job is not None] + list(self._new)

    def close(self) -> None:
        """Cancel the jobs that have not ended, until they have, and free their contexts. Calling again does nothing."""
        if self._closed:
            return
        if LOCAL.state.current is not None:
            raise UsageError("a scheduler can't be closed inside of a job")
        self._closed = True
        for job in self._new:
            job.cancel()
        self._new.clear()
        for seat in list(self._busy):
            # A job may pause again while it cleans up; one that goes on for ever is left to the garbage collector.
            for _ in range(100):
                if seat.job is None or seat.job.cancel():
                    break
            self._leave(seat)
        for seat in self._idle:
            for fd in seat.fds:
                self._poller.remove(fd)
            seat.ctx.close()
        self._idle.clear()
        self._bell.close()
        self._poller.close()

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
        for _ in range(len(ready)):
            seat = ready.popleft()
            seat.woken = seat.again = False
            job = seat.job
            if job is None or job.state is not PAUSED:
                continue
            try:
                job.resume()
            except BaseException:
                self._resume_failed(seat, job)
                raise
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
        if self._again and (self._progress or not self._ready):
            self._drive_again(self._progress)
        if not self._busy:
            return
        if self._by_fd:
            self._take_events(0)
        if self._progress and (self._ready or self._new):
            return
        # All wait - or those that are ready only ask for a slot again and again, which is no reason to stand still.
        if not self._pump() and not self._ready:
            self._wait()

    def _start_new(self) -> None:
        while self._new:
            seat = self._idle.pop() if self._idle else _Seat()
            job = self._new[0]
            job.wait_ctx = seat.ctx
            if seat.ctx.callback is None:
                seat.ctx.set_callback(self._wake, seat)
            seat.job = job
            self._busy[seat] = None
            self._new.popleft()
            try:
                job.start()
            except NoJobsError:
                # The job stays new, and first in line. With none of ours to wait for, waiting would be for ever.
                job.wait_ctx = None
                self._leave(seat)
                self._new.appendleft(job)
                if not self._busy:
                    raise
                return
            except BaseException as error:
                if job.state is JobState.NEW:  # arguments that do not fit: the job's own failure
                    job.fail_to_start(error)
                self._leave(seat)
                if not isinstance(error, Exception):
                    raise
                continue
            self._park(seat)

    def _resume(self, seat: _Seat) -> None:
        job = seat.job
        if job is None or job.state is not PAUSED:
            return
        try:
            job.resume()
        except BaseException:
            self._resume_failed(seat, job)
            raise
        self._park(seat)

    def _resume_failed(self, seat: _Seat, job: Job) -> None:
        """KeyboardInterrupt and its like came out of it, or its context was closed under it: let nobody wait for it."""
        if job.state is PAUSED:
            job.cancel()
        self._park(seat)

    def _park(self, seat: _Seat) -> None:
        """Behind a start or resume: what does the job wait for now?"""
        job = seat.job
        if job is None or job.state is not PAUSED:
            self._progress += 1
            self._leave(seat)
            return
        ctx = seat.ctx
        if ctx.has_changes:
            self._watch(seat)
        waiting = job.waiting
        if waiting is None or waiting.submitted:
            self._progress += 1
        if waiting is not None and waiting.promised and not waiting.done:
            return
        status = ctx.status
        if status == Status.EAGAIN:
            seat.again = True
            self._again.append(seat)
        elif status == Status.ERR and not seat.fds:
            seat.errors += 1
            if seat.errors > 1:
                job.cancel()
                self._park(seat)
            else:
                self._wake(seat)
        elif status != Status.OK and not seat.fds and (waiting is None or waiting.done):
            self._wake(seat)

    def _leave(self, seat: _Seat) -> None:
        """The job has ended: its seat is free for the next."""
        seat.job = None
        seat.again = False
        seat.errors = 0
        self._busy.pop(seat, None)
        ctx = seat.ctx
        if ctx.has_changes:
            self._watch(seat)
        if ctx.status is not Status.UNSUPPORTED:
            ctx.status = Status.UNSUPPORTED
        self._idle.append(seat)

    # What wakes

    def _wake(self, seat: _Seat) -> None:
        """The callback of every wait context here. Any thread."""
        if not seat.woken:
            seat.woken = True
            self._ready.append(seat)
            if self._sleeping:
                self._sleeping = False
                self._bell.put()

    def _watch(self, seat: _Seat) -> None:
        added, deleted = seat.ctx.changed_fds()
        for fd in deleted:
            if fd in seat.fds:
                seat.fds.discard(fd)
                self._by_fd.pop(fd, None)
                self._poller.remove(fd)
        for fd in added:
            if fd not in seat.fds and fd >= 0:
                try:
                    self._poller.add(fd)
                except FileExistsError:  # an fd of another context: whoever comes first is told
                    continue
                except OSError:  # closed already: the job finds out when it is resumed
                    self._wake(seat)
                    continue
                seat.fds.add(fd)
                self._by_fd[fd] = seat

    def _take_events(self, timeout_ns: int | None) -> bool:
        taken = False
        for fd in self._poller.wait(timeout_ns):
            if fd == self._bell.fd:
                self._bell.drain()
                continue
            seat = self._by_fd.get(fd)
            if seat is None or seat.job is None:
                self._forget(fd, seat)
            else:
                taken = True
                self._wake(seat)
        return taken

    def _forget(self, fd: int, seat: _Seat | None) -> None:
        """A token that no job waits for, left by one that was cancelled: it must not keep the loop awake."""
        self._poller.remove(fd)
        self._by_fd.pop(fd, None)
        if seat is not None:
            seat.fds.discard(fd)
            seat.ctx.close()
            if seat in self._idle:
                self._idle.remove(seat)

    def _drive_again(self, progress: int) -> None:
        """Try jobs that must be resumed by the application: a few at a time, those that fail go to the back."""
        for _ in range(min(len(self._again), max(progress, AGAIN_BATCH))):
            seat = self._again.popleft()
            if not seat.again:  # woken meanwhile
                continue
            seat.again = False
            self._resume(seat)
            if not seat.again:
                self._again_ns = AGAIN_FIRST_NS

    def _pump(self) -> bool:
        """All wait. Do what moves the sources on; whether that moved anything."""
        moved = False
        for source in list(self._sources):
            if source.polled and source.poll():
                moved = True
            elif source.clock.virtual:
                moved = source.clock.jump() or moved
        if not moved and not self._again and not self._ready and self._only_virtual():
            raise StalledError(
                f"virtual time stands still and nothing is due, ever, but {len(self._busy)} jobs wait: "
                + ", ".join(f"{seat.job!r} for {seat.job.waiting!r}" for seat in self._busy if seat.job is not None)
            )
        return moved or bool(self._ready)

    def _only_virtual(self) -> bool:
        """Whether every waiting job waits in virtual time, so that no thread will ever wake one."""
        return bool(self._sources) and all(source.clock.virtual for source in self._sources)

    def _wait(self) -> None:
        """Sleep until something wakes a job, or it is time to try the EAGAIN jobs again."""
        timeout_ns = None
        if self._again:
            timeout_ns = self._again_ns
            self._again_ns = min(self._again_ns * 2, AGAIN_LAST_NS)
        self._sleeping = True
        for source in self._sources:
            if source.polled and not source.clock.virtual:
                source.notify_once(self._rouse)
        if self._ready:  # came between the last look and the flag
            self._sleeping = False
            return
        try:
            self._take_events(timeout_ns)
        finally:
            self._sleeping = False

    def _rouse(self) -> None:
        """End a sleep. Any thread."""
        self._sleeping = False
        self._bell.put()
