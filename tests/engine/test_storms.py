"""Ctrl-C at random instants, round after round, in all ways of notify, both kinds of jobs, real and virtual time.

`test_interrupted.py` raises at each place that it knows; this finds those that nobody thought of. Some rounds for every
CI run; SIMACCEL_STORM_SECONDS=60 gives each test so long. SIMACCEL_STORM_SEED sets the seed, which is printed. The
instants are the clock's own, so a seed gives the same scenarios, and not the same hits.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from engine import Engine, Job, JobState, Scheduler, pause_job
from engine.jobs.start import new_job
from engine.jobs.thread import LOCAL
from engine.modes import MODES
from sim import Accelerator, VirtualClock
from tests.ctrl_c import Scenario, storm
from tests.engine.ways import BLOBS
from tests.engine.whole_thread import check_thread
from waitctx import WaitCtx

SECONDS = float(os.environ.get("SIMACCEL_STORM_SECONDS", "0"))
SEED = int(os.environ.get("SIMACCEL_STORM_SEED", "1"))
ROUNDS = 5
JOBS = 4


@contextmanager
def device(choice: random.Random, notify: str, virtual: bool) -> Iterator[Engine]:
    """An engine on a small device, and what must be so at the end: all counted, nothing in flight, all closed."""
    alive = LOCAL.state.alive
    accel = Accelerator(
        depth=choice.choice((1, 2, 64)),
        latency=choice.choice((None, "fixed:1us", "fixed:20us")),
        clock=VirtualClock() if virtual else None,
        seed=choice.getrandbits(32),
    )
    made = Engine(accel, notify)
    yield made
    check_thread()
    assert LOCAL.state.alive == alive
    assert made.sha256(b"next")
    assert made.in_flight == 0
    made.close()
    accel.close()
    told = accel.statistics()
    assert told.in_flight == 0
    assert told.submitted == told.completed + told.failed + told.orphaned
    counted = made.statistics
    assert counted.operations >= 1
    assert counted.operations - counted.failed <= told.submitted


def move(made: Engine) -> None:
    """What an application does while its job is paused."""
    if made.clock.virtual:
        while (made.polled and made.poll()) or made.clock.jump():
            pass
    elif made.polled:
        made.poll()
    os.sched_yield()


def drive(job: Job, made: Engine) -> None:
    """To its end, resumed too early as often as not; also goes on after a Ctrl-C."""
    while not job.done:
        if job.state is JobState.NEW:
            job.start()
        else:
            move(made)
            job.resume()


def interrupted(error: BaseException | None) -> bool:
    """Whether it is the Ctrl-C, or was raised because of it."""
    return isinstance(error, KeyboardInterrupt) or (error is not None and interrupted(error.__cause__))


def by_hand(notify: str, kind: str, virtual: bool) -> Scenario:
    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        with device(choice, notify, virtual) as made, WaitCtx() as ctx:
            if choice.random() < 0.5:
                ctx.set_callback(lambda arg: None)

            async def awaits() -> bytes:
                return await made.aio.sha256(BLOBS[0]) + await made.aio.sha256(BLOBS[1])

            def calls() -> bytes:
                return made.sha256(BLOBS[0]) + made.sha256(BLOBS[1])

            job = new_job(awaits if kind == "stackless" else calls, (), ctx, False)
            yield lambda: drive(job, made)
            drive(job, made)
            assert interrupted(job.exception) or len(job.result()) == 64

    return scenario


def scheduled(notify: str, kind: str, virtual: bool) -> Scenario:
    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        with device(choice, notify, virtual) as made, Scheduler() as scheduler:

            async def awaits(blob: bytes) -> bytes:
                await pause_job()
                await made.aio.sha256(blob)
                return await made.aio.sha256(blob)

            def calls(blob: bytes) -> bytes:
                pause_job()
                made.sha256(blob)
                return made.sha256(blob)

            jobs = [scheduler.spawn(awaits if kind == "stackless" else calls, BLOBS[0]) for _ in range(JOBS)]
            yield scheduler.run
            scheduler.run()
            assert not scheduler.unfinished
            lost = [job.exception for job in jobs if job.exception is not None]
            assert len(lost) <= 1, lost  # the one that was running when it came
            assert all(interrupted(error) for error in lost), lost
            assert [len(digest) for digest in scheduler.map(made.sha256, BLOBS[:2])] == [32, 32]

    return scenario


def closed(notify: str, kind: str, virtual: bool) -> Scenario:
    """Engine and scheduler are closed with all in flight, and closed again after a Ctrl-C."""

    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        with device(choice, notify, virtual) as checked:
            made = Engine(checked.accel, notify)
            scheduler = Scheduler()

            async def awaits() -> bytes:
                return await made.aio.sha256(BLOBS[0])

            def stops() -> None:
                raise KeyboardInterrupt

            for _ in range(JOBS):
                scheduler.spawn(
                    awaits if kind == "stackless" else made.sha256, *(() if kind == "stackless" else BLOBS[:1])
                )
            scheduler.spawn(stops)
            with pytest.raises(KeyboardInterrupt):
                scheduler.run()
            first, second = choice.sample((made.close, scheduler.close), 2)

            def act() -> None:
                first()
                second()

            yield act
            act()
            assert made.in_flight == 0
            assert not scheduler.unfinished

    return scenario


def outside(notify: str, kind: str, virtual: bool) -> Scenario:
    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        with device(choice, notify, virtual) as made:
            yield lambda: [made.sha256(blob) for blob in BLOBS[:3]]

    return scenario


def in_loop(notify: str, kind: str, virtual: bool) -> Scenario:
    """Tasks of an asyncio loop, which goes on after the Ctrl-C."""

    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        with device(choice, notify, virtual) as made:
            loop = asyncio.new_event_loop()

            async def twice() -> bytes:
                call = made.aio.sha256 if kind == "stackless" else partial(made.aio.run, made.sha256)
                return await call(BLOBS[0]) + await call(BLOBS[1])

            tasks = [loop.create_task(twice()) for _ in range(JOBS)]
            yield lambda: loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(asyncio.wait(tasks))
            lost = [error for error in (task.exception() for task in tasks) if error is not None]
            assert len(lost) <= 1, lost  # the one that was running when it came
            assert all(interrupted(error) for error in lost), lost
            assert all(len(task.result()) == 64 for task in tasks if task.exception() is None)
            loop.close()

    return scenario


@pytest.mark.watchdog(120 + 2 * SECONDS)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")  # one that Ctrl-C kept from it
@pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "real"])
@pytest.mark.parametrize("notify", list(MODES))
@pytest.mark.parametrize("kind", ["stackful", "stackless"])
@pytest.mark.parametrize("scenario", [by_hand, scheduled, closed, outside, in_loop])
def test_a_storm_of_ctrl_c_loses_nothing(
    scenario: Callable[[str, str, bool], Scenario], kind: str, notify: str, virtual: bool
) -> None:
    print(f"SIMACCEL_STORM_SEED={SEED}")
    seed = f"{SEED} {scenario.__name__} {kind} {notify} {virtual}"
    rounds, hits = storm(
        scenario(notify, kind, virtual),
        seed=seed,
        seconds=SECONDS or 60,
        rounds=None if SECONDS else ROUNDS,
        spared=("asyncio", "selectors") if scenario is in_loop else (),  # asyncio itself can lose a task's next step
    )
    print(f"{rounds} rounds, {hits} with a Ctrl-C")
    assert hits <= rounds
