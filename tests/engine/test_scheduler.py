"""The scheduler: what it resumes when, what ends a job and what does not, and what it leaves behind."""

from __future__ import annotations

import os
from typing import Any

import pytest

from engine import (
    ClosedError,
    Engine,
    Job,
    JobState,
    NoJobsError,
    OperationError,
    Scheduler,
    StalledError,
    UsageError,
    cleanup_pool,
    current_job,
    init_pool,
    pause_job,
)
from sim import Accelerator, VirtualClock
from tests.engine.ways import BLOBS, DIGESTS, complete_next, manual
from waitctx import Status


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


def test_leaving_by_an_interrupt_cancels_what_is_left() -> None:
    cleaned: list[int] = []
    jobs: list[Job] = []

    def job(number: int) -> None:
        try:
            engine.call("null")
        finally:
            cleaned.append(number)

    def stop() -> None:
        raise KeyboardInterrupt

    def run(scheduler: Scheduler) -> None:
        jobs.extend(scheduler.spawn(job, number) for number in range(10))
        scheduler.spawn(stop)
        scheduler.run()

    with Accelerator(clock=VirtualClock(), depth=4) as accel, Engine(accel) as engine:
        with pytest.raises(KeyboardInterrupt), Scheduler() as scheduler:
            run(scheduler)
        assert sorted(cleaned) == list(range(10))
        assert all(each.state is JobState.CANCELLED for each in jobs)
        assert engine.in_flight == 0


def test_close_cancels_until_a_job_has_ended_and_tells_what_they_raise() -> None:
    """A job may pause again while it cleans up, and may raise: the others are cancelled all the same."""
    scheduler = Scheduler()
    cleaned: list[str] = []

    def stubborn() -> None:
        for _ in range(3):
            try:
                pause_job()
            finally:
                pause_job()
        cleaned.append("stubborn")

    def raising(error: type[BaseException]) -> None:
        try:
            pause_job()
        finally:
            raise error

    def plain() -> None:
        try:
            pause_job()
        finally:
            cleaned.append("plain")

    def stop() -> None:
        raise KeyboardInterrupt

    never = scheduler.spawn(stop)
    spawned = [(stubborn,), (raising, SystemExit), (plain,), (raising, KeyboardInterrupt), (raising, ValueError)]
    jobs = [scheduler.spawn(*each) for each in spawned]
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    assert never.done
    jobs.append(scheduler.spawn(plain))
    scheduler._start_new()
    with pytest.raises(BaseExceptionGroup, match="jobs raised while they were cancelled") as caught:
        scheduler.close()
    assert [type(error) for error in caught.value.exceptions] == [SystemExit, KeyboardInterrupt]
    assert all(job.done for job in jobs)
    assert "plain" in cleaned
    scheduler.close()
    with pytest.raises(ClosedError, match="the scheduler was closed: make a new one"):
        scheduler.spawn(plain)
    with pytest.raises(ClosedError):
        scheduler.run()


def test_jobs_that_were_never_started_are_cancelled_too() -> None:
    with Scheduler() as scheduler:
        job = scheduler.spawn(pause_job)
    assert job.state is JobState.CANCELLED


def test_run_and_close_inside_a_job_are_refused() -> None:
    with Scheduler() as scheduler, Scheduler() as other:

        def job(call: Any, message: str) -> None:
            with pytest.raises(UsageError, match=message):
                call()

        jobs = [
            scheduler.spawn(job, call, message)
            for call, message in [
                (scheduler.run, "can't be run inside of a job: spawn there, and run outside"),
                (other.run, "can't be run inside of a job"),
                (scheduler.close, "can't be closed inside of a job"),
                (other.close, "can't be closed inside of a job"),
            ]
        ]
        scheduler.run()
        for each in jobs:
            each.result()


def test_an_exhausted_pool_is_waited_for_and_raises_where_that_is_in_vain() -> None:
    init_pool(max_size=3)
    try:
        with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
            assert scheduler.map(engine.sha256, BLOBS) == DIGESTS
            with Scheduler() as other:
                other_jobs = [other.spawn(pause_job) for _ in range(3)]
                other._start_new()
                waiting = scheduler.spawn(engine.sha256, BLOBS[1])
                with pytest.raises(NoJobsError, match="all 3 jobs of this thread's pool are busy"):
                    scheduler.run()
                assert waiting.state is JobState.NEW
                other.run()
                assert all(job.done for job in other_jobs)
            scheduler.run()
            assert waiting.result() == DIGESTS[1]
    finally:
        cleanup_pool()


def test_status_err_is_seen_once_and_then_ends_the_job() -> None:
    """ERR with nothing of ours in flight: an engine of somebody else has given up."""
    resumed: list[int] = []

    def job(pauses: int) -> str:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        for number in range(pauses):
            me.wait_ctx.status = Status.ERR
            pause_job()
            resumed.append(number)
        me.wait_ctx.status = Status.UNSUPPORTED
        pause_job()
        return "ended"

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(job, 1), scheduler.spawn(job, 2)]
        scheduler.run()
        assert jobs[0].result() == "ended"
        assert jobs[1].state is JobState.CANCELLED
    assert resumed == [0, 0]


@pytest.mark.parametrize("notify", ["fd", "callback"])
@pytest.mark.parametrize("contract", ["qat", "strict", "dasync"])
def test_failures_that_a_job_has_dealt_with_do_not_end_it(notify: str, contract: str) -> None:
    """The engine leaves ERR in the status; the job knows already, and may pause as often as it likes."""
    with manual(notify, contract) as (accel, engine), Scheduler() as scheduler:
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel, error=ValueError("no")))

        def job() -> str:
            for _ in range(3):
                with pytest.raises(OperationError):
                    engine.call("null")
                for _ in range(3):
                    pause_job()
            return "ended"

        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == "ended"


def test_two_jobs_may_wait_for_one_fd_of_the_users_own() -> None:
    reading, writing = os.pipe()
    woken: list[str] = []

    def waits(name: str) -> None:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        me.wait_ctx.set_wait_fd(waits, reading)
        pause_job()
        woken.append(name)
        me.wait_ctx.clear_fd(waits)
        pause_job()

    def writes() -> None:
        for _ in range(5):
            pause_job()
        assert woken == []
        os.write(writing, b"x")

    with Scheduler() as scheduler:
        for fn, *arguments in [(waits, "a"), (waits, "b"), (writes,)]:
            scheduler.spawn(fn, *arguments)  # type: ignore[arg-type]
        scheduler.run()
        assert woken == ["a", "b"]
    os.close(reading)
    os.close(writing)


def test_an_fd_that_a_job_leaves_behind_does_not_reach_the_next_job() -> None:
    closed: list[int] = []

    def leaves(fd: int) -> None:
        me = current_job()
        assert me is not None
        assert me.wait_ctx is not None
        me.wait_ctx.set_wait_fd(leaves, fd, None, lambda ctx, key, fd, data: closed.append(fd))

    def pauses() -> str:
        pause_job()
        return "went on"

    reading, writing = os.pipe()
    with Scheduler() as scheduler:
        scheduler.map(leaves, [reading])
        assert closed == [reading]
        assert scheduler.map(lambda _: pauses(), [1]) == ["went on"]
    os.close(reading)
    os.close(writing)


def test_waiting_for_nothing_in_virtual_time_says_who_waits_for_what() -> None:
    with manual("fd") as (accel, engine), Scheduler() as scheduler:
        jobs = [scheduler.spawn(engine.call, "echo", b"x"), scheduler.spawn(pause_job)]
        with pytest.raises(StalledError, match=r"but 1 jobs wait: <stackful job .*paused> for <operation echo"):
            scheduler.run()
        complete_next(accel)
        scheduler.run()
        assert jobs[0].result() == b"echo:x"
