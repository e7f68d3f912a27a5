"""An engine or an accelerator that ends with operations in flight: everybody is told, nobody waits for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import sim
from engine import ClosedError, Engine, Job, OperationError, Retry, Scheduler, UsageError, start_job
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock
from tests.engine.ways import Calls, complete_next, manual
from tests.loops import Loop, both_loops, reached, turn
from waitctx import WaitCtx

RETRIES = [Retry(), Retry(wake="at_once"), Retry(wake="at_once", backoff_ns=10**12, backoff_max_ns=10**12)]


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("virtual", [False, True])
def test_an_engine_closed_with_operations_in_flight(notify: str, virtual: bool) -> None:
    """From within a job, while others are in flight and wait for slots."""
    accel = Accelerator(depth=4, latency="fixed:3600s", clock=VirtualClock() if virtual else None)
    with Scheduler() as scheduler:
        engine = Engine(accel, notify)
        jobs = [scheduler.spawn(engine.call, "null") for _ in range(8)]
        scheduler.spawn(engine.close)
        scheduler.run()
        for job in jobs:
            with pytest.raises(ClosedError, match="the engine was closed while this operation was in flight"):
                job.result()
        with pytest.raises(ClosedError, match="the engine was closed"):
            engine.call("null")
        with pytest.raises(ClosedError, match="the engine was closed"):
            scheduler.map(engine.call, ["null"])
    accel.close(drain=False)
    assert accel.statistics().orphaned == 4


def test_an_engine_closed_by_another_thread_frees_who_is_blocked() -> None:
    accel = Accelerator(latency="fixed:3600s")
    engine = Engine(accel)
    submitted = threading.Event()

    def tell(payload: bytes) -> bytes:
        submitted.set()
        return payload

    accel.register("tell", tell)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            engine.call("tell")
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    submitted.wait()
    engine.close()
    thread.join()
    assert len(errors) == 1
    accel.close(drain=False)


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("retry", RETRIES, ids=["space", "at_once", "backoff"])
@pytest.mark.parametrize("drain", [False, True])
def test_an_accelerator_closed_under_an_engine(notify: str, virtual: bool, retry: Retry, drain: bool) -> None:
    """What is in flight completes or fails, and who waits for a slot meets the refusal: nobody is left waiting."""
    latency = "fixed:50ms" if drain else "fixed:3600s"  # none is over before the last job has started
    accel = Accelerator(depth=4, latency=latency, clock=VirtualClock() if virtual else None)
    with Engine(accel, notify, retry=retry) as engine, Scheduler() as scheduler:
        jobs = [scheduler.spawn(engine.call, "null") for _ in range(12)]
        scheduler.spawn(lambda: accel.close(drain=drain))
        scheduler.run()
        assert all(job.done for job in jobs)
        done = [job for job in jobs if job.exception is None]
        assert len(done) == (4 if drain else 0)
        for job in jobs:
            if job.exception is not None:
                assert _cause(job).args[0].startswith("the accelerator was closed")
        assert engine.in_flight == 0
        with pytest.raises(OperationError) as refused:
            engine.call("null")
        assert isinstance(refused.value.__cause__, sim.ClosedError)


def _cause(job: Job) -> BaseException:
    assert isinstance(job.exception, OperationError)
    assert isinstance(job.exception.__cause__, sim.ClosedError)
    return job.exception.__cause__


def test_an_accelerator_closed_under_blocked_threads() -> None:
    """One is in flight; the others wait for its slot."""
    accel = Accelerator(depth=1, latency="fixed:3600s")
    engine = Engine(accel, retry=Retry(backoff_ns=10**12, backoff_max_ns=10**12))
    refused: list[BaseException | None] = []

    def call() -> None:
        try:
            engine.call("null")
        except OperationError as error:
            refused.append(error.__cause__)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    while engine.in_flight < 4 or accel.in_flight < 1:
        pass
    accel.close(drain=False)
    for thread in threads:
        thread.join()
    assert [type(error) for error in refused] == [sim.ClosedError] * 4
    engine.close()


def test_closing_the_accelerator_makes_no_deadline_pass() -> None:
    accel = Accelerator(depth=1, clock=VirtualClock(), latency="fixed:3600s")
    with Engine(accel) as engine, WaitCtx() as ctx, WaitCtx() as other:
        held = start_job(engine.call, "null", wait_ctx=other)
        job = start_job(lambda: engine.call("null", deadline_ns=10**12), wait_ctx=ctx)
        accel.close(drain=False)
        for each in (held, job):
            each.resume()
            _cause(each)


def test_completions_left_on_the_ring_by_a_polling_engine_free_their_slots() -> None:
    """Nobody polls any more, and no interrupt comes for what is there already."""
    with Accelerator(depth=2, clock=VirtualClock()) as accel:
        with Engine(accel, "poll") as polling:
            contexts = [WaitCtx() for _ in range(2)]
            jobs = [start_job(polling.call, "null", wait_ctx=ctx) for ctx in contexts]
            accel.clock.jump()  # type: ignore[union-attr]
            assert accel.free_slots == 0
        with Engine(accel, "fd") as engine, Scheduler() as scheduler:
            assert scheduler.map(engine.call, ["echo"] * 4, [b"1", b"2", b"3", b"4"]) == [b"1", b"2", b"3", b"4"]
        for job, ctx in zip(jobs, contexts, strict=True):
            job.cancel()
            ctx.close()
        assert accel.statistics().orphaned == 2


def test_the_same_in_real_time() -> None:
    with Accelerator(depth=2) as accel:
        told = threading.Event()
        with Engine(accel, "poll") as polling:
            contexts = [WaitCtx() for _ in range(2)]
            jobs = [start_job(polling.call, "null", wait_ctx=ctx) for ctx in contexts]
            polling.notify_once(told.set)
            told.wait()
        with Engine(accel, "fd") as engine, Scheduler() as scheduler:
            assert scheduler.map(engine.call, ["echo"] * 3, [b"1", b"2", b"3"]) == [b"1", b"2", b"3"]
        for job, ctx in zip(jobs, contexts, strict=True):
            job.cancel()
            ctx.close()


def test_all_are_told_though_one_callback_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))
    with manual("callback") as (accel, engine):
        contexts = [WaitCtx() for _ in range(3)]
        calls = [Calls(ctx) for ctx in contexts]

        def bad(_: object) -> None:
            raise ZeroDivisionError

        contexts[1].set_callback(bad)
        jobs = [start_job(engine.call, "null", wait_ctx=ctx) for ctx in contexts]
        engine.close()
        assert [type(error) for error in reported] == [ZeroDivisionError]
        assert (calls[0].count, calls[2].count) == (1, 1)
        for job, ctx in zip(jobs, contexts, strict=True):
            job.resume()
            assert isinstance(job.exception, ClosedError)
            ctx.close()
        for _ in range(3):
            complete_next(accel)
        assert accel.answers == [1, 1, 1]


def test_those_in_flight_are_told_in_the_order_of_their_calls() -> None:
    with manual("callback") as (_, engine):
        order: list[int] = []
        contexts = [WaitCtx() for _ in range(50)]
        jobs = []
        for number, ctx in enumerate(contexts):
            ctx.set_callback(order.append, number)
            jobs.append(start_job(engine.call, "null", wait_ctx=ctx))
        engine.close()
        assert order == list(range(50))
        for job, ctx in zip(jobs, contexts, strict=True):
            job.resume()
            ctx.close()


def test_closing_twice_and_leaving_by_an_exception() -> None:
    with Accelerator() as accel:
        engine = Engine(accel)
        with pytest.raises(ZeroDivisionError), engine:
            raise ZeroDivisionError
        engine.close()
        with pytest.raises(ClosedError):
            engine.call("null")


def test_one_engine_polls_or_another_is_interrupted_but_not_both() -> None:
    with Accelerator() as accel:
        with Engine(accel, "poll"), pytest.raises(sim.UsageError, match="give it an accelerator of its own"):
            Engine(accel, "fd")
        with Engine(accel, "fd") as engine:
            assert engine.call("echo", b"x") == b"x"
            with pytest.raises(UsageError, match="notify='fd' does not poll: make the engine with notify=\"poll\""):
                engine.poll()


@both_loops
@pytest.mark.parametrize("notify", NOTIFY)
def test_a_loop_that_ends_with_operations_in_flight_leaves_the_device_whole(loop: Loop, notify: str) -> None:
    """The completion finds a closed loop: that is nobody's failure."""
    with Accelerator(clock=VirtualClock(), latency="fixed:1ms") as accel, Engine(accel, notify) as engine:

        async def leave() -> None:
            awaitables = (engine.aio.call("null"), engine.aio.run(engine.call, "null"))
            tasks = [loop.spawn(each) for each in awaitables]
            await turn()
            for task in tasks:
                task.cancel()

        loop.run(leave)
        assert engine.call("echo", b"x") == b"x"
        assert accel.statistics().handler_errors == 0


@both_loops
@pytest.mark.parametrize("notify", ["fd", "poll"])
def test_the_same_on_the_device_s_own_thread(loop: Loop, notify: str) -> None:
    """The kernel is held until the loop is gone, so that the completion meets a closed loop."""
    go_on = threading.Event()
    with Accelerator() as accel, Engine(accel, notify) as engine:
        accel.register("held", lambda payload: (go_on.wait(), payload)[1])

        async def leave() -> None:
            task = loop.spawn(engine.aio.call("held"))
            await reached(lambda: bool(engine.in_flight))
            task.cancel()

        loop.run(leave)
        go_on.set()
        assert engine.call("echo", b"x") == b"x"
        assert accel.statistics().handler_errors == 0
        assert accel.statistics().orphaned == 1


def test_an_engine_that_is_closed_between_the_look_and_the_queue_refuses() -> None:
    """A string's hash is asked for in between: it stands for another thread, or a signal handler."""

    class Op(str):
        __slots__ = ()

        def __hash__(self) -> int:
            closed.close()
            return super().__hash__()

    with Accelerator(depth=1, latency="fixed:1ms", clock=VirtualClock()) as accel, Engine(accel) as other:
        closed = Engine(accel)
        with Scheduler() as scheduler:
            first = scheduler.spawn(other.sha256, b"takes the slot")
            late = scheduler.spawn(closed.call, Op("sha256"), b"would wait for one")
            scheduler.run()
        assert len(first.result()) == 32
        assert isinstance(late.exception, ClosedError)
        assert closed.in_flight == 0
