"""Engines on an accelerator with assistance: whoever waits does short work itself, in every way of waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import engine.drivers.scheduler
import sim.assistant
import sim.completion
import sim.interrupt
import sim.ring
from engine import Engine, JobCancelled, Scheduler, block_pauses, pause_job, start_job
from engine.modes import CONTRACTS, NOTIFY
from sim import Accelerator, Trace, UsageError, VirtualClock
from sim.worker import Worker
from tests.engine.whole_thread import check_thread
from tests.interrupting import interrupt_everywhere
from tests.sim.assisted import assisted
from waitctx import WaitCtx

DATA = [bytes([number]) * 16 for number in range(8)]


@contextmanager
def engines(notify: str = "fd", contract: str = "qat", **options: Any) -> Iterator[tuple[Accelerator, Engine]]:
    """An engine on an accelerator that knows that `echo` is short, and has counted nothing as assisted yet."""
    with assisted(**options) as (accel, _, _, _), Engine(accel, notify, contract) as engine:
        yield accel, engine


def by_stackful_jobs(engine: Engine) -> list[bytes]:
    with Scheduler() as scheduler:
        return scheduler.map(lambda data: engine.call("echo", data), DATA)


def by_stackless_jobs(engine: Engine) -> list[bytes]:
    async def asks(data: bytes) -> bytes:
        return await engine.aio.call("echo", data)

    with Scheduler() as scheduler:
        return scheduler.map(asks, DATA)


def by_blocked_jobs(engine: Engine) -> list[bytes]:
    def asks(data: bytes) -> bytes:
        with block_pauses():
            return engine.call("echo", data)

    with Scheduler() as scheduler:
        return scheduler.map(asks, DATA)


def by_inline_calls(engine: Engine) -> list[bytes]:
    return [engine.call("echo", data) for data in DATA]


def by_tasks(engine: Engine) -> list[bytes]:
    async def main() -> list[bytes]:
        return await asyncio.gather(*(engine.aio.call("echo", data) for data in DATA))

    return asyncio.run(main())


def by_jobs_of_tasks(engine: Engine) -> list[bytes]:
    async def main() -> list[bytes]:
        results: list[bytes] = await asyncio.gather(*(engine.aio.run(engine.call, "echo", data) for data in DATA))
        return results

    return asyncio.run(main())


def by_polling(engine: Engine) -> list[bytes]:
    jobs = []
    for data in DATA:
        with WaitCtx() as ctx:
            jobs.append(job := start_job(engine.call, "echo", data, wait_ctx=ctx))
            assert engine.poll() == 1
            job.resume()
    return [job.result() for job in jobs]


WAYS: list[Callable[[Engine], list[bytes]]] = [
    *(by_stackful_jobs, by_stackless_jobs, by_blocked_jobs, by_inline_calls, by_tasks, by_jobs_of_tasks),
]
CASES = [(way, notify, "qat") for way in WAYS for notify in NOTIFY]
CASES += [(by_stackless_jobs, notify, contract) for notify in ("callback", "poll") for contract in CONTRACTS[1:]]
CASES += [(by_polling, notify, "qat") for notify in ("poll", "heuristic")]


@pytest.mark.parametrize(
    ("way", "notify", "contract"), CASES, ids=[f"{way.__name__}-{notify}-{contract}" for way, notify, contract in CASES]
)
def test_whoever_waits_does_the_work_and_wakes_nobody(
    way: Callable[[Engine], list[bytes]], notify: str, contract: str
) -> None:
    with engines(notify, contract) as (accel, engine):
        before = accel.statistics()
        assert way(engine) == DATA
        counted = accel.statistics()
        assert counted.assisted == counted.completed - before.completed == len(DATA)
        assert counted.doorbells == before.doorbells
        assert engine.statistics.operations == len(DATA)
        assert engine.statistics.failed == 0


def test_a_job_that_nobody_is_known_to_drive_is_woken_by_the_worker() -> None:
    woken = threading.Event()
    with engines("callback") as (accel, engine), WaitCtx() as ctx:
        ctx.set_callback(lambda arg: woken.set(), None)
        job = start_job(engine.call, "echo", b"data", wait_ctx=ctx)
        woken.wait()
        job.resume()
        assert job.result() == b"data"
        assert accel.statistics().assisted == 0


def test_more_jobs_than_slots() -> None:
    with engines("callback", depth=2) as (accel, engine):
        assert by_stackless_jobs(engine) == DATA
        assert accel.statistics().assisted == len(DATA)


def test_a_long_operation_leaves_the_scheduler_free() -> None:
    """While the worker does it, other jobs of the same thread run: one of them lets it end."""
    with engines() as (accel, engine), Scheduler() as scheduler:
        ended = threading.Event()
        accel.register("long", lambda payload: bytes(ended.wait()))
        long = scheduler.spawn(engine.call, "long")

        def others() -> None:
            for _ in DATA:
                pause_job()
            ended.set()

        short = scheduler.spawn(others)
        scheduler.run()
        short.result()
        assert long.result() == b"\0"


def test_two_schedulers_on_two_threads() -> None:
    with engines("callback", depth=16) as (_accel, engine):
        results: list[list[bytes]] = []

        def schedules() -> None:
            results.extend(by_stackless_jobs(engine) for _ in range(50))

        threads = [threading.Thread(target=schedules) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [DATA] * 100


def test_what_a_cancelled_job_leaves_is_done_by_the_worker() -> None:
    with engines() as (accel, engine), Scheduler() as scheduler:
        cancelled = scheduler.spawn(engine.call, "echo")
        scheduler._start_new()
        assert accel.in_flight == 1
        assert cancelled.cancel()
        with pytest.raises(JobCancelled):
            cancelled.result()
        accel.close()
        assert accel.statistics().orphaned == 1


def test_a_deadline_that_nobody_reaches() -> None:
    with engines() as (_accel, engine):
        assert engine.call("echo", b"data", deadline_ns=10**9) == b"data"


def test_a_signal_handler_that_waits_in_the_middle_of_it_is_told() -> None:
    with engines() as (accel, engine):
        nested: list[UsageError] = []

        def interrupted(payload: bytes) -> bytes:
            with pytest.raises(UsageError, match="doing the device's work") as caught:
                engine.call("echo")
            nested.append(caught.value)
            return payload

        assert accel.assistant is not None
        accel.register("interrupted", interrupted)
        accel.assistant._short["interrupted"] = accel.kernels.get("interrupted"), 0
        assert engine.call("interrupted") == b""
        assert len(nested) == 1


@pytest.mark.parametrize("faults", ["", "fail:p=0.3"])
def test_virtual_time_is_the_same_with_and_without(faults: str) -> None:
    def events(assist: bool) -> list[str]:
        trace = Trace()
        accel = Accelerator(
            8, 2, "uniform:1us,9us", clock=VirtualClock(), seed=7, assist=assist, trace=trace, faults=faults or ()
        )
        with accel, Engine(accel, "callback") as engine, Scheduler() as scheduler:
            jobs = [scheduler.spawn(engine.call, "echo", data) for data in DATA * 4]
            scheduler.run()
            for job in jobs:
                assert job.done
        return list(trace.lines())

    assert events(assist=True) == events(assist=False)


# Ctrl-C


@contextmanager
def interrupted(notify: str) -> Iterator[Callable[[], object]]:
    """Jobs of a scheduler, which goes on after the interruption."""
    with engines(notify) as (accel, engine), Scheduler() as scheduler:

        async def asks(data: bytes) -> bytes:
            return await engine.aio.call("echo", data)

        jobs = [scheduler.spawn(asks, data) for data in DATA[:3]]
        yield scheduler.run
        scheduler.run()
        assert all(job.done for job in jobs)
        check_after(accel, engine)


@contextmanager
def interrupted_inline(notify: str) -> Iterator[Callable[[], object]]:
    with engines(notify) as (accel, engine):
        yield lambda: engine.call("echo", b"interrupted")
        check_after(accel, engine)


def check_after(accel: Accelerator, engine: Engine) -> None:
    """All goes on."""
    check_thread()
    assert engine.in_flight == 0
    assert by_stackless_jobs(engine) == DATA
    assert accel._worker is not None
    assert set(accel._worker.claims) <= {0}
    assert accel._device.reaper.own_thread is False


ASSISTS: list[object] = [sim.assistant, sim.completion, Worker.wake, sim.ring.SubmissionRing, sim.interrupt.Interrupt]


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("scenario", [interrupted, interrupted_inline])
def test_ctrl_c_at_every_place_loses_nothing(
    scenario: Callable[[str], Any], notify: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda args: None)
    interrupt_everywhere(lambda: scenario(notify), [*ASSISTS, engine.drivers.scheduler.Scheduler.run, Engine._sleep])
