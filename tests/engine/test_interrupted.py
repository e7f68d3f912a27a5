"""An exception at every place of jobs, operations and scheduler: all goes on after it, ends, and is counted right."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import engine.aio
import engine.drivers.ready_seats
import engine.drivers.retry_queue
import engine.drivers.scheduler
import engine.drivers.seats
import engine.jobs.job
import engine.jobs.stackful
import engine.jobs.stackless
import engine.offload.perform
import engine.offload.ring_full
import engine.offload.wakers
from engine import ClosedError, Engine, Job, JobCancelled, JobState, Scheduler, pause_job, start_job
from engine.aio import running_driver
from engine.drivers.asyncio_loop import AsyncioLoop
from engine.drivers.loop_driver import LoopDriver, LoopWaker
from engine.jobs.pool import Pool
from engine.jobs.start import new_job
from engine.jobs.thread import LOCAL
from engine.offload.operation import Operation
from engine.offload.slot_queue import SlotQueue
from sim import Accelerator, VirtualClock
from tests.engine.whole_thread import check_thread
from tests.interrupting import LINES, SIGNALS, Scenario, interrupt_everywhere
from waitctx import WaitCtx

DATA = b"interrupted"
COMMON: list[object] = [Operation.__init__, Operation.complete, Operation.fail, Operation.abandon]
COMMON += [engine.offload.perform, engine.offload.ring_full, engine.offload.wakers, SlotQueue]
JOBS: list[object] = [engine.jobs.job, engine.jobs.stackful, engine.jobs.stackless, Pool]
SCHEDULER: list[object] = [engine.drivers.scheduler, engine.drivers.seats, engine.drivers.ready_seats]
SCHEDULER += [engine.drivers.retry_queue]
CALLED_BY_ASYNCIO = ("_deliver", "_turn", "_look")
"""asyncio has forgotten such a call before it makes it: nobody can make good an exception at its entry."""
LOOP: list[object] = [method for name, method in vars(LoopDriver).items() if name not in CALLED_BY_ASYNCIO]
LOOP += [LoopWaker, AsyncioLoop]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reported and not raised is not of interest here: only what comes of it."""
    monkeypatch.setattr("threading.excepthook", lambda args: None)


@contextmanager
def device(notify: str, depth: int = 1) -> Iterator[Engine]:
    """An engine on a device in virtual time, and what must be so at the end: nothing in flight, all counted, closed."""
    alive = LOCAL.state.alive
    accel = Accelerator(depth=depth, latency="fixed:1us", clock=VirtualClock())
    made = Engine(accel, notify)
    yield made
    check_thread()
    assert LOCAL.state.alive == alive
    assert made.sha256(b"next")
    assert made.in_flight == 0
    space = made._performer.slots
    assert not space.waiting
    assert not space.turns
    made.close()
    accel.close()
    told = accel.statistics()
    assert told.in_flight == 0
    assert told.submitted == told.completed + told.failed + told.orphaned
    assert not accel._device.reaper.on_space
    counted = made.statistics
    assert counted.operations >= 1


def drive(job: Job, made: Engine) -> None:
    """To its end, as an application does by hand that begins, or goes on after a Ctrl-C."""
    while not job.done:
        if job.state is JobState.NEW:
            job.start()
        else:
            while (made.polled and made.poll()) or made.clock.jump():
                pass
            job.resume()


def injected(error: BaseException | None) -> bool:
    """Whether it is what came in between, or was raised because of it."""
    return isinstance(error, KeyboardInterrupt | MemoryError) or (error is not None and injected(error.__cause__))


def by_hand(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as made, WaitCtx() as ctx:
            woken: list[object] = []
            ctx.set_callback(woken.append)

            async def awaits() -> bytes:
                return await made.aio.sha256(DATA) + await made.aio.sha256(DATA)

            def calls() -> bytes:
                return made.sha256(DATA) + made.sha256(DATA)

            job = new_job(awaits if kind == "stackless" else calls, (), ctx, False)

            yield lambda: drive(job, made)
            drive(job, made)
            assert injected(job.exception) or len(job.result()) == 64
            assert job._slot is None

    return scenario


def resumed_early(notify: str, kind: str) -> Scenario:
    """Twice, when nothing is complete yet. Once the job has ended, its operation wakes nobody."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as made, WaitCtx() as ctx:
            woken: list[object] = []
            ctx.set_callback(woken.append)

            async def awaits() -> bytes:
                return await made.aio.sha256(DATA)

            job = new_job(
                awaits if kind == "stackless" else made.sha256, () if kind == "stackless" else (DATA,), ctx, False
            )

            def act() -> None:
                job.start()
                for _ in range(2):
                    if job.paused:
                        job.resume()

            yield act
            drive(job, made)
            assert injected(job.exception) or len(job.result()) == 32
            assert job._slot is None
            woken.clear()
            assert made.sha256(b"after it")
            assert not woken
            assert not select.select(ctx.all_fds(), [], [], 0)[0]

    return scenario


def cancelled(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as made, WaitCtx() as ctx:
            ctx.set_callback(lambda arg: None)

            async def awaits() -> bytes:
                return await made.aio.sha256(DATA)

            job = start_job(awaits, wait_ctx=ctx) if kind == "stackless" else start_job(made.sha256, DATA, wait_ctx=ctx)
            yield job.cancel
            assert job.cancel()
            assert isinstance(job.exception, JobCancelled) or injected(job.exception)

    return scenario


def scheduled(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as made:
            scheduler = Scheduler()

            async def awaits() -> bytes:
                await pause_job()
                return await made.aio.sha256(DATA)

            def calls() -> bytes:
                pause_job()
                return made.sha256(DATA)

            jobs = [scheduler.spawn(awaits if kind == "stackless" else calls) for _ in range(3)]
            yield scheduler.run
            scheduler.run()
            assert not scheduler.unfinished
            results = [job.exception or len(job.result()) for job in jobs]
            assert results.count(32) >= 2, results
            more = scheduler.map(made.sha256, [DATA, b"more"])
            assert [len(digest) for digest in more] == [32, 32]
            scheduler.close()

    return scenario


def scheduler_closed(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify, depth=2) as made:
            scheduler = Scheduler()

            async def awaits() -> bytes:
                return await made.aio.sha256(DATA)

            def stops() -> None:
                raise KeyboardInterrupt

            bodies = (awaits, stops, awaits) if kind == "stackless" else (lambda: made.sha256(DATA), stops, stops)
            jobs = [scheduler.spawn(body) for body in bodies]
            with pytest.raises(KeyboardInterrupt):
                scheduler.run()
            yield scheduler.close
            scheduler.close()
            assert all(job.done for job in jobs)
            with pytest.raises(ClosedError):
                scheduler.run()

    return scenario


def engine_closed(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as checked:
            made = Engine(checked.accel, notify)

            async def awaits() -> bytes:
                return await made.aio.sha256(DATA)

            with Scheduler() as scheduler:
                jobs = [
                    scheduler.spawn(awaits) if kind == "stackless" else scheduler.spawn(made.sha256, DATA) for _ in "12"
                ]
                scheduler._start_new()
                yield made.close
                made.close()
                scheduler.run()
                for job in jobs:
                    assert isinstance(job.exception, ClosedError)
                assert made.in_flight == 0

    return scenario


def outside(notify: str, kind: str) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        with device(notify) as made:
            if kind == "stackless":
                yield lambda: asyncio.run(made.aio.call("sha256", DATA))
            else:
                yield lambda: made.sha256(DATA)

    return scenario


def in_loop(notify: str, kind: str) -> Scenario:
    """Two tasks of an asyncio loop, which is run again after the exception."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)
        with device(notify) as made:
            stackful = kind == "stackful"
            bodies = [made.aio.run(made.sha256, DATA) if stackful else made.aio.sha256(DATA) for _ in range(2)]
            tasks = [loop.create_task(body) for body in bodies]

            def until_done() -> None:
                loop.run_until_complete(asyncio.wait(tasks))

            yield until_done
            until_done()
            for task in tasks:
                assert injected(task.exception()) or len(task.result()) == 32
            driver = loop.run_until_complete(_driver())
            assert not driver._waiters
            assert not driver._readers
        loop.close()

    return scenario


async def _driver() -> LoopDriver:
    return running_driver()


SCENARIOS: dict[str, tuple[Callable[[str, str], Scenario], list[object]]] = {
    "by_hand": (by_hand, [*COMMON, *JOBS, Engine.call]),
    "resumed_early": (resumed_early, [*COMMON, *JOBS]),
    "cancelled": (cancelled, [*COMMON, *JOBS]),
    "scheduled": (scheduled, [*COMMON, *JOBS, *SCHEDULER]),
    "scheduler_closed": (scheduler_closed, [*COMMON, *JOBS, *SCHEDULER]),
    "engine_closed": (engine_closed, [*COMMON, Engine.close]),
    "outside": (outside, [*COMMON, Engine._block, Engine._sleep]),
    "in_loop": (in_loop, [*COMMON, engine.aio, *LOOP]),
}


@pytest.mark.usefixtures("quiet")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")  # one that Ctrl-C kept from it
@pytest.mark.parametrize("what", SCENARIOS)
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("job", ["stackful", "stackless"])
@pytest.mark.parametrize(("error", "places"), [(KeyboardInterrupt, SIGNALS), (MemoryError, LINES)])
def test_an_exception_at_every_place(what: str, notify: str, job: str, error: type[BaseException], places: str) -> None:
    scenario, watched = SCENARIOS[what]
    interrupt_everywhere(scenario(notify, job), watched, error, kind=places)
