"""A scheduler after an exception or a cancel, at its close, in a fork, and where it is called from within itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

import engine.drivers.scheduler as scheduler_module
from engine import ClosedError, Retry, Scheduler, StalledError, UsageError, pause_job, start_job
from engine.drivers.poller import Poller
from engine.drivers.seats import Seats
from engine.errors import Errors
from engine.jobs.states import JobState
from tests.engine.ways import complete_next, manual, own_ctx
from waitctx import Callback, Status, WaitCtx


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that would sleep for ever fails the test."""
    wait = Poller.wait

    def never_for_ever(poller: Poller, timeout_ns: int | None) -> list[int]:
        assert timeout_ns is not None, "it would sleep for ever"
        return wait(poller, timeout_ns)

    monkeypatch.setattr(Poller, "wait", never_for_ever)


def stops() -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("sleepless")
def test_a_run_after_an_exception_resumes_who_may_have_been_forgotten() -> None:
    with Scheduler() as scheduler:
        job = scheduler.spawn(pause_job)
        scheduler.spawn(stops)
        with pytest.raises(KeyboardInterrupt):
            scheduler.run()
        assert job.paused
        scheduler._ready.clear()  # as if the exception had come in the middle of a wake
        scheduler.run()
        assert job.done


def test_a_run_after_an_exception_resumes_each_once_and_later_runs_do_not() -> None:
    with manual() as (accel, engine), Scheduler() as scheduler:
        job = scheduler.spawn(engine.call, "echo", b"x")
        for spurious in (0, 0):
            with pytest.raises(StalledError):
                scheduler.run()
            assert engine.statistics.spurious_wakes == spurious
        scheduler.spawn(stops)
        with pytest.raises(KeyboardInterrupt):
            scheduler.run()
        for spurious in (1, 1):
            with pytest.raises(StalledError):
                scheduler.run()
            assert engine.statistics.spurious_wakes == spurious
        complete_next(accel)
        scheduler.run()
        assert job.result() == b"echo:x"


@pytest.mark.usefixtures("sleepless")
def test_a_job_that_meets_a_full_ring_in_the_first_turn_is_retried() -> None:
    """Nothing has moved in this scheduler before: the slot is held by somebody else."""
    with (
        manual("callback", retry=Retry(wake="at_once"), depth=1) as (accel, engine),
        Scheduler() as scheduler,
        WaitCtx() as ctx,
    ):
        holds = start_job(engine.call, "echo", b"0", wait_ctx=ctx)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        job = scheduler.spawn(engine.call, "echo", b"x")
        scheduler.run()
        assert job.result() == b"echo:x"
        holds.resume()


def test_map_ends_with_the_shortest_as_the_builtin_does() -> None:
    with Scheduler() as scheduler:
        assert scheduler.map(lambda one, other: (one, other), [1, 2, 3], "ab") == [(1, "a"), (2, "b")]


def test_a_run_inside_of_a_run_is_refused_also_outside_of_jobs() -> None:
    refused: list[str] = []

    class Source:
        """Runs the scheduler when it is polled."""

        polled = True
        clock = SimpleNamespace(virtual=False)

        def poll(self, quota: int = 0) -> int:
            with pytest.raises(UsageError, match="can't be run inside"):
                scheduler.run()
            refused.append("refused")
            return 1

    with Scheduler() as scheduler:
        source: Any = Source()
        scheduler.keep_going(source)
        ends = scheduler.spawn(lambda: [pause_job() for _ in range(40)])
        scheduler.run()
        assert ends.done
    assert refused


class Polled:
    """A source in real time that counts its polls, and never has anything."""

    polled = True
    clock = SimpleNamespace(virtual=False)

    def __init__(self) -> None:
        self.polls: list[int] = []
        self.turns = 0

    def poll(self, quota: int = 0) -> int:
        self.polls.append(self.turns)
        return 0

    def notify_once(self, fn: object) -> None:
        """Never."""


def pauses(scheduler: Scheduler, polled: Polled) -> None:
    def job() -> None:
        for _ in range(64):
            polled.turns += 1
            pause_job()

    scheduler.spawn(job)
    scheduler.run()


def ends_and_spawns_the_next(scheduler: Scheduler, polled: Polled) -> None:
    callbacks: list[Callback] = []

    def waits() -> None:
        ctx = own_ctx()
        assert ctx.callback is not None
        callbacks.append(ctx.callback)
        ctx.status = Status.OK
        pause_job()

    def job() -> None:
        polled.turns += 1
        if polled.turns < 64:
            scheduler.spawn(job)
        else:
            callbacks[0].fn(callbacks[0].arg)

    scheduler.spawn(waits)
    scheduler.spawn(job)
    scheduler.run()


def completes_the_others(scheduler: Scheduler, polled: Polled) -> None:
    """Two jobs in turn: each completes the operation of the other, and begins one of its own."""
    with manual("callback", real=True) as (accel, engine):

        def job() -> None:
            while polled.turns < 64:
                polled.turns += 1
                if accel.requests:
                    accel.complete(accel.requests[0])
                engine.call("null")
            if accel.requests:
                accel.complete(accel.requests[0])

        for _ in range(2):
            scheduler.spawn(job)
        scheduler.run()


@pytest.mark.parametrize(("way", "first"), [(pauses, 17), (ends_and_spawns_the_next, 16), (completes_the_others, 18)])
def test_while_jobs_go_on_what_is_polled_is_polled_every_sixteen_turns(
    way: Callable[[Scheduler, Polled], None], first: int
) -> None:
    """Jobs that always go on must not hold up those that wait for a poll, and not be held up by polls."""
    with Scheduler() as scheduler:
        polled: Any = Polled()
        scheduler.keep_going(polled)
        way(scheduler, polled)
        assert polled.polls == [first, first + 16, first + 32]


def test_no_run_begins_while_the_interpreter_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scheduler() as scheduler:
        job = scheduler.spawn(pause_job)
        with monkeypatch.context() as patch:
            patch.setattr("engine.ending.interpreter_ends", lambda: True)
            with pytest.raises(ClosedError, match="the interpreter ends"):
                scheduler.run()
        assert job.state is JobState.NEW


class Told:
    """Stands for a job that was not started. Its first cancel is interrupted."""

    def __init__(self) -> None:
        self.state = JobState.NEW
        self.cancels = 0

    def cancel(self) -> bool:
        self.cancels += 1
        if self.cancels == 1:
            raise KeyboardInterrupt
        self.state = JobState.CANCELLED
        return True


def test_an_exception_at_the_close_comes_out_when_all_is_closed_and_another_close_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closes: list[Seats] = []
    close = Seats.close

    def counted(seats: Seats, errors: Errors) -> None:
        closes.append(seats)
        close(seats, errors)

    monkeypatch.setattr(Seats, "close", counted)
    scheduler = Scheduler()
    told: Any = Told()
    scheduler._new.append(told)
    other = scheduler.spawn(pause_job)
    with pytest.raises(KeyboardInterrupt):
        scheduler.close()
    assert told.cancels == 2
    assert other.state is JobState.CANCELLED
    scheduler.close()
    assert len(closes) == 1


def test_the_child_of_a_fork_can_not_use_the_parents_schedulers(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: WeakSet[Scheduler] = WeakSet()
    monkeypatch.setattr(scheduler_module, "_alive", alive)
    closed, scheduler = Scheduler(), Scheduler()
    closed.close()
    assert list(alive) == [scheduler]
    scheduler_module._after_fork_in_child()
    assert not alive
    for use in (scheduler.run, lambda: scheduler.spawn(pause_job)):
        with pytest.raises(ClosedError, match=f"belongs to the parent process, {os.getppid()}"):
            use()
    bell = scheduler._ready_seats._bell.fd
    scheduler.close()  # does nothing: the epoll is the parent's too
    os.fstat(bell)
    scheduler._ready_seats.close()


def test_new_jobs_that_were_cancelled_are_passed_over() -> None:
    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(pause_job) for _ in range(3)]
        jobs[0].cancel()
        jobs[1].cancel()
        assert scheduler.unfinished == jobs[2:]
        scheduler.run()
        assert [job.state for job in jobs] == [JobState.CANCELLED] * 2 + [JobState.FINISHED]
