"""A full ring: EAGAIN and a pause, turns for slots in order, back-off, and who keeps its thread meanwhile."""

from __future__ import annotations

import select

import pytest

from engine import (
    Engine,
    Retry,
    RingFullError,
    Scheduler,
    StalledError,
    block_pauses,
    start_job,
)
from engine.modes import BY_FD
from engine.offload.ring_full import SPIN_NS, SPINS
from sim import Accelerator, VirtualClock
from simaccel.testing import Accel
from tests.engine.waiters import WAYS, Waiters
from tests.engine.ways import complete_next, manual
from waitctx import WaitCtx


@WAYS
def test_a_slot_wakes_one_waiter_the_one_that_came_first(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 5, notify)
        assert waiters.woken() == []
        for number in range(5):
            complete_next(accel)
            assert waiters.woken() == [number, number + 1]
            assert waiters.resume(number).result() == b"echo:%d" % number
            assert waiters.resume(number + 1).paused
            assert len(accel.requests) == 1
        assert engine.statistics.eagains == 5
        waiters.close()


@WAYS
def test_who_is_resumed_out_of_turn_does_not_push_in(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 3, notify)
        for number in (3, 2):
            waiters.resume(number)
        complete_next(accel)
        for number in (3, 2):  # the slot is free, and promised to number 1
            assert waiters.resume(number).paused
        newcomer = Waiters(engine, 0, notify)
        assert accel.requests == []
        waiters.resume(1)
        assert [request.payload for request in accel.requests] == [b"1"]
        order = []
        while accel.requests:
            order.append(complete_next(accel).payload)
            for each in (waiters, newcomer):
                for number in each.woken():
                    each.resume(number)
        assert order == [b"1", b"2", b"3", b"0"]
        newcomer.close()
        waiters.close()


@pytest.mark.parametrize(("real", "limit"), [(True, None), (True, SPINS + 9), (False, SPINS + 9)])
@pytest.mark.parametrize("notify", BY_FD)
def test_woken_at_once_it_does_not_spin_for_ever(notify: str, real: bool, limit: int | None) -> None:
    """A loop that only spins can keep the GIL from the worker, for ever, where threads wake up slowly; and in virtual
    time it never comes to jump the clock."""
    with manual(notify, retry=Retry(wake="at_once", limit=limit), depth=1, real=real) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        for _ in range(SPINS - 1):
            assert accel.timers == []
            assert waiters.woken() == [1]
            tried_ns = accel.clock.now_ns()
            waiters.resume(1)
        for _ in range(3):
            (timer,) = accel.timers
            assert tried_ns + SPIN_NS <= timer.due_ns <= accel.clock.now_ns() + SPIN_NS
            assert waiters.woken() == []
            timer.fire()
            assert waiters.woken() == [1]
            tried_ns = accel.clock.now_ns()
            waiters.resume(1)
        assert len(accel.timers) == 1
        waiters.close()


@pytest.mark.parametrize("notify", BY_FD)
def test_woken_at_once_in_virtual_time_it_waits_for_a_slot_in_the_end(notify: str) -> None:
    with manual(notify, retry=Retry(wake="at_once"), depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        for _ in range(SPINS - 1):
            assert waiters.woken() == [1]
            waiters.resume(1)
        assert waiters.woken() == []
        assert accel.timers == []
        complete_next(accel)
        assert waiters.woken() == [0, 1]
        waiters.close()


@pytest.mark.python_source
@pytest.mark.parametrize("notify", [*BY_FD, "poll"])
def test_a_level_triggered_loop_of_ones_own_gets_on_in_virtual_time(notify: str) -> None:
    """By fd it can't know of EAGAIN. It looks for readable fds, and jumps the clock when there are none."""
    with Accel(seed=1, depth=1, latency="fixed:50us", notify=notify, retry=Retry(wake="at_once")) as accel:
        ctxs = [WaitCtx() for _ in range(3)]
        poller, jobs = select.poll(), {}
        for ctx in ctxs:
            job = start_job(accel.engine.sha256, b"x", wait_ctx=ctx)
            for fd in ctx.changed_fds().added:
                poller.register(fd, select.POLLIN)
                jobs[fd] = job
        while any(job.paused for job in jobs.values()):
            if accel.engine.polled:
                accel.engine.poll()
            ready = poller.poll(0)
            if not ready:
                assert isinstance(accel.clock, VirtualClock)
                assert accel.clock.jump()
            for fd, _ in ready:
                if jobs[fd].paused:
                    jobs[fd].resume()
        for ctx in ctxs:
            ctx.close()


def test_jobs_that_are_woken_at_once_for_a_slot_that_never_comes_are_stalled() -> None:
    with (
        Accel(seed=1, depth=1, retry=Retry(wake="at_once"), faults="lose", misuse=False, invariants=False) as accel,
        pytest.raises(StalledError, match="not submitted"),
    ):
        accel.map(accel.engine.sha256, [b"1", b"2"])


@WAYS
def test_back_off_doubles_up_to_its_limit_and_wakes(notify: str) -> None:
    retry = Retry(wake="at_once", backoff_ns=100, backoff_max_ns=500)
    with manual(notify, retry=retry, depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        for expected_ns in (100, 200, 400, 500, 500):
            (timer,) = accel.timers
            assert timer.due_ns - accel.clock.time_ns == expected_ns
            assert waiters.woken() == []
            accel.clock.time_ns = timer.due_ns
            timer.fire()
            assert waiters.woken() == [1]
            assert waiters.resume(1).paused
        complete_next(accel)
        assert waiters.woken() == [0]  # a free slot wakes nobody here
        accel.timers[0].fire()
        assert waiters.resume(1).paused
        assert accel.timers == []
        complete_next(accel)
        assert waiters.resume(1).result() == b"echo:1"
        waiters.close()


@WAYS
def test_who_finds_its_slot_taken_by_another_engine_keeps_its_place(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine), Engine(accel, notify) as other:
        waiters = Waiters(engine, 2, notify)
        complete_next(accel)
        taking = Waiters(other, 0, notify)
        assert waiters.resume(1).paused
        complete_next(accel)
        waiters.resume(2)  # out of turn
        waiters.resume(1)
        assert [request.payload for request in accel.requests] == [b"1"]
        taking.close()
        waiters.close()


def test_an_early_resume_cancels_the_back_off() -> None:
    """Else its token would come later, into another operation."""
    with manual("fd", retry=Retry(wake="at_once", backoff_ns=100), depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, "fd")
        complete_next(accel)
        assert waiters.resume(1).paused
        assert accel.timers == []
        assert len(accel.requests) == 1
        waiters.close()


@pytest.mark.parametrize("blocked", [False, True])
def test_outside_of_a_job_it_sleeps_and_then_raises(blocked: bool) -> None:
    """Also in a job whose pauses are blocked. The sleeps are doubled, 50 us at first."""
    retry = Retry(blocking_limit=4)
    with manual("fd", retry=retry, depth=1) as (accel, engine), WaitCtx() as ctx:
        held = start_job(engine.call, "null", wait_ctx=ctx)
        slept: list[int] = []

        def jump() -> bool:
            (timer,) = accel.timers
            slept.append(timer.due_ns - accel.clock.time_ns)
            accel.clock.time_ns = timer.due_ns
            timer.fire()
            return True

        accel.clock.on_jump = jump

        def call() -> None:
            with block_pauses():
                engine.call("null")

        with pytest.raises(RingFullError, match="still full after 4 tries"):
            start_job(call).result() if blocked else engine.call("null")
        assert slept == [50_000, 100_000, 200_000, 400_000]
        assert (accel.timers, engine.in_flight, len(accel.requests)) == ([], 1, 1)
        held.cancel()


def test_outside_of_a_job_a_free_slot_ends_the_sleep() -> None:
    with manual("fd", depth=1) as (accel, engine), WaitCtx() as ctx:
        held = start_job(engine.call, "null", wait_ctx=ctx)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        assert engine.call("echo", b"x") == b"echo:x"
        assert accel.timers == []
        held.resume()
        assert held.done


@WAYS
def test_who_keeps_the_thread_takes_a_slot_that_is_promised_to_a_job_of_that_thread(notify: str) -> None:
    """The job can't run, so its turn would pass for nothing; it keeps its place in front."""
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        complete_next(accel)
        assert waiters.woken() == [0, 1]

        def jump() -> bool:
            if accel.requests:
                complete_next(accel)
            else:
                accel.timers[0].fire()
            return True

        accel.clock.on_jump = jump
        assert engine.call("echo", b"blocked") == b"echo:blocked"
        for number in (0, 1):
            waiters.resume(number)
        complete_next(accel)
        assert waiters.resume(1).result() == b"echo:1"
        waiters.close()


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
@pytest.mark.parametrize("wake", ["space", "at_once"])
def test_no_job_starves(notify: str, wake: str) -> None:
    """Jobs that go on and on do not keep the two slots to themselves: those that came later get their turns."""
    ends: list[str] = []
    with (
        Accelerator(depth=2, clock=VirtualClock(), latency="fixed:1us") as accel,
        Engine(accel, notify, retry=Retry(wake=wake)) as engine,
        Scheduler() as scheduler,
    ):

        def job(name: str, operations: int) -> None:
            for _ in range(operations):
                engine.call("null")
            ends.append(name)

        for _ in range(8):
            scheduler.spawn(job, "long", 100)
        for _ in range(8):
            scheduler.spawn(job, "short", 1)
        scheduler.run()
        assert ends == ["short"] * 8 + ["long"] * 8
