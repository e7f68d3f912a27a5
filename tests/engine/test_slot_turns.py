"""A slot that fell free belongs to whose turn it is, and what is counted of those who never got one."""

from __future__ import annotations

import pytest

from engine import DeadlineError, Engine, EngineStatistics, Retry, Scheduler, start_job
from sim import Accelerator, VirtualClock
from tests.engine.waiters import WAYS, Waiters
from tests.engine.ways import BLOBS, DIGESTS, complete_next, manual
from waitctx import WaitCtx


@WAYS
def test_a_newcomer_does_not_take_the_slot_that_is_promised_to_another(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 1, notify)
        complete_next(accel)
        newcomer = Waiters(engine, 0, notify)
        assert accel.requests == []
        assert waiters.resume(1).paused
        assert [request.payload for request in accel.requests] == [b"1"]
        assert engine.statistics.spurious_wakes == 0
        newcomer.close()
        waiters.close()


@WAYS
def test_a_newcomer_takes_a_slot_beyond_those_that_are_promised(notify: str) -> None:
    with manual(notify, depth=2) as (accel, engine):
        waiters = Waiters(engine, 2, notify)
        complete_next(accel)
        complete_next(accel)
        newcomer = Waiters(engine, 0, notify)
        assert [request.payload for request in accel.requests] == [b"0"]
        assert waiters.resume(2).paused
        assert [request.payload for request in accel.requests] == [b"0", b"2"]
        newcomer.close()
        waiters.close()


@WAYS
def test_who_gives_up_leaves_the_queue_at_once(notify: str) -> None:
    """Not only when a slot falls free: until then it would keep its payload alive, and newcomers behind it."""
    with manual(notify, depth=1) as (_, engine):
        waiters = Waiters(engine, 3, notify)
        space = engine._performer.slots
        assert len(space.waiting) == 3
        for number, left in ((2, 2), (1, 1), (3, 0)):
            assert waiters.jobs[number].cancel()
            assert len(space.waiting) == left
        assert not space.turns
        waiters.close()


@WAYS
def test_who_gives_up_its_turn_passes_it_on(notify: str) -> None:
    with manual(notify, depth=1) as (accel, engine):
        waiters = Waiters(engine, 2, notify)
        complete_next(accel)
        assert waiters.woken() == [0, 1]
        assert waiters.jobs[1].cancel()
        assert waiters.woken() == [0, 2]
        assert waiters.resume(2).paused
        assert [request.payload for request in accel.requests] == [b"2"]
        waiters.close()


def test_what_never_got_a_slot_is_counted_as_it_was() -> None:
    with manual("fd", depth=1) as (accel, engine), WaitCtx() as ctx, WaitCtx() as other:
        holds = start_job(engine.call, "echo", b"0", wait_ctx=ctx)

        def waits() -> None:
            with pytest.raises(DeadlineError):
                engine.call("echo", b"1", deadline_ns=1_000)

        waiting = start_job(waits, wait_ctx=other)
        accel.clock.time_ns = 1_000
        accel.timers[0].fire()
        waiting.resume()
        assert waiting.done
        assert engine.statistics == EngineStatistics(
            operations=1, pauses=1, eagains=1, wakes=1, spurious_wakes=0, failed=1
        )
        gives_up = start_job(engine.call, "echo", b"2", wait_ctx=other)
        gives_up.cancel()
        assert engine.statistics == EngineStatistics(
            operations=2, pauses=2, eagains=2, wakes=1, spurious_wakes=0, failed=2
        )
        gets_one = start_job(engine.call, "echo", b"3", wait_ctx=other)
        complete_next(accel)
        for job in (holds, gets_one):
            job.resume()
        assert engine.statistics == EngineStatistics(
            operations=3, pauses=4, eagains=3, wakes=3, spurious_wakes=0, failed=2
        )
        complete_next(accel)
        gets_one.resume()
        assert engine.statistics == EngineStatistics(
            operations=4, pauses=5, eagains=3, wakes=4, spurious_wakes=0, failed=2
        )


@pytest.mark.parametrize("contract", ["qat", "strict", "dasync"])
def test_a_scheduler_waits_for_what_got_its_slot_after_silent_tries(contract: str) -> None:
    """Before, the status alone said that it must be tried again; once submitted, a wake is promised again."""
    with (
        Accelerator(depth=1, clock=VirtualClock(), latency="fixed:10us", seed=1) as accel,
        Engine(accel, "callback", contract, retry=Retry(wake="at_once")) as engine,
        Scheduler() as scheduler,
    ):
        assert scheduler.map(engine.sha256, BLOBS[:6]) == DIGESTS[:6]
        assert engine.statistics.spurious_wakes == 0
