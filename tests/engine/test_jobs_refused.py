"""What can't be done to a job: a clear error each, and nothing has changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from operator import methodcaller
from typing import Any

import pytest
from greenlet import GreenletExit

from engine import Job, JobState, UsageError, cleanup_pool, current_job, pause_job, start_job
from engine.jobs.start import new_job
from engine.jobs.states import TRANSITIONS
from tests.engine.job_kinds import Kind, both_kinds, finish, pausing
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import WaitCtx

EVENTS: dict[str, Callable[[Job], object]] = {name: methodcaller(name) for name in ("start", "resume", "cancel")}
"""What others do to a job; the other events of the table are what it does itself."""
ENDS = (JobState.FINISHED, JobState.CANCELLED)


def test_the_table_knows_every_event() -> None:
    itself = {"pause", "return", "raise", "raise JobCancelled"}
    assert {event for _, event in TRANSITIONS} == itself | set(EVENTS)
    assert {state for state, event in TRANSITIONS if event in itself} == {JobState.RUNNING}
    assert not {state for state, _ in TRANSITIONS} & set(ENDS)
    assert set(TRANSITIONS.values()) == set(JobState) - {JobState.NEW}


def job_in(state: JobState, kind: Kind, fn: Callable[[Job], object]) -> Job:
    """Bring a job into that state, do fn to it there, and return it."""

    async def body() -> str:
        job = current_job()
        assert job is not None
        await pause_job()
        if state is JobState.RUNNING:
            fn(job)
        return "done"

    job = new_job(kind(body), (), None, False)
    if state is not JobState.NEW:
        job.start()
    if state in (JobState.RUNNING, JobState.FINISHED):
        job.resume()
    if state is JobState.CANCELLED:
        job.cancel()
    if state is not JobState.RUNNING:
        assert job.state is state
        fn(job)
    return job


@both_kinds
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", JobState)
def test_transition_table(state: JobState, event: str, kind: Kind) -> None:
    said: list[str | object] = []

    def attempt(job: Job) -> None:
        before = (job.state, job.wait_ctx, job.exception, current_job())
        try:
            said.append(EVENTS[event](job))
        except UsageError as error:
            said.append(str(error))
        if (state, event) not in TRANSITIONS:
            assert (job.state, job.wait_ctx, job.exception, current_job()) == before

    job = job_in(state, kind, attempt)
    if (state, event) in TRANSITIONS:
        # A job that is started or resumed runs on within the call, to whatever comes next.
        after = {("new", "start"): "paused", ("new", "cancel"): "cancelled"}
        after |= {("paused", "resume"): "finished", ("paused", "cancel"): "cancelled"}
        assert job.state.value == after[state.value, event]
        assert said == [True if event == "cancel" else None]
    elif event == "cancel" and state in ENDS:
        assert said == [True]  # it has ended: that is what was asked for
    else:
        expected = "from inside itself" if state is JobState.RUNNING else f"can't {event} a job that is {state.value}"
        assert len(said) == 1
        assert expected in str(said[0])
    if not job.done:
        job.cancel()
    cleanup_pool()


@both_kinds
@pytest.mark.parametrize("event", EVENTS)
def test_a_job_inside_a_job(event: str, kind: Kind) -> None:
    """Whatever is done to another job while one is running."""
    other = new_job(kind(pausing), (), None, False)
    if event != "start":
        other.start()
    state = other.state

    async def body() -> str:
        with pytest.raises(UsageError, match="inside a job"):
            EVENTS[event](other)
        assert other.state is state
        await pause_job()
        return "unharmed"

    assert finish(start_job(kind(body))) == "unharmed"
    EVENTS[event](other)
    if not other.done:
        assert finish(other) == "done"
    cleanup_pool()


@both_kinds
def test_start_job_inside_a_job(kind: Kind) -> None:
    async def body() -> str:
        with pytest.raises(UsageError, match="inside a job"):
            start_job(kind(pausing))
        return "unharmed"

    assert finish(start_job(kind(body))) == "unharmed"
    cleanup_pool()  # the refused one has taken nothing


@both_kinds
@pytest.mark.parametrize("event", ["resume", "cancel"])
def test_on_another_thread(event: str, kind: Kind) -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd("key", 7)
        job = start_job(kind(pausing), wait_ctx=ctx)
        said = []

        def elsewhere() -> None:
            with pytest.raises(UsageError, match="on another thread") as caught:
                EVENTS[event](job)
            said.append(caught.value)
            assert finish(start_job(kind(pausing))) == "done"  # that thread is unharmed

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(said) == 1
        assert job.paused
        assert ctx.changed_fds() == ([7], [])  # no reset
        assert finish(job) == "done"


@both_kinds
def test_starting_a_paused_job_again_says_what_it_is(kind: Kind) -> None:
    job = start_job(kind(pausing))
    with pytest.raises(UsageError, match="can't start a job that is paused"):
        job.start()
    assert finish(job) == "done"


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("fn", [generator, async_generator])
def test_generators_are_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="is a generator"):
        start_job(fn)
    cleanup_pool()


@pytest.mark.parametrize("fn", [5, None, "name"])
def test_what_is_no_function_is_refused(fn: Any) -> None:
    with pytest.raises(UsageError, match="a job runs a function") as caught:
        start_job(fn)
    assert repr(fn) in str(caught.value)
    cleanup_pool()


def test_a_coroutine_instead_of_its_function_is_refused() -> None:
    def returns_a_coroutine() -> Any:
        return pausing()

    job = start_job(returns_a_coroutine)
    with pytest.raises(UsageError, match="pass the async def itself"):
        job.result()


@both_kinds
def test_arguments_that_do_not_fit_take_no_slot(kind: Kind) -> None:
    """Wherever the TypeError comes out, nothing may be left of the job."""
    with pytest.raises(TypeError):
        start_job(kind(pausing), 1, 2, 3).result()
    cleanup_pool()


def test_forgotten_await() -> None:
    async def forgets() -> str:
        pause_job()
        return "never paused"

    job = start_job(forgets)
    with pytest.raises(UsageError, match="without await"):
        job.result()
    assert finish(start_job(pausing)) == "done"


def test_forgotten_await_before_another_pause() -> None:
    async def forgets() -> None:
        pause_job()
        await pause_job()

    with pytest.raises(UsageError, match="an earlier pause_job"):
        start_job(forgets).result()
    assert finish(start_job(pausing)) == "done"


def test_a_forgotten_await_does_not_hide_the_jobs_own_exception() -> None:
    async def forgets() -> None:
        pause_job()
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        start_job(forgets).result()
    assert finish(start_job(pausing)) == "done"


class Foreign:
    def __await__(self) -> Generator[str, None, None]:
        yield "of another loop"


def test_a_foreign_awaitable_is_refused_where_it_stands() -> None:
    async def awaits() -> str:
        try:
            await Foreign()
        except UsageError as error:
            await pause_job()  # the job may catch it and go on
            return str(error)
        raise AssertionError

    job = start_job(awaits)
    assert job.paused
    assert "awaited 'of another loop', which is not a pause" in finish(job)


def test_a_foreign_awaitable_behind_a_pause() -> None:
    async def awaits() -> None:
        await pause_job()
        await asyncio.sleep(0)

    job = start_job(awaits)
    job.resume()
    with pytest.raises(UsageError, match="which is not a pause"):
        job.result()


@both_kinds
def test_greenlet_exit_is_an_exception_like_any_other(kind: Kind) -> None:
    """greenlet itself uses it to end a greenlet, and so may a library that a job calls."""

    async def body() -> None:
        await pause_job()
        raise GreenletExit

    job = start_job(kind(body))
    with pytest.raises(GreenletExit):
        finish(job)
    assert job.state is JobState.FINISHED
    assert finish(start_job(kind(pausing))) == "done"
    cleanup_pool()
