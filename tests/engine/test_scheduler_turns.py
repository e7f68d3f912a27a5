"""One turn of a scheduler: what counts as progress, who is tried how often, and when time may pass."""

from __future__ import annotations

import pytest

from engine import Engine, Job, Retry, Scheduler, StalledError, pause_job, start_job
from engine.drivers.poller import Poller
from engine.drivers.scheduler import FRUITLESS_MOST
from simaccel.testing import ManualAccelerator
from tests.engine.ways import complete_next, manual, own_ctx
from waitctx import Status, WaitCtx


def test_each_job_that_goes_on_counts_once() -> None:
    """Those that end, those that pause, and those that have a new operation in flight."""
    with manual("callback") as (accel, engine), Scheduler() as scheduler:

        def calls() -> None:
            engine.call("null")
            engine.call("null")

        for fn in (calls, pause_job, pause_job):
            scheduler.spawn(fn)
        scheduler._start_new()
        assert scheduler._progress == 3
        complete_next(accel)
        accel.clock.on_jump = lambda: True
        scheduler._turn()
        assert scheduler._progress == 3
        complete_next(accel)
        scheduler.run()


def test_who_asks_for_a_slot_is_tried_once_a_turn_while_others_go_on() -> None:
    asked: list[int] = []
    turns: list[int] = []

    def asks() -> None:
        for number in range(12):
            asked.append(number)
            own_ctx().status = Status.EAGAIN
            pause_job()

    def goes_on() -> None:
        for _ in range(10):
            turns.append(len(asked))
            pause_job()

    with Scheduler() as scheduler:
        scheduler.spawn(asks)
        scheduler.spawn(goes_on)
        scheduler.run()
    assert turns == list(range(1, 11))


def test_a_turn_in_which_something_went_on_is_not_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither if all wait after it, nor if some are ready."""
    monkeypatch.setattr(Poller, "wait", lambda poller, timeout_ns: [])

    def waits() -> None:
        for _ in range(2):
            own_ctx().status = Status.OK
            pause_job()

    with Scheduler() as scheduler:
        scheduler.spawn(waits)
        for _ in range(2):
            scheduler._turn()
            assert scheduler._fruitless == 0
            (seat,) = scheduler._seats.busy
            scheduler._ready_seats.wake(seat)
        scheduler.spawn(lambda: [pause_job() for _ in range(3)])
        scheduler._fruitless = 1
        scheduler._turn()
        assert scheduler._fruitless == 0


def held_by_another(notify: str, accel: ManualAccelerator, engine: Engine, ctx: WaitCtx) -> Job:
    """A job outside of the scheduler holds the one slot."""
    if notify == "callback":
        ctx.set_callback(lambda arg: None)
    job = start_job(engine.call, "echo", b"0", wait_ctx=ctx)
    assert accel.free_slots == 0
    return job


def test_time_passes_when_who_can_go_on_was_tried_twice_in_vain() -> None:
    """By fd, each try wakes for the next one at once."""
    tries: list[int] = []
    with (
        manual("fd", retry=Retry(wake="at_once", limit=99), depth=1) as (accel, engine),
        Scheduler() as scheduler,
        WaitCtx() as ctx,
    ):

        def jump() -> bool:
            tries.append(engine.statistics.eagains)
            return bool(accel.requests and complete_next(accel))

        holds = held_by_another("fd", accel, engine, ctx)
        accel.clock.on_jump = jump
        job = scheduler.spawn(engine.call, "echo", b"x")
        scheduler.run()
        assert job.done
        assert tries[0] == 1 + 2
        holds.resume()


def test_who_asks_in_vain_from_the_first_turn_on_is_stalled_after_so_many_turns() -> None:
    with (
        manual("callback", retry=Retry(wake="at_once"), depth=1) as (accel, engine),
        Scheduler() as scheduler,
        WaitCtx() as ctx,
    ):
        holds = held_by_another("callback", accel, engine, ctx)
        job = scheduler.spawn(engine.call, "echo", b"x")
        with pytest.raises(StalledError, match="ask for a slot again and again"):
            scheduler.run()
        assert engine.statistics.eagains == 2 + FRUITLESS_MOST  # the first turn starts it, and tries it as well
        complete_next(accel)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        scheduler.run()
        assert job.done
        holds.resume()
