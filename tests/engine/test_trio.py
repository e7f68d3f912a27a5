"""What is trio's own: checkpoints, its virtual clock, fds that can't be watched, Ctrl-C anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import engine.aio
from engine import Engine, current_job, pause_job
from engine.aio import running_driver
from engine.drivers.loop_driver import LoopDriver, LoopWaker
from engine.drivers.trio_loop import TrioLoop
from sim import Accelerator, VirtualClock
from tests.engine.ways import complete_next, manual
from tests.interrupting import EVERY, Scenario, interrupt_everywhere
from tests.loops import reached


def device(fault: str = "", **options: Any) -> Accelerator:
    return Accelerator(latency="fixed:10us", clock=VirtualClock(), seed=1, faults=fault, **options)


def test_each_call_lets_other_tasks_run_and_notices_a_cancel() -> None:
    """As trio wants it of every async function. Also a job that never pauses."""

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await reached(lambda: turns > 0)
            before = turns
            for _ in range(3):  # of two turns one after the other, the first may come after the other task's
                assert await made.aio.run(lambda: 7) == 7
            assert turns > before
            nursery.cancel_scope.cancel()
            with pytest.raises(trio.Cancelled):
                await made.aio.run(lambda: 8)
            with pytest.raises(trio.Cancelled):
                await made.aio.sha256(b"")

    with manual(real=True) as (accel, made):
        trio.run(main)
        assert accel.submitted == 0


def test_a_task_goes_on_at_the_time_of_its_completion() -> None:
    """Virtual time moves only when all tasks wait. So the next request begins exactly when the last one has ended."""
    times: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    async def one_after_the_other(name: str, start_ns: int) -> None:
        if start_ns:
            with pytest.raises(TimeoutError):
                await made.aio.call("null", deadline_ns=start_ns)
        for _ in range(3):
            await made.aio.sha256(b"")
            times[name].append(accel.clock.now_ns())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for name, start_ns in (("a", 0), ("b", 3_000), ("c", 7_001)):
                nursery.start_soon(one_after_the_other, name, start_ns)

    with device(units=16) as accel, Engine(accel, "callback") as made:
        trio.run(main)
    expected = {name: [at + 10_000 * n for n in (1, 2, 3)] for name, at in (("a", 0), ("b", 3_000), ("c", 7_001))}
    assert times == expected


def test_with_the_mock_clock_the_device_goes_first_and_a_lost_operation_times_out_at_once() -> None:
    async def main() -> None:
        with trio.fail_after(1e-9):
            assert len(await made.aio.sha256(b"")) == 32
        assert trio.current_time() == began_s[0]
        accel.faults.install("lose")
        with trio.move_on_after(0.5) as scope:
            await made.aio.sha256(b"")
        assert scope.cancelled_caught
        assert made.in_flight == 0

    began_s: list[float] = []

    async def begin() -> None:
        began_s.append(trio.current_time())
        await main()

    with device() as accel, Engine(accel) as made:
        trio.run(begin, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("kind", ["closed", "file", "watched"])
def test_an_fd_that_can_not_be_watched_fails_its_job_alone(kind: str) -> None:
    reading, writing = os.pipe()
    fd = reading
    if kind == "file":
        fd = os.open(__file__, os.O_RDONLY)
    if kind == "closed":
        os.close(reading)

    def job() -> None:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        me.wait_ctx.set_wait_fd(job, fd)
        pause_job()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            if kind == "watched":
                nursery.start_soon(trio.lowlevel.wait_readable, fd)
                await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError if kind == "watched" else OSError):
                await made.aio.run(job)
            results: list[bytes] = []

            async def call() -> None:
                results.append(await made.aio.call("next"))

            nursery.start_soon(call)
            await reached(lambda: bool(accel.requests))
            complete_next(accel)
            await reached(lambda: bool(results))
            assert results == [b"next:"]
            nursery.cancel_scope.cancel()

    with manual(real=True) as (accel, made):
        trio.run(main)
    for each in {reading, writing, fd} - ({reading} if kind == "closed" else set()):
        os.close(each)


def interrupted(notify: str, kind: str, hits: list[object]) -> Scenario:
    """Two tasks. Each may get the Ctrl-C, and trio's main task may; the others go on, and nothing is left."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        accel = device(depth=1)
        made = Engine(accel, notify)
        ends: list[object] = []
        left: list[bool] = []

        async def task() -> None:
            call = partial(made.aio.run, made.sha256) if kind == "stackful" else made.aio.sha256
            try:
                ends.append(len(await call(b"interrupted")))
            except KeyboardInterrupt:
                ends.append("Ctrl-C")

        async def main() -> None:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(task)
                    nursery.start_soon(task)
            except* KeyboardInterrupt:
                ends.append("Ctrl-C")
            driver = running_driver()
            left.append(bool(driver._waiters or driver._readers))

        def act() -> None:
            try:
                trio.run(main)
            except KeyboardInterrupt:  # it came when main had ended
                ends.append("Ctrl-C")

        yield act
        assert ends.count("Ctrl-C") <= 1
        hits.extend(end for end in ends if end == "Ctrl-C")
        assert ends.count(32) >= 2 or "Ctrl-C" in ends, ends
        assert left in ([False], [])
        assert made.in_flight == 0
        assert made.sha256(b"next")
        made.close()
        accel.close()
        told = accel.statistics()
        assert told.submitted == told.completed + told.failed + told.orphaned

    return scenario


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("kind", ["stackful", "stackless"])
def test_ctrl_c_at_every_place(notify: str, kind: str) -> None:
    """A real signal, which trio's handler raises, or keeps for the main task where trio itself runs."""
    watched: list[object] = [engine.aio, LoopDriver, LoopWaker, TrioLoop, engine.drivers.trio_loop]
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        hits: list[object] = []
        places = interrupt_everywhere(
            interrupted(notify, kind, hits), watched, visits=1, instead=lambda: signal.raise_signal(signal.SIGINT)
        )
        # From Python 3.14 on, a handler does not run inside of a trace function, and some come when all has ended.
        assert len(hits) > 0.25 * len(places) / EVERY, "the signal was not seen"
    finally:
        signal.signal(signal.SIGINT, before)
