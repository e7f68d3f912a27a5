"""A wake is never lost, whenever it comes; a resume that comes too early waits on; no token reaches the next operation.

The order of submit, completion, pause and resume is forced: the accelerator completes when it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import Engine, Job, JobState, start_job
from engine.modes import BY_FD, CONTRACTS
from engine.offload.wake_fds import HAS_EVENTFD, EventFd, Pipe, WakeFd
from simaccel.testing import ManualAccelerator
from tests.engine.ways import Calls, complete_next, manual, readable
from waitctx import WaitCtx

Job_ = Callable[[Any, list[Any]], Any]


def stackful(engine: Any, results: list[Any]) -> Callable[[], None]:
    """A job of two operations, as a plain function."""

    def job() -> None:
        for payload in (b"1", b"2"):
            results.append(engine.call("echo", payload))

    return job


def stackless(engine: Any, results: list[Any]) -> Callable[[], Any]:
    """The same as an `async def`."""

    async def job() -> None:
        for payload in (b"1", b"2"):
            results.append(await engine.aio.call("echo", payload))

    return job


KINDS = pytest.mark.parametrize("kind", [stackful, stackless])


@KINDS
@pytest.mark.parametrize("notify", BY_FD)
def test_by_fd_the_token_comes_with_the_completion(kind: Job_, notify: str) -> None:
    results: list[bytes] = []
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(kind(engine, results), wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        assert ctx.changed_fds() == ([fd], [])
        for number in (1, 2):
            assert job.paused
            assert not readable(fd)
            complete_next(accel)
            assert readable(fd)
            job.resume()
            assert len(results) == number
            assert not readable(fd)
        assert job.done
        assert results == [b"echo:1", b"echo:2"]
        assert ctx.changed_fds() == ([], [])
        assert engine.statistics.spurious_wakes == 0


@KINDS
@pytest.mark.parametrize("notify", [*BY_FD, "callback", "poll"])
def test_a_resume_too_early_pauses_again(kind: Job_, notify: str) -> None:
    results: list[bytes] = []
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        if notify not in BY_FD:
            Calls(ctx)
        job = start_job(kind(engine, results), wait_ctx=ctx)
        for number in (1, 2):
            for _ in range(3):
                job.resume()
                assert job.paused
                assert len(results) == number - 1
            complete_next(accel)
            job.resume()
            assert len(results) == number
        assert job.done
        assert engine.statistics.spurious_wakes == 6
        assert engine.statistics.operations == 2


@KINDS
@pytest.mark.parametrize("notify", [*BY_FD, "callback"])
def test_a_completion_within_the_submit_is_not_lost(kind: Job_, notify: str) -> None:
    """The wake comes before the pause, and still there is a pause: a wait fd was announced."""
    results: list[bytes] = []
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx) if notify == "callback" else None
        submit = accel.submit

        def submit_and_complete(request: Any) -> bool:
            taken = submit(request)
            accel.complete(request)
            return taken

        accel.submit = submit_and_complete  # type: ignore[method-assign]
        engine = Engine(accel, notify)  # the other one took the other submit for its own
        job = start_job(kind(engine, results), wait_ctx=ctx)
        for number in (1, 2):
            assert job.paused
            if calls is None:
                assert readable(ctx.all_fds()[0])
            else:
                assert calls.count == number  # before the pause: the application must have latched it
            job.resume()
            assert len(results) == number
        assert job.done
        assert all(not readable(fd) for fd in ctx.all_fds())
        assert engine.statistics.spurious_wakes == 0
        engine.close()


@pytest.mark.parametrize("notify", BY_FD)
def test_no_token_of_a_cancelled_operation_reaches_the_next(notify: str) -> None:
    """Cancelled in flight, cancelled when it was complete, and past its deadline: the fd is empty each time."""
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        for completed in (False, True):
            job = start_job(engine.call, "echo", b"given up", wait_ctx=ctx)
            request = accel.requests[0]
            if completed:
                accel.complete(request)
            assert job.cancel()
            assert job.state is JobState.CANCELLED
            if not completed:
                accel.complete(request)  # late: for nobody
            (fd,) = ctx.all_fds()
            assert not readable(fd)
        assert accel.answers == [1, None]
        job = start_job(engine.call, "echo", b"kept", wait_ctx=ctx)
        assert not readable(fd)
        job.resume()
        assert job.paused
        complete_next(accel)
        job.resume()
        assert job.result() == b"echo:kept"


@pytest.mark.parametrize("notify", BY_FD)
def test_a_token_from_elsewhere_is_only_a_wake_too_early(notify: str) -> None:
    """A fault device, or another program, may write to the fd at any time."""
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        accel.requests[0].wake()
        assert readable(fd)
        job.resume()
        assert job.paused
        assert not readable(fd)
        accel.requests[0].wake()
        complete_next(accel)
        job.resume()
        assert job.result() == b"echo:x"
        assert not readable(fd)


@pytest.mark.parametrize("notify", BY_FD)
def test_a_token_behind_the_look_at_the_fd_is_taken_too(notify: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume too early, and the completion just behind its look at the fd: result and token are both there."""
    fd_type: type[WakeFd] = EventFd if notify == "fd" and HAS_EVENTFD else Pipe
    drain = fd_type.drain
    with manual(notify) as (accel, engine), WaitCtx() as ctx:

        def drain_and_complete(self: WakeFd) -> bool:
            found = drain(self)
            if accel.requests:
                complete_next(accel)
            return found

        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        monkeypatch.setattr(fd_type, "drain", drain_and_complete)
        job.resume()
        assert job.result() == b"echo:x"
        assert not readable(fd)


@KINDS
@pytest.mark.parametrize("contract", CONTRACTS)
def test_by_callback_driven_by_hand_with_latching(kind: Job_, contract: str) -> None:
    """The loop of an application: resume when the callback has been called since the last time."""
    results: list[bytes] = []
    with manual("callback", contract) as (accel, engine), WaitCtx() as ctx:
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        calls = Calls(ctx)
        job = start_job(kind(engine, results), wait_ctx=ctx)
        seen = 0
        while job.paused:
            if calls.count == seen:
                complete_next(accel)
            assert calls.count == seen + 1
            seen = calls.count
            job.resume()
        assert results == [b"echo:1", b"echo:2"]
        assert seen == 2
        assert ctx.all_fds() == []


@KINDS
@pytest.mark.parametrize("quota", [0, 1, 3])
def test_by_polling_driven_by_hand(kind: Job_, quota: int) -> None:
    """Nothing completes but in poll, which hands out at most its quota, oldest first, in the caller's thread."""
    with manual("poll") as (accel, engine):
        jobs: list[tuple[Job, WaitCtx, Calls, list[bytes]]] = []
        for _ in range(7):
            ctx, results = WaitCtx(), list[bytes]()
            calls = Calls(ctx)
            jobs.append((start_job(kind(engine, results), wait_ctx=ctx), ctx, calls, results))
        assert engine.poll(quota) == 0
        for request in list(accel.requests):
            accel.complete(request)
        assert all(calls.count == 0 for _, _, calls, _ in jobs)
        assert engine.poll(quota) == (quota or 7)
        assert [calls.count for _, _, calls, _ in jobs] == [1] * (quota or 7) + [0] * (7 - (quota or 7))
        while any(job.paused for job, _, _, _ in jobs):
            for request in list(accel.requests):
                accel.complete(request)
            engine.poll(quota)
            for job, _, calls, results in jobs:
                if job.paused and calls.count > len(results):
                    job.resume()
        assert all(results == [b"echo:1", b"echo:2"] for _, _, _, results in jobs)
        for _, ctx, _, _ in jobs:
            ctx.close()


def test_polling_falls_back_to_the_fd_where_a_context_has_no_callback() -> None:
    with manual("poll") as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        accel.complete(accel.requests[0])
        assert not readable(fd)
        assert engine.poll() == 1
        assert readable(fd)
        job.resume()
        assert job.result() == b"echo:x"


@pytest.mark.parametrize(("op", "limit"), [("sha256", 24), ("rsa-sign", 48)])
def test_heuristic_polling_polls_by_itself_at_its_limit(op: str, limit: int) -> None:
    """QAT_Engine's numbers: 24 symmetric or 48 asymmetric in flight."""
    accel = _CountsPolls()
    with Engine(accel, "heuristic") as engine:
        jobs: list[Job] = []
        for _ in range(limit - 1):
            jobs.append(start_job(engine.call, op, b"", wait_ctx=_with_callback()))
        assert accel.polls == 0
        jobs.append(start_job(engine.call, op, b"", wait_ctx=_with_callback()))
        assert accel.polls == 1
        for job in jobs:
            assert job.cancel()


def _with_callback() -> WaitCtx:
    ctx = WaitCtx()
    Calls(ctx)
    return ctx


class _Kernel:
    def __init__(self, asymmetric: bool) -> None:
        self.asymmetric = asymmetric


class _CountsPolls(ManualAccelerator):
    polls = 0

    def prepare(self, request: Any) -> None:
        super().prepare(request)
        request.kernel = _Kernel(request.op == "rsa-sign")

    def poll(self, quota: int = 0) -> int:
        self.polls += 1
        return super().poll(quota)
