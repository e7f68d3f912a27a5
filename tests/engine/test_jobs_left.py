"""Jobs that their owner forgets, and what of a job outlives it: slots, cycles, context variables."""

from __future__ import annotations

import gc
import threading
import weakref
from contextvars import ContextVar

import pytest

from engine import Job, current_job, init_pool, pause_job, start_job
from tests.engine.job_kinds import Kind, both_kinds, finish, pausing
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import WaitCtx

VARIABLE: ContextVar[str] = ContextVar("VARIABLE")


# Forgotten


@both_kinds
def test_a_dropped_paused_job_is_collected_and_gives_its_slot_back(kind: Kind) -> None:
    init_pool(1)
    for _ in range(3):
        job = start_job(kind(pausing))
        gone = weakref.ref(job)
        del job
        gc.collect()
        assert gone() is None
    assert finish(start_job(kind(pausing))) == "done"


@both_kinds
def test_what_a_dropped_job_held_is_released(kind: Kind) -> None:
    steps = []

    async def body(held: object) -> None:
        try:
            await pause_job()
            steps.append("never")
        finally:
            steps.append("finally")

    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    job = start_job(kind(body), held)
    del held
    assert gone() is not None
    del job
    gc.collect()
    assert steps == ["finally"]
    assert gone() is None


@both_kinds
def test_a_job_dropped_behind_a_new_pool_is_no_slot_of_that(kind: Kind) -> None:
    init_pool(1)
    job = start_job(kind(pausing))
    init_pool(1, 1)
    del job
    gc.collect()
    assert finish(start_job(kind(pausing))) == "done"


@both_kinds
def test_a_job_dropped_on_another_thread(kind: Kind) -> None:
    """Its own thread is told at its next switch at the latest."""
    init_pool(1)
    jobs = [start_job(kind(pausing))]
    thread = threading.Thread(target=jobs.clear)
    thread.start()
    thread.join()
    gc.collect()
    # A greenlet ends on its own thread only, at that thread's next switch between any two.
    elsewhere = start_outside_the_pool()
    assert elsewhere == "switched"
    assert finish(start_job(kind(pausing))) == "done"


def start_outside_the_pool() -> str:
    from greenlet import greenlet

    return greenlet(lambda: "switched").switch()  # type: ignore[no-any-return]


@both_kinds
def test_a_job_in_a_cycle_of_its_own_is_collected(kind: Kind) -> None:
    """The job's own locals refer to nothing of it, but its owner's data may."""
    init_pool(1)
    owner: list[Job | list[object]] = [start_job(kind(pausing))]
    owner.append(owner)  # type: ignore[arg-type]
    gone = weakref.ref(owner[0])
    del owner
    gc.collect()
    assert gone() is None


@both_kinds
def test_a_finished_job_keeps_neither_function_arguments_nor_context(kind: Kind) -> None:
    class Held:
        pass

    held = Held()

    async def body(argument: Held) -> None:
        await pause_job()

    with WaitCtx() as ctx:
        job = start_job(kind(body), held, wait_ctx=ctx)
        gone = weakref.ref(held)
        del held
        finish(job)
        assert gone() is None


@both_kinds
def test_an_idle_slot_keeps_nothing_of_the_job_before(kind: Kind) -> None:
    class Result:
        pass

    async def body() -> Result:
        await pause_job()
        return Result()

    job = start_job(kind(body))
    finish(job)
    gone = weakref.ref(job.result())
    del job
    gc.collect()
    assert gone() is None


# Context variables


@both_kinds
def test_each_job_has_a_copy_of_the_callers_variables(kind: Kind) -> None:
    async def body(name: str) -> list[str]:
        seen = [VARIABLE.get()]
        VARIABLE.set(name)
        await pause_job()
        seen.append(VARIABLE.get())
        await pause_job()
        seen.append(VARIABLE.get())
        return seen

    token = VARIABLE.set("caller")
    jobs = [start_job(kind(body), name) for name in ("a", "b")]
    assert VARIABLE.get() == "caller"  # back at each pause
    for job in jobs:
        job.resume()
        assert VARIABLE.get() == "caller"
    VARIABLE.set("changed by the caller")
    assert [finish(job) for job in jobs] == [["caller", "a", "a"], ["caller", "b", "b"]]
    assert VARIABLE.get() == "changed by the caller"
    VARIABLE.reset(token)


@both_kinds
def test_a_reused_slot_has_the_variables_of_its_new_caller(kind: Kind) -> None:
    async def body(value: str | None) -> str:
        seen = VARIABLE.get()
        if value is not None:
            VARIABLE.set(value)
        await pause_job()
        return seen

    token = VARIABLE.set("first")
    assert finish(start_job(kind(body), "left over")) == "first"
    VARIABLE.set("second")
    assert finish(start_job(kind(body), None)) == "second"
    VARIABLE.reset(token)


@both_kinds
def test_the_callers_variables_are_back_behind_every_end(kind: Kind) -> None:
    async def body() -> None:
        VARIABLE.set("job")
        await pause_job()
        VARIABLE.set("job, later")
        raise KeyboardInterrupt

    token = VARIABLE.set("caller")
    with pytest.raises(KeyboardInterrupt):
        start_job(kind(body)).resume()
    assert VARIABLE.get() == "caller"
    start_job(kind(body)).cancel()
    assert VARIABLE.get() == "caller"
    assert current_job() is None
    VARIABLE.reset(token)
