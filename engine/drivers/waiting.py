"""What a paused job waits for, read off its wait context as any OpenSSL application reads it, and one thing more.

- An operation of an engine, which promised to wake the job: WOKEN.
- Status EAGAIN: EAGAIN, to be resumed by whoever drives the job.
- Status ERR: FAILED.
- Fds, or status OK: WOKEN, by the fd or the callback.
- Nothing of these: NOTHING, a plain `pause_job()`.

The one thing more: status and fds stay behind an operation that has ended, as QAT_Engine leaves them. What they say
then is of the past, and an application that believed it would wait for ever. So they count only while they are news: an
engine's own fd while one of its operations is on its way, OK and ERR unless the operation that set them is over.
"""

from __future__ import annotations

from enum import Enum

from engine.jobs.job import Job
from waitctx import Status, WaitCtx


class Wait(Enum):
    """What is to be done for a paused job."""

    WOKEN = "nothing: it will be woken"
    EAGAIN = "resume it after a while"
    FAILED = "resume it once, so that it sees the failure"
    NOTHING = "resume it soon"


def waits_for(job: Job, ctx: WaitCtx, foreign_fds: bool) -> Wait:
    """Of a paused job with this context. `foreign_fds`: whether it has fds that are not an engine's own."""
    operation = job.waiting
    if operation is not None and not operation.done and operation.promised:
        return Wait.WOKEN
    status = ctx.status
    if status == Status.EAGAIN:
        return Wait.EAGAIN
    if foreign_fds:
        return Wait.WOKEN
    over = operation is not None and operation.done
    if status == Status.OK and not over:
        return Wait.WOKEN
    if status == Status.ERR and not (over and getattr(operation, "result", None) is None):
        return Wait.FAILED
    return Wait.NOTHING
