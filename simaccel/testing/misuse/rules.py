"""The rules of the misuse detector: they get all events that the observers see, and decide what is a misuse.

They keep a track of each wait context and of each job (track.py). The rules about wait fds are in wait_fds.py. What is
left behind is judged in `finish`.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from weakref import WeakKeyDictionary

from engine.jobs.job import Job
from simaccel.testing.misuse.report import Kind, MisuseError, MisuseReport
from simaccel.testing.misuse.resume_arguments import ignored_at_resume
from simaccel.testing.misuse.stalled_clock import Standstill
from simaccel.testing.misuse.track import CtxTrack, JobTrack
from simaccel.testing.misuse.unowned_fds import LooseFds
from simaccel.testing.misuse.wait_fds import WaitFds
from waitctx import Status, WaitCtx


class Rules:
    """Judges events. The events of a job come in the job's own thread, callbacks in any thread."""

    def __init__(self, ignore: Collection[Kind], busy_after: int, stop_busy: bool, strict: bool = False) -> None:
        self.reports: list[MisuseReport] = []
        self.off = False
        """Whether the observers ignore everything now."""
        self._ignore = frozenset(ignore)
        self._busy_after = busy_after
        self._stop_busy = stop_busy
        self._strict = strict
        self._loose_fds = LooseFds()
        self._standstill = Standstill(busy_after)
        self._serial = count(1)
        self._ctx_numbers, self._job_numbers = count(1), count(1)
        self._ctxs: WeakKeyDictionary[WaitCtx, CtxTrack] = WeakKeyDictionary()
        self._jobs: WeakKeyDictionary[Job, JobTrack] = WeakKeyDictionary()
        self._all_ctxs: list[CtxTrack] = []
        self._all_jobs: list[JobTrack] = []
        self._fds = WaitFds(self._all_ctxs, self._report)
        self._progress = 0
        """Counts everything that moves: wakes, and jobs that end or wait for something new."""

    # Wait contexts

    def track(self, ctx: WaitCtx, born_here: bool = False) -> CtxTrack:
        """The track of this context, made if there is none yet."""
        track = self._ctxs.get(ctx)
        if track is None:
            track = self._ctxs[ctx] = CtxTrack(ctx, next(self._ctx_numbers), born_here)
            self._all_ctxs.append(track)
        return track

    def ctx_made(self, ctx: WaitCtx) -> None:
        self.track(ctx, True)

    def fd_set(self, ctx: WaitCtx, key: object, fd: int) -> None:
        track = self.track(ctx)
        self._tell(track, None, f"fd {fd} set")
        self._fds.announce(track, key, fd)

    def fd_cleared(self, ctx: WaitCtx, key: object) -> None:
        track = self.track(ctx)
        number = self._fds.clear(track, key)
        if number is not None:
            self._tell(track, None, f"fd {number} cleared")

    def ctx_closing(self, ctx: WaitCtx) -> None:
        track = self.track(ctx)
        self._fds.look(track)
        for job in track.jobs:
            if job.paused and job.op is not None and not job.op.done:
                self._report(
                    Kind.CLOSED_UNDER_JOB,
                    f"{track} was closed while {job} waited with it for {job.op!r}: cancel the job first, so that the "
                    "operation is given up",
                    job,
                )
        self._tell(track, None, "closed")

    def ctx_closed(self, ctx: WaitCtx) -> None:
        track = self.track(ctx)
        track.closed = True
        self._fds.close(track)

    def status_set(self, ctx: WaitCtx, status: int) -> None:
        self._tell(self.track(ctx), None, f"status {_named(status)} set")

    def status_read(self, ctx: WaitCtx, status: int) -> None:
        for job in self.track(ctx).jobs:
            if job.paused:
                job.status_read = status

    def callback_read(self, ctx: WaitCtx) -> None:
        self.track(ctx).callback_read = True

    def called_back(self, track: CtxTrack) -> None:
        self._tell(track, None, "callback called")
        self._progress += 1
        if track.closed:
            self._report(
                Kind.WAKE_AFTER_CLOSE,
                f"the callback of {track} was called when the context was closed: an engine must not keep a callback "
                "longer than the context, an application must end its jobs before it closes it",
                track,
            )
        elif not track.jobs and track.cancelled is not None:
            self._report(
                Kind.CALLBACK_AFTER_CANCEL,
                f"the callback of {track} was called after the cancel of {track.cancelled}: an engine must give up "
                "what is in flight when its job is cancelled",
                track,
            )
        for job in track.jobs:
            job.woken = True

    # Jobs

    def job_starting(self, job: Job) -> None:
        ctx = None if job.wait_ctx is None or job.wait_ctx.closed else self.track(job.wait_ctx)
        track = JobTrack(job, next(self._job_numbers), ctx)
        self._jobs[job] = track
        self._all_jobs.append(track)
        if ctx is not None:
            ctx.jobs.append(track)
            ctx.cancelled = None
        self._tell(ctx, track, "started")

    def job_not_started(self, job: Job) -> None:
        track = self._jobs.pop(job)
        self._all_jobs.remove(track)
        if track.ctx is not None:
            track.ctx.jobs.remove(track)

    def job_resuming(self, job: Job) -> None:
        track = self._jobs.get(job)
        if track is None or track.ctx is None or not track.paused:
            return
        ctx = track.ctx
        self._fds.look(ctx)
        self._tell(ctx, track, "resumed")
        if track.woken or not track.waits() or ctx.token() is not None or track.blind:
            return
        status = track.status if track.status_read is None else track.status_read
        if status in (Status.EAGAIN, Status.ERR):
            return
        track.blind = True
        if track.status_read is not None and self._has_callback(ctx):
            meaning = (
                "OK says that the operation is in flight, in the contract of QAT_Engine"
                if status == Status.OK
                else f"{_named(status)} says nothing while an operation is in flight"
            )
            self._report(
                Kind.STATUS_MISREAD,
                f"{track} was resumed because of the status {_named(status)}, but nothing had completed: {meaning}; "
                "only the callback tells of completion, and only EAGAIN and ERR ask for a resume by themselves",
                track,
            )
        else:
            self._report(
                Kind.RESUMED_BLINDLY,
                f"{track} was resumed, but nothing had woken it: resume when a wait fd is readable, when the callback "
                "came, or upon EAGAIN",
                track,
            )

    def job_ran(self, job: Job, cancelled: bool = False) -> None:
        """Called after a start, a resume or a cancel, when the job has paused or ended."""
        track = self._jobs.get(job)
        if track is None:
            return
        ctx, former = track.ctx, track.op
        if not job.paused:
            self._job_ended(track, cancelled)
            return
        waiting = job.waiting
        again = track.paused and waiting is former and waiting is not None and not waiting.done
        track.paused = True
        track.op = None if waiting is None or waiting.done else waiting
        track.woken = False
        track.status_read = None
        track.status = Status.UNSUPPORTED if ctx is None or ctx.closed else _status_of(ctx)
        self._tell(ctx, track, f"paused, status {_named(track.status)}" + (f", for {waiting!r}" if track.op else ""))
        if not again:
            self._progress += 1
            track.busy, track.busy_since = 0, self._progress
        else:
            track.busy = track.busy + 1 if track.busy_since == self._progress else 1
            track.busy_since = self._progress
            if track.busy == self._busy_after:
                self._report(
                    Kind.BUSY_LOOP,
                    f"{track} was resumed {self._busy_after} times in a row, and nothing else moved: on EAGAIN wait "
                    "until something completes, or back off",
                    track,
                )
                if self._stop_busy and Kind.BUSY_LOOP not in self._ignore:
                    raise MisuseError(self.reports)
        if self._strict and not track.unannounced and not track.announced():
            track.unannounced = True
            self._report(
                Kind.NOTHING_ANNOUNCED,
                f"{track} paused, and nothing says when to resume it: no wait fd is set, no engine has asked for the "
                "callback, and the status is UNSUPPORTED; set a wait fd, or take the callback, before the pause",
                track,
            )

    def _job_ended(self, track: JobTrack, cancelled: bool) -> None:
        self._progress += 1
        track.paused = False
        track.op = None
        self._all_jobs.remove(track)
        ctx = track.ctx
        self._tell(ctx, track, "cancelled" if cancelled else "ended")
        if ctx is None or track not in ctx.jobs:
            return
        ctx.jobs.remove(track)
        ctx.cancelled = str(track) if cancelled and not ctx.jobs else None
        if ctx.closed:
            return
        self._fds.look(ctx)
        fd = ctx.token() if not ctx.jobs else None
        if fd is not None:
            self._report(
                Kind.STALE_TOKEN,
                f"{track} ended and left a token in its wait fd {fd.fd}: read the fd until it is empty when the "
                "operation is done, or the next job of this context is woken for nothing",
                track,
            )

    def resumed_as(self, job: Job, fn: object, ctx: object) -> None:
        """Called when ASYNC_start_job resumes this job, with the function and context that it was given."""
        track, ignored = self._jobs.get(job), ignored_at_resume(job, fn, ctx)
        if track is not None and ignored is not None:
            self._report(Kind.OTHER_FUNCTION, f"{track} was resumed by ASYNC_start_job with {ignored}", track)

    # Time

    def jumped(self, moved: bool) -> None:
        """Called when the code under test has jumped a virtual clock."""
        paused = [] if moved else [job for job in self._all_jobs if job.paused]
        if self._standstill.jumped(paused, self._progress):
            self._report(Kind.STALLED_LOOP, self._standstill.message(paused), paused[0])
            if self._stop_busy and Kind.STALLED_LOOP not in self._ignore:
                raise MisuseError(self.reports)

    def waiting(self) -> list[str]:
        """The paused jobs, each with its history."""
        lines: list[str] = []
        for job in tuple(self._all_jobs):
            if job.paused:
                lines.append(f"{job} waits" + (f" for {job.op!r}" if job.op else ""))
                lines += [f"    {event}" for event in job.history.told()]
        return lines

    # The end

    def finish(self) -> None:
        """Find out what was left behind, and report it."""
        for job in self._all_jobs:
            if not job.paused:
                continue
            gone = " and forgotten: nobody holds it any more" if job.ref() is None else ""
            if job.status == Status.EAGAIN:
                self._report(
                    Kind.AGAIN_FORGOTTEN,
                    f"{job} paused with the status EAGAIN and was never resumed{gone}: no callback comes for EAGAIN, "
                    "resume the job by yourself, a little later",
                    job,
                )
            else:
                self._report(
                    Kind.PAUSE_FORGOTTEN,
                    f"{job} paused and was never resumed{gone}: resume it to its end, or cancel it",
                    job,
                )
        known = self._fds.find_leaks()
        message = self._loose_fds.piled_up(known)
        if message is not None and Kind.FDS_PILE_UP not in self._ignore:
            self.reports.append(MisuseReport(Kind.FDS_PILE_UP, message, ()))

    # Inside

    def _has_callback(self, track: CtxTrack) -> bool:
        ctx = track.ref()
        return ctx is not None and not ctx.closed and ctx._callback is not None

    def _tell(self, ctx: CtxTrack | None, job: JobTrack | None, event: str) -> None:
        number = next(self._serial)
        if job is not None:
            event = f"{job} {event}"
            job.history.add(f"{number}. {event}")
        elif ctx is not None:
            for job in ctx.jobs:
                job.history.add(f"{number}. {ctx}: {event}")
            event = f"{ctx}: {event}"
        if ctx is not None:
            ctx.history.add(f"{number}. {event}")

    def _report(self, kind: Kind, message: str, track: CtxTrack | JobTrack) -> None:
        if kind not in self._ignore:
            self.reports.append(MisuseReport(kind, message, track.history.told()))


def _status_of(track: CtxTrack) -> int:
    ctx = track.ref()
    return Status.UNSUPPORTED if ctx is None else ctx.stored_status


def _named(status: int) -> str:
    return status.name if isinstance(status, Status) else str(status)
