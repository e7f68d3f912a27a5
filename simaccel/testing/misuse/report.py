"""The kinds of misuse, and a report of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What was done wrong; the value is how a report calls it."""

    STALE_TOKEN = "stale token"
    """A job ended and left its wait fd readable: the next job of that context is woken for nothing."""
    FD_LEAKED = "leaked wait fd"
    """Its context was closed, or its entry cleared, or nobody ever closed the context, and the fd is still open."""
    FD_CLOSED = "wait fd closed while announced"
    """Whoever polls it gets an error, or nothing, for ever."""
    FD_REUSED = "number of a wait fd reused"
    """It was closed while announced, and its number is another file's now: that one is polled in its place."""
    WAKE_AFTER_CLOSE = "wake after the context was closed"
    """The callback came when its wait context was freed: in C, a use after free."""
    CLOSED_UNDER_JOB = "context closed under a paused job"
    """A job that waits for an operation can't be resumed any more, and the operation is still in flight."""
    CALLBACK_AFTER_CANCEL = "callback after cancel"
    """It tells of an operation that nobody waits for."""
    AGAIN_FORGOTTEN = "EAGAIN job never resumed"
    """The ring was full; the status said that the application must resume the job, and it never did."""
    PAUSE_FORGOTTEN = "paused job never resumed"
    """Neither resumed to its end, nor cancelled."""
    RESUMED_BLINDLY = "job resumed without looking"
    """Nothing had woken it: no fd readable, no callback, no EAGAIN. It only pauses again."""
    STATUS_MISREAD = "status read in the wrong contract"
    """The status was read, and taken to mean that the operation had completed."""
    BUSY_LOOP = "busy loop of resumes"
    """One job, resumed again and again while nothing else moved."""
    STALLED_LOOP = "loop on a clock that stands still"
    """Virtual time was jumped again and again, nothing was due, and a job waits: that loop never ends."""
    NOTHING_ANNOUNCED = "pause with nothing announced"
    """Only with `strict=True`: no fd, no callback, no status says when to resume. Our drivers take such a pause for a
    turn given to others, and resume it soon; an application of OpenSSL waits for ever."""
    OTHER_FUNCTION = "job resumed with another function"
    """ASYNC_start_job resumes the job that it is given, and ignores function and context."""
    FDS_PILE_UP = "fds that pile up"
    """Eventfds and pipes that were opened meanwhile, belong to no wait context, and are open still."""


@dataclass(frozen=True, slots=True)
class MisuseReport:
    """One finding. `history` is what happened to that job and its context, oldest first."""

    kind: Kind
    message: str
    history: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.kind.value}: {self.message}", *(f"    {event}" for event in self.history)])


class MisuseError(AssertionError):
    """Misuse was found. `reports` has all of it."""

    def __init__(self, reports: list[MisuseReport]) -> None:
        count = f"{len(reports)} cases of misuse" if len(reports) > 1 else "misuse"
        super().__init__(f"{count} of wait contexts and jobs:\n" + "\n".join(map(str, reports)))
        self.reports = reports
