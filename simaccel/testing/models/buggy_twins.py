"""Models of our engine with one bug each, which `explore` must find. They show that the correct models could fail.

Some real engine or server has had each of these bugs. The docstring says what goes wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.engine import Engine
from engine.offload.operation import Operation
from engine.offload.retry_setting import Retry
from engine.offload.wake_fds import wake_fd
from engine.offload.wakers import FdWaker
from sim.assistant import Assistant
from simaccel.testing.exploration.run import Model, Run
from simaccel.testing.models.assist_model import SEAM as ASSIST_SEAM
from simaccel.testing.models.assist_model import AssistModel
from simaccel.testing.models.engine_model import EngineModel, WatchedJob
from simaccel.testing.models.fd_reuse import FdReuseModel
from waitctx import WaitCtx


@dataclass(frozen=True)
class SeatedModel(EngineModel):
    """An engine by fd whose waker has a bug. That waker is put into the wait context before the engine makes its
    own."""

    waker: type[FdWaker] = FdWaker

    def seat(self, engine: Engine, ctx: WaitCtx) -> None:
        waker = self.waker(engine, ctx, wake_fd())
        ctx.set_wait_fd(engine, waker.wake_fd.fd, waker, lambda ctx, key, fd, waker: waker.wake_fd.close())


class _ReadsBeforeDone(FdWaker):
    """Reads the fd before the pause, "to start clean", and does not look at the done mark after that. If the operation
    has completed by then, this has read its token, and nothing will wake the job."""

    __slots__ = ()

    def wait_for_completion(self, operation: Operation) -> None:
        self.wake_fd.drain()


class _LeavesToken(FdWaker):
    """Reads the fd only once. If a completion comes after that read and before the look at the done mark, its token is
    left for the next operation."""

    __slots__ = ()

    def resumed(self, operation: Operation) -> bool:
        self.wake_fd.drain()
        return operation.done


@dataclass(frozen=True)
class MarksLate(EngineModel):
    """Wakes the job first, and then marks the operation as done. A job that is resumed in between finds nothing and
    pauses again, and no second wake comes."""

    def tell(self, run: Run, request: Any) -> Any:
        request.waker.nudge()
        run.step("mark done")
        request.abandon()
        request.fired = True


@dataclass(frozen=True)
class Unlatched(EngineModel):
    """The application begins to listen for the callback only when the job has paused. The callback may have come
    before."""

    def begin_wait(self, app: WatchedJob) -> None:
        app.latched = False


def again_forgotten() -> EngineModel:
    """The application never looks at the status. If the ring is full, the status says EAGAIN, but the application waits
    for a callback that nobody has promised. QAT_Engine's own testapp does this."""
    return EngineModel(
        "again_forgotten", notify="callback", depth=1, retry=Retry(wake="at_once"), looks_at_status=False
    )


class _LooksTooEarly(Assistant):
    """Looks at the ring once more before it takes its claim back. A thread that submits after that look, and finds the
    claim, goes to sleep, and nobody does its request."""

    __slots__ = ()

    def poll(self, quota: int = 0) -> int:
        worker = self._submission.worker
        assert worker is not None
        me, done = self._ident(), 0
        worker.claims.append(me)
        if worker.claims[0] == me:
            done = self._work()
        self.hand_over()
        worker.claims.remove(me)
        return done


TWINS: dict[str, Model] = {
    "reads_before_done": SeatedModel("reads_before_done", waker=_ReadsBeforeDone),
    "leaves_token": SeatedModel("leaves_token", waker=_LeavesToken, spurious=1),
    "marks_late": MarksLate("marks_late"),
    "marks_late_by_callback": MarksLate("marks_late_by_callback", notify="callback"),
    "unlatched": Unlatched("unlatched", notify="callback"),
    "unlatched_dasync": Unlatched("unlatched_dasync", notify="callback", contract="dasync"),
    "again_forgotten": again_forgotten(),
    "fd_reuse": FdReuseModel("fd_reuse", added_first=True),
    "looks_too_early": AssistModel(
        "looks_too_early", assistant=_LooksTooEarly, step_into=(*ASSIST_SEAM, _LooksTooEarly.poll)
    ),
}
"""The models by name. Each must fail within 2 preemptions."""
