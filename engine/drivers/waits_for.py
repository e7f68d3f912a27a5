"""What a paused job waits for. The wait context says so, as it does to any OpenSSL application. The first line
that applies counts:

- An operation whose engine has promised to wake the job: WOKEN.
- The status EAGAIN: EAGAIN. The driver of the job must resume it.
- Fds other than an engine's: WOKEN, by the fd.
- The status OK: WOKEN, by the callback.
- The status ERR: FAILED.
- None of these: NOTHING, which is a plain `pause_job()`.

There is one addition. After an operation has ended, its status and its fd stay in the context, as QAT_Engine leaves
them there. A driver that believed them would wait for ever. So an engine's own fd counts only while one of its
operations is in flight, and OK and ERR do not count if the operation that set them is over.
"""

from __future__ import annotations

from enum import Enum

from engine.jobs.job import Job
from waitctx.context import WaitCtx
from waitctx.status import Status


class WaitsFor(Enum):
    """What the driver of a paused job must do next."""

    WOKEN = "nothing: it will be woken"
    EAGAIN = "resume it after a while"
    FAILED = "resume it once, so that it sees the failure"
    NOTHING = "resume it soon"


def waits_for(job: Job, ctx: WaitCtx, foreign_fds: bool) -> WaitsFor:
    """What this paused job waits for. `foreign_fds` says whether its context has fds that are not an engine's own."""
    operation = job.waiting
    if operation is not None and not operation.done and operation.promised:
        return WaitsFor.WOKEN
    status = ctx.status
    if status == Status.EAGAIN:
        return WaitsFor.EAGAIN
    if foreign_fds:
        return WaitsFor.WOKEN
    over = operation is not None and operation.done
    if status == Status.OK and not over:
        return WaitsFor.WOKEN
    if status == Status.ERR and not (over and getattr(operation, "result", None) is None):
        return WaitsFor.FAILED
    return WaitsFor.NOTHING
