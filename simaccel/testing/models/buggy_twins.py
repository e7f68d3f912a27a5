"""Models of our engine with one bug each, which `explore` must find: they show that the good models could fail.

Each is a bug that some engine or server has had; the comment says what goes wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.engine import Engine
from engine.offload.operation import Operation
from engine.offload.retry import Retry
from engine.offload.wake_fds import wake_fd
from engine.offload.wakers import FdWaker
from simaccel.testing.exploration.run import Model, Run
from simaccel.testing.models.engine_model import EngineModel, Watch
from simaccel.testing.models.fd_reuse import FdReuseModel
from waitctx import WaitCtx


@dataclass(frozen=True)
class SeatedModel(EngineModel):
    """An engine by fd whose waker has a bug: it is put into the wait context before the engine would make its own."""

    waker: type[FdWaker] = FdWaker

    def seat(self, engine: Engine, ctx: WaitCtx) -> None:
        waker = self.waker(engine, ctx, wake_fd())
        ctx.set_wait_fd(engine, waker.wake_fd.fd, waker, lambda ctx, key, fd, waker: waker.wake_fd.close())


class _ReadsBeforeDone(FdWaker):
    """Reads the fd before it pauses, "to start clean", and does not look at the done mark then: if the operation has
    completed by then, that was its token, and nothing will wake the job."""

    __slots__ = ()

    def wait_for_completion(self, operation: Operation) -> None:
        self.wake_fd.drain()


class _LeavesToken(FdWaker):
    """Reads the fd once: a completion after that read, and before the look at the done mark, leaves its token to the
    next operation."""

    __slots__ = ()

    def resumed(self, operation: Operation) -> bool:
        self.wake_fd.drain()
        return operation.done


@dataclass(frozen=True)
class MarksLate(EngineModel):
    """Wakes the job, then marks the operation done: a job that is resumed in between finds nothing, pauses again, and
    there is no second wake."""

    def tell(self, run: Run, request: Any) -> Any:
        request.waker.nudge()
        run.step("mark done")
        request.abandon()
        request.fired = True


@dataclass(frozen=True)
class Unlatched(EngineModel):
    """The application begins to listen for the callback when the job has paused. It may have come before."""

    def begin_wait(self, app: Watch) -> None:
        app.latched = False


def again_forgotten() -> EngineModel:
    """The application never looks at the status: a job that met a full ring, and was told EAGAIN, waits for a callback
    that nobody promised. QAT_Engine's own testapp does this."""
    return EngineModel(
        "again_forgotten", notify="callback", depth=1, retry=Retry(wake="at_once"), looks_at_status=False
    )


TWINS: dict[str, Model] = {
    "reads_before_done": SeatedModel("reads_before_done", waker=_ReadsBeforeDone),
    "leaves_token": SeatedModel("leaves_token", waker=_LeavesToken, spurious=1),
    "marks_late": MarksLate("marks_late"),
    "marks_late_by_callback": MarksLate("marks_late_by_callback", notify="callback"),
    "unlatched": Unlatched("unlatched", notify="callback"),
    "unlatched_dasync": Unlatched("unlatched_dasync", notify="callback", contract="dasync"),
    "again_forgotten": again_forgotten(),
    "fd_reuse": FdReuseModel("fd_reuse", added_first=True),
}
"""Each must fail, within 2 preemptions."""
