"""What the detector remembers of each wait context and each job."""

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
"""Events of a history that are kept; of those between only the number is."""


class History:
    """The first and the last events of one object."""

    __slots__ = ("_first", "_last", "_left_out")

    def __init__(self) -> None:
        self._first: list[str] = []
        self._last: deque[str] = deque()
        self._left_out = 0

    def add(self, event: str) -> None:
        """Remember it. Any thread."""
        if len(self._first) < FIRST:
            self._first.append(event)
            return
        self._last.append(event)
        if len(self._last) > LAST:
            self._last.popleft()
            self._left_out += 1

    def told(self) -> tuple[str, ...]:
        """The events, and how many were left out between them."""
        between = (f"… {self._left_out} more",) if self._left_out else ()
        return (*self._first, *between, *self._last)


class FdTrack:
    """A wait fd that was set and not cleared."""

    __slots__ = ("fd", "identity", "key", "reported")

    def __init__(self, key: object, fd: int) -> None:
        self.key = key
        self.fd = fd
        self.identity: Identity | None = identity(fd)
        """None for a number that never was an open fd: nothing can be said of it."""
        self.reported = False

    def readable(self) -> bool:
        """Whether there is a token in it; False if it is not this file any more."""
        return self.identity is not None and identity(self.fd) == self.identity and readable(self.fd)


class CtxTrack:
    """A wait context."""

    __slots__ = ("born_here", "callback_read", "cancelled", "closed", "fds", "history", "jobs", "number", "ref")

    def __init__(self, ctx: WaitCtx, number: int, born_here: bool) -> None:
        self.ref = ref(ctx)
        self.number = number
        self.born_here = born_here
        """Whether it was made while the detector watched: only of those it knows the whole life."""
        self.fds: list[FdTrack] = []
        self.jobs: list[JobTrack] = []
        """Those that have not ended, of this context."""
        self.history = History()
        self.cancelled: str | None = None
        """The job that was cancelled last, while no other uses the context."""
        self.closed = False
        self.callback_read = False
        """Whether an engine that is not ours has asked for the callback: it may call it at any time."""

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
        """The engine's operation that it waits for, if it waits for one."""
        self.status: int = Status.UNSUPPORTED
        """At its pause."""
        self.status_read: int | None = None
        """What the application read since."""
        self.woken = False
        """Whether the callback was called since the pause."""
        self.busy = 0
        """Resumes in a row that came to nothing."""
        self.busy_since = 0
        """What else had moved by then."""
        self.blind = False
        """Reported already for what was resumed without looking: once a job is enough."""
        self.unannounced = False
        """The same of a pause with nothing announced."""

    def waits(self) -> bool:
        """Whether a resume now would come too early, unless something has woken it."""
        if self.op is not None:
            return not self.op.done
        return self.ctx is not None and bool(self.ctx.fds)

    def announced(self) -> bool:
        """Whether anything says when to resume it, or may: not our engines' own fds between their operations."""
        ctx = self.ctx
        if ctx is None or self.op is not None or self.status != Status.UNSUPPORTED or ctx.callback_read:
            return True
        return not all(is_wake_fd(fd.fd) for fd in ctx.fds)

    def __str__(self) -> str:
        return self.text


class Recorder:
    """A callback that tells the detector before it does its work. Equal to the one that it stands for."""

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
