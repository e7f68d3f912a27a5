"""Tracks: what the detector remembers of each wait context and each job."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import ref

from engine.jobs.job import Job
from engine.offload.wake_fds import is_wake_fd
from simaccel.testing.misuse.fd_identity import Identity, identity, readable
from waitctx import Status, WaitCtx

FIRST, LAST = 8, 16
"""How many of the first and the last events a history keeps. Of those in between it keeps only the number."""


class History:
    """The first and the last events of one object."""

    __slots__ = ("_first", "_last", "_left_out")

    def __init__(self) -> None:
        self._first: list[str] = []
        self._last: deque[str] = deque()
        self._left_out = 0

    def add(self, event: str) -> None:
        """Remember this event. Any thread."""
        if len(self._first) < FIRST:
            self._first.append(event)
            return
        self._last.append(event)
        if len(self._last) > LAST:
            self._last.popleft()
            self._left_out += 1

    def told(self) -> tuple[str, ...]:
        """The events that were kept, with a line that says how many were left out between them."""
        between = (f"… {self._left_out} more",) if self._left_out else ()
        return (*self._first, *between, *self._last)


class FdTrack:
    """A wait fd that was set and not cleared."""

    __slots__ = ("fd", "identity", "key", "reported")

    def __init__(self, key: object, fd: int) -> None:
        self.key = key
        self.fd = fd
        self.identity: Identity | None = identity(fd)
        """Which file the number stands for. None if it was no open fd when it was set: then we can't judge it."""
        self.reported = False

    def readable(self) -> bool:
        """Whether there is a token in the fd. False if the number stands for another file by now."""
        return self.identity is not None and identity(self.fd) == self.identity and readable(self.fd)


class CtxTrack:
    """A wait context."""

    __slots__ = ("born_here", "callback_read", "cancelled", "closed", "fds", "history", "jobs", "number", "ref")

    def __init__(self, ctx: WaitCtx, number: int, born_here: bool) -> None:
        self.ref = ref(ctx)
        self.number = number
        self.born_here = born_here
        """Whether the context was made while the detector watched. Only then the detector knows its whole life."""
        self.fds: list[FdTrack] = []
        self.jobs: list[JobTrack] = []
        """The jobs of this context that have not ended."""
        self.history = History()
        self.cancelled: str | None = None
        """The job of this context that was cancelled last. None if another job has used the context since."""
        self.closed = False
        self.callback_read = False
        """Whether an engine that is not ours has read the callback, so that it may call it at any time."""

    def token(self) -> FdTrack | None:
        """A wait fd with a token in it."""
        return next((fd for fd in self.fds if fd.readable()), None)

    def __str__(self) -> str:
        return f"wait context {self.number}"


class JobTrack:
    """A job."""

    __slots__ = (
        "blind",
        "busy",
        "busy_since",
        "ctx",
        "history",
        "number",
        "op",
        "paused",
        "ref",
        "status",
        "status_read",
        "text",
        "unannounced",
        "woken",
    )

    def __init__(self, job: Job, number: int, ctx: CtxTrack | None) -> None:
        self.ref = ref(job)
        self.number = number
        self.ctx = ctx
        self.text = f"job {number} ({getattr(job.fn, '__qualname__', job.fn)})"
        self.history = History()
        self.paused = False
        self.op: Any = None
        """The engine's operation for which the job waits, or None."""
        self.status: int = Status.UNSUPPORTED
        """The status of its context when it paused."""
        self.status_read: int | None = None
        """The status that the application has read since the pause, or None."""
        self.woken = False
        """Whether the callback was called since the pause."""
        self.busy = 0
        """How many resumes in a row did nothing."""
        self.busy_since = 0
        """The value of `Rules._progress` at the first of these resumes."""
        self.blind = False
        """Whether RESUMED_BLINDLY was already reported for this job. Once is enough."""
        self.unannounced = False
        """The same for NOTHING_ANNOUNCED."""

    def waits(self) -> bool:
        """Whether the job waits for something, so that a resume is too early unless something has woken it."""
        if self.op is not None:
            return not self.op.done
        return self.ctx is not None and bool(self.ctx.fds)

    def announced(self) -> bool:
        """Whether anything says, or may say, when to resume the job. An fd of one of our engines says nothing while
        none of its operations is in flight."""
        ctx = self.ctx
        if ctx is None or self.op is not None or self.status != Status.UNSUPPORTED or ctx.callback_read:
            return True
        return not all(is_wake_fd(fd.fd) for fd in ctx.fds)

    def __str__(self) -> str:
        return self.text


class Recorder:
    """A callback that tells the detector first, and then calls the original callback. It is equal to that one."""

    __slots__ = ("_fn", "_seen")

    def __init__(self, fn: Callable[[Any], object], seen: Callable[[], None]) -> None:
        self._fn = fn
        self._seen = seen

    def __call__(self, arg: Any) -> object:
        self._seen()
        return self._fn(arg)

    def __eq__(self, other: object) -> bool:
        return self._fn == (other._fn if isinstance(other, Recorder) else other)

    def __hash__(self) -> int:
        return hash(self._fn)
