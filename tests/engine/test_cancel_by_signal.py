"""A signal handler cancels a job while whatever drives the job sleeps: the driver must notice, and not sleep on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from engine import JobCancelled, Scheduler, current_job
from engine.drivers.poller import Poller
from engine.jobs.job import Job
from tests.engine.ways import complete_next, manual
from tests.loops import Loop, both_loops, idle_until, reached

notified = pytest.mark.parametrize("notify", ["fd", "callback", "poll"])


@contextmanager
def handler(fn: Callable[[], object]) -> Iterator[None]:
    """Calls fn when SIGUSR1 comes."""
    before = signal.signal(signal.SIGUSR1, lambda number, frame: fn())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def signal_in_each_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send SIGUSR1 whenever a scheduler begins to sleep. A sleep without an end that is not ended by it fails."""
    wait = Poller.wait

    def interrupted(poller: Poller, timeout_ns: int | None) -> list[int]:
        if timeout_ns == 0:
            return wait(poller, 0)
        signal.raise_signal(signal.SIGUSR1)
        found = wait(poller, 0)
        assert found or timeout_ns is not None, "it would have slept for ever"
        return found

    monkeypatch.setattr(Poller, "wait", interrupted)


@notified
@pytest.mark.parametrize("others", [0, 2])
def test_a_scheduler_goes_on_without_the_job(notify: str, others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with manual(notify, real=True) as (accel, engine), Scheduler() as scheduler:
        cancelled, *left = [scheduler.spawn(engine.call, "null") for _ in range(1 + others)]

        def cancel_the_first_and_then_complete() -> None:
            if not cancelled.done:
                assert cancelled.cancel()
                return
            while accel.requests:  # the first completion is that of the cancelled job, and wakes nobody
                complete_next(accel)

        signal_in_each_sleep(monkeypatch)
        with handler(cancel_the_first_and_then_complete):
            scheduler.run()
        assert isinstance(cancelled.exception, JobCancelled)
        assert [job.result() for job in left] == [b"null:"] * others
        assert scheduler.map(engine.call, []) == []
        assert engine.in_flight == 0


@notified
def test_a_job_that_cleans_up_with_another_operation_is_driven_to_its_end(
    notify: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel does not end it: it pauses once more."""

    def job() -> bytes:
        try:
            return engine.call("first")
        except JobCancelled:
            return engine.call("second")

    with manual(notify, real=True) as (accel, engine), Scheduler() as scheduler:
        running = scheduler.spawn(job)
        cancels: list[bool] = []

        def act() -> None:
            if not cancels:
                cancels.append(running.cancel())
                return
            while accel.requests:  # the first completion is that of the cancelled operation, and wakes nobody
                complete_next(accel)

        signal_in_each_sleep(monkeypatch)
        with handler(act):
            scheduler.run()
        assert cancels == [False]
        assert running.result() == b"second:"
        assert accel.answers == [1, None]


@both_loops
@notified
def test_a_loop_tells_the_task_that_waits_for_the_job(loop: Loop, notify: str) -> None:
    jobs: list[Job] = []

    def job() -> bytes:
        me = current_job()
        assert me is not None
        jobs.append(me)
        return engine.call("null")

    async def main() -> None:
        with pytest.raises(JobCancelled):
            await engine.aio.run(job)

    async def both() -> None:
        task = loop.spawn(main())
        await reached(lambda: bool(accel.requests))
        signal.raise_signal(signal.SIGUSR1)
        await idle_until(lambda: task.done)
        assert task.result() is None

    with manual(notify, real=True) as (accel, engine), handler(lambda: jobs.pop().cancel()):
        loop.run(both)
        assert engine.in_flight == 0
