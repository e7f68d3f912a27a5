"""The kinds of misuse, and the report of a misuse."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What was done wrong. The value is the name that reports use."""

    STALE_TOKEN = "stale token"
    """A job ended and left its wait fd readable. So the next job of that context is woken for nothing."""
    FD_LEAKED = "leaked wait fd"
    """The fd is still open at the end, although its context was closed or its entry cleared, or because nobody closed
    the context."""
    FD_CLOSED = "wait fd closed while announced"
    """A wait fd was closed while its context announced it. Code that polls it gets an error, or waits for ever."""
    FD_REUSED = "number of a wait fd reused"
    """A wait fd was closed while its context announced it, and its number is now another file's. So the application
    polls that other file."""
    WAKE_AFTER_CLOSE = "wake after the context was closed"
    """An engine called the callback after the wait context was freed. In C this is a use after free."""
    CLOSED_UNDER_JOB = "context closed under a paused job"
    """A context was closed while a job waited with it for an operation. The job can't be resumed any more, and the
    operation is still in flight."""
    CALLBACK_AFTER_CANCEL = "callback after cancel"
    """An engine called the callback for an operation whose job was cancelled."""
    AGAIN_FORGOTTEN = "EAGAIN job never resumed"
    """The ring was full, and the status told the application to resume the job, but it never did."""
    PAUSE_FORGOTTEN = "paused job never resumed"
    """A paused job was neither resumed to its end nor cancelled."""
    RESUMED_BLINDLY = "job resumed without looking"
    """A job was resumed although nothing had woken it: no readable fd, no callback and no EAGAIN. It just pauses
    again."""
    STATUS_MISREAD = "status read in the wrong contract"
    """A job was resumed because of a status that does not mean that its operation has completed."""
    BUSY_LOOP = "busy loop of resumes"
    """One job was resumed again and again while nothing else moved."""
    STALLED_LOOP = "loop on a clock that stands still"
    """The virtual clock was jumped again and again while nothing was due and a job waited. That loop never ends."""
    NOTHING_ANNOUNCED = "pause with nothing announced"
    """A job paused, and no fd, callback or status says when to resume it. This is reported only with `strict=True`. Our
    drivers resume such a job soon, because it has just let others go first. An application of OpenSSL waits for
    ever."""
    OTHER_FUNCTION = "job resumed with another function"
    """ASYNC_start_job was given a job to resume, and with it another function or context, which it ignores."""
    FDS_PILE_UP = "fds that pile up"
    """Many eventfds and pipes were opened meanwhile, belong to no wait context, and are still open."""


@dataclass(frozen=True, slots=True)
class MisuseReport:
    """One case of misuse. `history` is what happened to the job and its context, oldest first."""

    kind: Kind
    message: str
    history: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.kind.value}: {self.message}", *(f"    {event}" for event in self.history)])


class MisuseError(AssertionError):
    """The detector found misuse. `reports` has all cases."""

    def __init__(self, reports: list[MisuseReport]) -> None:
        count = f"{len(reports)} cases of misuse" if len(reports) > 1 else "misuse"
        super().__init__(f"{count} of wait contexts and jobs:\n" + "\n".join(map(str, reports)))
        self.reports = reports
