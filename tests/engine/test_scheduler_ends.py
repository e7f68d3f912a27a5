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


@pytest.mark.parametrize("others", [False, True], ids=["alone", "with another"])
def test_a_job_that_is_cancelled_between_two_runs_keeps_no_run_waiting(others: bool) -> None:
    with manual() as (accel, engine), Scheduler() as scheduler:
        jobs = [scheduler.spawn(engine.call, "echo", b"%d" % number) for number in range(1 + others)]
        with pytest.raises(StalledError):
            scheduler.run()
        assert jobs[0].cancel()
        assert scheduler.unfinished == jobs[1:]
        for request in list(accel.requests):
            accel.complete(request)
        scheduler.run()
        assert scheduler.unfinished == []
        assert [job.result() for job in jobs[1:]] == [b"echo:1"] * others
        assert engine.statistics.spurious_wakes == 0


def test_run_and_close_inside_a_job_are_refused() -> None:
    with Scheduler() as scheduler, Scheduler() as other:

        def job(call: Any, message: str) -> None:
            with pytest.raises(UsageError, match=message):
                call()

        jobs = [
            scheduler.spawn(job, call, message)
            for call, message in [
                (scheduler.run, "can't be run inside of a job: call spawn in the job"),
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
