"""The scheduler: what it resumes when, what ends a job and what does not, and what it leaves behind."""

from __future__ import annotations

import pytest

from engine import (
    Engine,
    Job,
    JobState,
    Scheduler,
    current_job,
    pause_job,
)
from sim import Accelerator, VirtualClock
from tests.engine.ways import BLOBS, DIGESTS, complete_next, manual


def test_map_gives_the_results_in_the_order_of_its_arguments() -> None:
    with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
        assert scheduler.map(engine.sha256, BLOBS) == DIGESTS
        assert scheduler.map(pow, [2, 3, 4], [5, 6, 7]) == [32, 729, 16_384]
        assert scheduler.map(pow, []) == []


def test_map_raises_the_first_exception_when_all_have_ended() -> None:
    ends: list[int] = []

    def job(number: int) -> int:
        for _ in range(number):
            pause_job()
        ends.append(number)
        if number in (2, 4):
            raise ZeroDivisionError(number)
        return number

    with Scheduler() as scheduler, pytest.raises(ZeroDivisionError, match="2"):
        scheduler.map(job, [5, 2, 4, 1])
    assert ends == [1, 2, 4, 5]


def test_a_job_may_spawn_others() -> None:
    with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
        spawned: list[Job] = []

        def parent(depth: int) -> bytes:
            if depth:
                spawned.append(scheduler.spawn(parent, depth - 1))
            return engine.sha256(BLOBS[depth])

        async def awaiting_parent() -> bytes:
            spawned.append(scheduler.spawn(parent, 3))
            return await engine.aio.sha256(BLOBS[9])

        first = [scheduler.spawn(parent, 5), scheduler.spawn(awaiting_parent)]
        scheduler.run()
        assert [job.result() for job in first] == [DIGESTS[5], DIGESTS[9]]
        assert sorted(job.result() for job in spawned) == sorted(DIGESTS[:5] + DIGESTS[:4])
        assert scheduler.unfinished == []


def test_an_endless_chain_of_spawns_does_not_hold_the_others_up() -> None:
    with Scheduler() as scheduler:
        ended: list[int] = []

        def link(number: int) -> None:
            if not ended:
                scheduler.spawn(link, number + 1)

        def other() -> None:
            for number in range(3):
                pause_job()
                ended[:] = [number]

        scheduler.spawn(other)
        scheduler.spawn(link, 0)
        scheduler.run()
        assert ended == [2]


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("virtual", [False, True])
def test_jobs_that_only_pause_do_not_hold_the_others_up(notify: str, virtual: bool) -> None:
    """They are ready in every turn; still the device is polled, and its time goes on."""
    clock = VirtualClock() if virtual else None
    with Accelerator(clock=clock, latency="fixed:1us") as accel, Engine(accel, notify) as engine:
        done: list[bytes] = []

        def spin() -> None:
            while not done:
                pause_job()

        with Scheduler() as scheduler:
            spinning = scheduler.spawn(spin)
            scheduler.spawn(lambda: done.append(engine.sha256(BLOBS[1])))
            scheduler.run()
            assert done == [DIGESTS[1]]
            assert spinning.exception is None


def test_plain_pauses_take_turns() -> None:
    order: list[str] = []

    def job(name: str) -> None:
        for _ in range(3):
            order.append(name)
            pause_job()

    async def awaiting(name: str) -> None:
        for _ in range(3):
            order.append(name)
            await pause_job()

    with Scheduler() as scheduler:
        for name, fn in [("a", job), ("b", awaiting), ("c", job)]:
            scheduler.spawn(fn, name)
        scheduler.run()
    assert "".join(order) == "abc" * 3


@pytest.mark.parametrize("notify", ["fd", "pipe", "callback", "poll"])
def test_an_exception_in_one_job_harms_no_other(notify: str) -> None:
    with Accelerator(depth=4) as accel, Engine(accel, notify) as engine, Scheduler() as scheduler:

        def job(number: int) -> bytes:
            engine.sha256(b"")
            if number % 3 == 0:
                raise ZeroDivisionError(number)
            if number % 3 == 1:
                engine.call("no such kernel")
            return engine.sha256(BLOBS[number])

        jobs = [scheduler.spawn(job, number) for number in range(30)]
        scheduler.spawn(lambda missing: None)  # arguments that do not fit
        scheduler.spawn(_closes_its_context)
        scheduler.run()
        for number, each in enumerate(jobs):
            if number % 3 == 2:
                assert each.result() == DIGESTS[number]
            else:
                assert each.exception is not None
        assert scheduler.map(engine.sha256, BLOBS[:8]) == DIGESTS[:8]


def _closes_its_context() -> None:
    job = current_job()
    assert job is not None
    assert job.wait_ctx is not None
    job.wait_ctx.close()
    pause_job()


def test_a_context_closed_under_a_paused_job_ends_that_job_alone() -> None:
    with manual("callback") as (accel, engine), Scheduler() as scheduler:
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))

        def closer() -> None:
            assert victim.wait_ctx is not None
            victim.wait_ctx.close()

        victim = scheduler.spawn(engine.call, "null")
        others = [scheduler.spawn(closer), scheduler.spawn(engine.call, "echo", b"x")]
        scheduler.run()
        assert victim.state is JobState.CANCELLED
        assert others[1].result() == b"echo:x"


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("virtual", [False, True])
def test_an_interrupt_comes_out_and_a_second_run_goes_on(
    interrupt: type[BaseException], notify: str, virtual: bool
) -> None:
    clock = VirtualClock() if virtual else None
    with (
        Accelerator(clock=clock, latency="fixed:1us") as accel,
        Engine(accel, notify) as engine,
        Scheduler() as scheduler,
    ):

        def job(number: int) -> bytes:
            if number == 5:
                raise interrupt
            return engine.sha256(BLOBS[number])

        jobs = [scheduler.spawn(job, number) for number in range(10)]
        with pytest.raises(interrupt):
            scheduler.run()
        assert len(scheduler.unfinished) >= 4
        scheduler.run()
        assert scheduler.unfinished == []
        assert [each.result() for each in jobs[:5] + jobs[6:]] == DIGESTS[:5] + DIGESTS[6:10]
        assert isinstance(jobs[5].exception, interrupt)
