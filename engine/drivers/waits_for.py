"""What a paused job waits for. Read from its wait context, as an OpenSSL application reads it, with one addition.

- An operation of an engine that has promised to wake the job: WOKEN.
- Status EAGAIN: EAGAIN. The driver of the job must resume it.
- Status ERR: FAILED.
- Fds, or status OK: WOKEN, by the fd or the callback.
- None of these: NOTHING, a plain `pause_job()`.

The addition: after an operation has ended, its status and its fd stay in the context, as QAT_Engine leaves them. A
driver that believed them would wait for ever. So they count only while they are news: an engine's own fd while one of
its operations is in flight, and OK and ERR unless the operation that set them is over.
"""

from __future__ import annotations

from enum import Enum

from engine.jobs.job import Job
from waitctx import Status, WaitCtx


class Wait(Enum):
    """What the driver of a paused job must do."""

    WOKEN = "nothing: it will be woken"
    EAGAIN = "resume it after a while"
    FAILED = "resume it once, so that it sees the failure"
    NOTHING = "resume it soon"


def waits_for(job: Job, ctx: WaitCtx, foreign_fds: bool) -> Wait:
    """What this paused job waits for. `foreign_fds`: whether its context has fds that are not an engine's own."""
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
