"""The model of our own engine. The engine is the real one. The device completes requests as steps of the model, and the
application is a careful one.

These are the actors:

- *application*: starts the jobs, resumes those that are woken, and polls if the engine must be polled. It is one
  thread, as an OpenSSL server is. It learns of wakes as applications do: from the fds of `changed_fds`, or from the
  callback and the status. It may also resume a job for nothing, and cancel it.
- *device*: completes what is in flight, in any order.
- *timer*: lets a deadline pass.
- *closer*: closes the engine from another thread.

Every statement of the engine's files that wake jobs is a step.
"""

from __future__ import annotations

import select
from dataclasses import dataclass, field
from typing import Any

from engine.engine import Engine
from engine.errors import ClosedError, DeadlineError, JobCancelled
from engine.jobs.job import Job
from engine.jobs.start import start_job
from engine.modes import MODES
from engine.offload import slot_queue
from engine.offload import wake_fds as fds
from engine.offload import wakers as wake
from engine.offload.context_wakers import ContextWakers
from engine.offload.operation import Operation
from engine.offload.perform import Performer
from engine.offload.retry_setting import Retry
from engine.offload.ring_full import RingFull
from simaccel.testing.exploration.run import Run
from simaccel.testing.manual_accelerator import ManualAccelerator
from waitctx import Status, WaitCtx

SEAM = (
    Performer,
    RingFull,
    ContextWakers,
    wake,
    fds,
    slot_queue,
    Operation.complete,
    Operation.fail,
    Operation.abandon,
)
"""The code whose statements are steps: from the call to the result, and where a completion becomes a wake-up."""


@dataclass(frozen=True)
class EngineModel:
    """A model for `explore`: `jobs` jobs of `operations` operations each, on a ring of `depth`."""

    name: str = "engine"
    notify: str = "fd"
    contract: str = "qat"
    jobs: int = 2
    operations: int = 1
    depth: int = 4
    retry: Retry = field(default_factory=Retry)
    spurious: int = 0
    """How often the application may resume a job for nothing."""
    cancels: bool = False
    """Whether the application may cancel the first job."""
    deadline: bool = False
    """Whether deadlines may pass."""
    closes: bool = False
    """Whether another thread closes the engine meanwhile."""
    looks_at_status: bool = True
    """Whether the application by itself resumes a job whose status says EAGAIN."""
    step_into: tuple[object, ...] = SEAM

    def __call__(self, run: Run) -> None:
        _World(self, run).set_up()

    # What a twin with a bug overrides

    def seat(self, engine: Engine, ctx: WaitCtx) -> None:
        """Prepare a wait context for its job."""

    def tell(self, run: Run, request: Any) -> Any:
        """Hand a completion to its owner."""
        return request.complete()

    def begin_wait(self, app: WatchedJob) -> None:
        """Called when the application is about to wait for a job that has just paused."""


class WatchedJob:
    """What the application knows of one job."""

    def __init__(self, ctx: WaitCtx) -> None:
        self.ctx = ctx
        self.latched = False
        self.job: Job | None = None
        self._poller = select.poll()

    def look(self) -> None:
        """Read the changes of the fds. Call it after each start and resume."""
        added, deleted = self.ctx.changed_fds()
        for fd in deleted:
            self._poller.unregister(fd)
        for fd in added:
            self._poller.register(fd, select.POLLIN)

    @property
    def waits(self) -> bool:
        return self.job is not None and self.job.paused

    def woken(self) -> bool:
        """Whether the job was woken, by callback or by fd."""
        return self.waits and (self.latched or bool(self._poller.poll(0)))

    def readable(self) -> bool:
        """Whether there is a token in one of the fds."""
        return bool(self._poller.poll(0))


class _World:
    def __init__(self, model: EngineModel, run: Run) -> None:
        self.model, self.run = model, run
        self.accel = ManualAccelerator(model.depth)
        self.engine = Engine(
            self.accel,
            model.notify,
            model.contract,
            model.retry,
            1_000 if model.deadline else None,
        )
        self.watches = [WatchedJob(WaitCtx()) for _ in range(model.jobs)]
        self.by_callback = MODES[model.notify].by_callback
        self.may_end = (DeadlineError,) * model.deadline + (ClosedError,) * model.closes
        self.spurious = model.spurious
        self.cancels = model.cancels
        self.application_ended = False

    def set_up(self) -> None:
        run, model = self.run, self.model
        self.accel.clock.on_jump = self._sleep
        for watch in self.watches:
            run.cleanup(watch.ctx.close)
            if self.by_callback:
                watch.ctx.set_callback(_latch, watch)
            model.seat(self.engine, watch.ctx)
        run.cleanup(self.engine.close)
        run.actor("application", self._application)
        run.actor("device", self._device)
        if model.deadline:
            run.actor("timer", self._timer, daemon=True)
        if model.closes:
            run.actor("closer", self._closer)
        run.at_end(self._check)

    # Actors

    def _application(self) -> None:
        try:
            for number, watch in enumerate(self.watches):
                self.run.step(f"start job {number}")
                watch.job = start_job(_work, self.engine, number, self.model.operations, wait_ctx=watch.ctx)
                self._paused(watch)
            while any(watch.waits for watch in self.watches):
                self._turn()
        finally:
            self.application_ended = True
            for watch in self.watches:  # this run has failed, and its jobs are left over
                if watch.job is not None and watch.waits:
                    watch.job.cancel()

    def _turn(self) -> None:
        """The application's loop: wait for something, and do one thing."""
        run = self.run
        extras = self._extras()
        if extras:
            run.step("look around")
            moves = self._moves() or self._again()
            move = run.choose("application", [*(moves or ["wait"]), *extras])
        else:
            move = "wait"
        if move == "wait":
            if self._again() and not self._moves():
                run.spin("try again")
            else:
                run.wait("go on", lambda: self._moves() or self._again())
            move = run.choose("application", self._moves() or self._again())
        if move == "poll":
            self.engine.poll()
            return
        verb, number, *nothing = move.split(maxsplit=2)
        watch = self.watches[int(number)]
        job = watch.job
        assert job is not None
        waited_for = job.waiting
        self.spurious -= bool(nothing)
        watch.latched = False
        if verb == "cancel":
            self.cancels = False
            job.cancel()
        else:
            job.resume()
        if watch.waits and waited_for is not None and job.waiting is waited_for and not waited_for.submitted:
            run.spin("pause again")  # the ring is full, so another actor must free a slot
        self._paused(watch)

    def _extras(self) -> list[str]:
        """What else the application may do."""
        extras = [f"resume {n} for nothing" for n, watch in enumerate(self.watches) if watch.waits and self.spurious]
        return [*extras, "cancel 0"] if self.cancels and self.watches[0].waits else extras

    def _paused(self, watch: WatchedJob) -> None:
        watch.look()
        if watch.waits:
            self.model.begin_wait(watch)

    def _moves(self) -> list[str]:
        moves = [f"resume {number}" for number, watch in enumerate(self.watches) if watch.woken()]
        if self.engine.polled and self.accel.ready:
            moves.append("poll")
        return moves

    def _again(self) -> list[str]:
        """The jobs whose status says that the application must resume them."""
        if not (self.by_callback and self.model.looks_at_status):
            return []
        return [
            f"resume {number}"
            for number, watch in enumerate(self.watches)
            if watch.waits and watch.ctx.status in (Status.EAGAIN, Status.ERR)
        ]

    def _device(self) -> None:
        run, accel = self.run, self.accel
        while True:
            run.wait("complete", lambda: accel.requests or self.application_ended)
            if not accel.requests:
                return
            request = run.choose("device completes", [_Named(request) for request in accel.requests]).request
            accel.complete(request, tell=lambda request: self.model.tell(run, request))

    def _timer(self) -> None:
        while True:
            self.run.wait("time passes", lambda: self.accel.timers)
            self.accel.timers[0].fire()

    def _closer(self) -> None:
        self.run.step("close the engine")
        self.engine.close()

    def _sleep(self) -> bool:
        """A thread that called the engine sleeps on the clock."""
        self.run.spin("sleep")
        if self.engine.polled:
            self.accel.poll()
        return True

    # What must hold

    def _check(self) -> None:
        for number, watch in enumerate(self.watches):
            assert watch.job is not None
            try:
                result = watch.job.result()
            except self.may_end:
                continue
            except JobCancelled:
                assert self.model.cancels
                assert number == 0
                continue
            wanted = [b"op:%d.%d" % (number, turn) for turn in range(self.model.operations)]
            assert result == wanted, f"job {number} got {result}, not {wanted}"
        assert self.engine.in_flight == 0, f"{self.engine.in_flight} operations are left"
        for number, watch in enumerate(self.watches):
            assert not watch.readable(), f"a token was left behind in the fd of job {number}"
        counted = self.engine.statistics
        assert counted.operations <= self.model.jobs * self.model.operations


class _Named:
    """A request as an option of a choice. Its text must be the same in each run."""

    def __init__(self, request: Any) -> None:
        self.request = request

    def __str__(self) -> str:
        return bytes(self.request.payload).decode()


async def _work(engine: Engine, number: int, operations: int) -> list[bytes]:
    return [await engine.aio.call("op", b"%d.%d" % (number, turn)) for turn in range(operations)]


def _latch(watch: WatchedJob) -> None:
    watch.latched = True
