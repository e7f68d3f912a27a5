"""Virtual time: hours in a blink, however one waits; where nothing can ever happen, an error that says who waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from engine import DeadlineError, Engine, Retry, Scheduler, StalledError, start_job
from engine.drivers.loop_driver import STALL_LOOKS
from engine.modes import NOTIFY
from sim import Accelerator, UsageError, VirtualClock
from simaccel.testing.virtual_time_rate import virtual_operation_ns
from tests.effort import pairs
from tests.limits import WAIT_S
from tests.loops import Loop, both_loops, idle_until, turn

HOUR_NS = 3_600_000_000_000


def _device(fault: str = "", **options: Any) -> Accelerator:
    return Accelerator(4, latency="fixed:10us", clock=VirtualClock(), seed=1, faults=fault, **options)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop waits a second of real time for somebody to help; the tests look as often, without the waits between."""
    assert STALL_LOOKS > 1
    monkeypatch.setattr("engine.drivers.loop_driver.STALL_LOOK_S", 0.0)
    monkeypatch.setattr("engine.drivers.loop_driver.SPINS_MOST", 200)
    monkeypatch.setattr("engine.drivers.loop_driver.FRUITLESS_MOST", 100)


# Hours of time-outs


@pytest.mark.parametrize("notify", NOTIFY)
def test_hours_of_time_outs_with_a_scheduler(notify: str) -> None:
    with _device("lose:count=3") as accel, Engine(accel, notify, deadline_ns=HOUR_NS) as engine, Scheduler() as sched:

        def job() -> bytes:
            for _ in range(3):
                with pytest.raises(DeadlineError, match="3,600,000,000,000 ns"):
                    engine.sha256(b"")
            return engine.sha256(b"")

        result = sched.spawn(job)
        sched.run()
        assert len(result.result()) == 32
        assert accel.clock.now_ns() == 3 * HOUR_NS + 10_000


def test_hours_of_time_outs_in_blocking_calls() -> None:
    with _device("lose:count=2") as accel, Engine(accel, deadline_ns=HOUR_NS) as engine:
        for _ in range(2):
            with pytest.raises(DeadlineError):
                engine.sha256(b"")
        assert len(engine.sha256(b"")) == 32
        assert accel.clock.now_ns() == 2 * HOUR_NS + 10_000


@both_loops
@pytest.mark.parametrize("notify", NOTIFY)
def test_hours_of_time_outs_in_an_event_loop(loop: Loop, notify: str) -> None:
    async def main() -> None:
        with _device("lose:count=4") as accel, Engine(accel, notify, deadline_ns=HOUR_NS) as engine:
            for _ in range(2):
                ends = await loop.gather(engine.aio.sha256(b""), engine.aio.run(engine.sha256, b""))
                assert [type(end) for end in ends] == [DeadlineError] * 2
            assert accel.clock.now_ns() == 2 * HOUR_NS

    loop.run(main)


def test_hours_by_hand() -> None:
    clock = VirtualClock()
    with Accelerator(4, latency="fixed:3600s", clock=clock, seed=1) as accel, Engine(accel) as engine:
        job = start_job(engine.sha256, b"")
        clock.advance(HOUR_NS - 1)
        job.resume()
        assert job.paused, "a resume before its time only pauses again"
        clock.advance(1)
        job.resume()
        assert len(job.result()) == 32
        clock.advance_to(10 * HOUR_NS)
        assert clock.now_ns() == 10 * HOUR_NS


def test_time_does_not_go_back() -> None:
    clock = VirtualClock(5)
    for wrong in (lambda: clock.advance(-1), lambda: clock.advance_to(4), lambda: VirtualClock(-1)):
        with pytest.raises(UsageError):
            wrong()
    assert clock.now_ns() == 5


def test_no_thread_is_needed() -> None:
    before = threading.active_count()
    with _device() as accel, Engine(accel) as engine, Scheduler() as sched:
        sched.map(engine.sha256, [b"a", b"b"])
        assert threading.active_count() == before


def test_the_figure_for_the_benchmarks() -> None:
    for stackless in (True, False):
        assert virtual_operation_ns(2, 3, notify="fd", stackless=stackless) > 0


# Ready jobs go before the clock


def test_a_wake_of_this_instant_is_not_overtaken_by_the_clock() -> None:
    with _device("early-wake:by=1us") as accel, Engine(accel) as engine, Scheduler() as sched:
        times: list[int] = []

        def job() -> None:
            engine.sha256(b"")
            times.append(accel.clock.now_ns())

        sched.spawn(job)
        sched.run()
        assert times == [11_000]
        assert engine.statistics.spurious_wakes == 1


# Nothing can ever happen

_STUCK = [
    (fault, retry, notify)
    for fault, (retry, notify) in pairs(
        ["lose", "hold", "stick-doorbell:rings=1000000", "reject"],
        [(retry, notify) for retry in (Retry(), Retry("at_once")) for notify in ("fd", "callback", "poll")],
    )
]


@pytest.mark.parametrize(("fault", "retry", "notify"), _STUCK)
def test_a_scheduler_that_can_not_go_on_says_who_waits(fault: str, retry: Retry, notify: str) -> None:
    with _device(fault) as accel, Engine(accel, notify, retry=retry) as engine, Scheduler() as sched:

        def first() -> None:
            engine.sha256(b"1")

        async def second() -> None:
            await engine.aio.sha512(b"22")

        sched.spawn(first)
        sched.spawn(second)
        with pytest.raises(StalledError) as told:
            sched.run()
        for part in ("stands still", "first", "second", "sha256 of 1 bytes", "sha512 of 2 bytes"):
            assert part in str(told.value)
        assert len(sched.unfinished) == 2


@pytest.mark.parametrize("notify", NOTIFY)
def test_more_jobs_than_slots_that_are_lost(notify: str) -> None:
    for retry in (Retry(), Retry("at_once")):
        with _device("lose") as accel, Engine(accel, notify, retry=retry) as engine, Scheduler() as sched:
            for number in range(10):
                sched.spawn(engine.sha256, b"%d" % number)
            with pytest.raises(StalledError, match="10 jobs"):
                sched.run()


@pytest.mark.parametrize("notify", NOTIFY)
def test_a_blocking_call_that_can_not_go_on_says_what_waits(notify: str) -> None:
    with _device("lose") as accel, Engine(accel, notify) as engine:
        with pytest.raises(StalledError, match="sha256 of 1 bytes, in flight"):
            engine.sha256(b"1")
        assert engine.in_flight == 0


@both_loops
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "retry", "notify"), _STUCK)
def test_tasks_that_can_not_go_on_are_told_who_waits(loop: Loop, fault: str, retry: Retry, notify: str) -> None:
    async def main() -> None:
        with _device(fault) as accel, Engine(accel, notify, retry=retry) as engine:
            first = loop.spawn(engine.aio.sha256(b"1"), name="first")
            second = loop.spawn(engine.aio.run(engine.sha512, b"22"), name="second")
            await first.wait()
            await second.wait()
            ends = [first.error, second.error]
            assert [type(end) for end in ends] == [StalledError] * 2
            for part in ("stands still", "first for <operation sha256 of 1", "second for <operation sha512 of 2"):
                assert part in str(ends[0])
            assert engine.in_flight == 0

    loop.run(main)


@both_loops
@pytest.mark.usefixtures("impatient")
def test_a_task_may_help_while_others_wait(loop: Loop) -> None:
    async def main() -> None:
        with _device("hold") as accel, Engine(accel) as engine:

            async def help_out() -> None:
                for _ in range(STALL_LOOKS // 4):
                    await turn()
                accel.faults.release()

            ends = await loop.gather(engine.aio.sha256(b"1"), engine.aio.run(engine.sha256, b"2"), help_out())
            assert [len(end) for end in ends[:2]] == [32, 32]

    loop.run(main)


@both_loops
@pytest.mark.usefixtures("impatient")
def test_a_wait_in_real_time_is_not_failed_for_one_in_virtual_time(loop: Loop) -> None:
    """A job whose operation is on another, real device is woken by a thread, however long that takes."""

    async def main() -> None:  # virtual time goes on meanwhile, for who has something due
        started, go = threading.Event(), threading.Event()

        def slow(data: bytes) -> bytes:
            started.set()
            go.wait(WAIT_S)
            return data

        with Accelerator() as real, Engine(real) as by_thread, _device("lose") as virtual, Engine(virtual) as by_clock:
            real.register("slow", slow)

            def both() -> str:
                with pytest.raises(DeadlineError):
                    by_clock.call("null", deadline_ns=1_000)
                by_thread.call("slow")
                return "woken"

            job = loop.spawn(by_thread.aio.run(both))
            stuck = loop.spawn(by_clock.aio.sha256(b""))
            await idle_until(started.is_set)
            for _ in range(10 * STALL_LOOKS):
                await turn()
            assert not job.done
            assert not stuck.done
            helped = loop.spawn(by_clock.aio.call("null", deadline_ns=1_000))
            with pytest.raises(DeadlineError):
                await helped
            go.set()
            assert await job == "woken"
            with pytest.raises(StalledError):
                await stuck

    loop.run(main)
