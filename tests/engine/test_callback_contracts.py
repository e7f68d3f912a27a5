"""What the status of a wait context is at each point, in each contract: see the rules in engine/offload/wakers.py.

- qat: EAGAIN or OK before the pause; the callback alone tells of completion, and leaves the status; ERR behind a
  failure.
- strict: nothing while in flight; OK or ERR just before the callback.
- dasync: complete, with the callback called, before the pause; only EAGAIN and ERR are ever set.
- By fd: no status but ERR behind a failure, gone with the next success.
"""

from __future__ import annotations

from typing import Any

import pytest

from engine import DeadlineError, Engine, OperationError, Retry, RingFullError, start_job
from engine.modes import BY_FD
from simaccel.testing import ManualAccelerator
from tests.engine.ways import Calls, complete_next, manual
from waitctx import Status, WaitCtx

UNSUPPORTED, ERR, OK, EAGAIN = Status.UNSUPPORTED, Status.ERR, Status.OK, Status.EAGAIN
FAILURE = ValueError("the kernel's own reason")


def try_it(engine: Engine) -> OperationError | bytes:
    """An operation, or how it failed."""
    try:
        return engine.call("echo", b"x")
    except OperationError as error:
        return error


@pytest.mark.parametrize(
    ("contract", "in_flight", "at_callback", "behind"), [("qat", OK, OK, OK), ("strict", UNSUPPORTED, OK, OK)]
)
def test_status_of_a_success(contract: str, in_flight: Status, at_callback: Status, behind: Status) -> None:
    with manual("callback", contract) as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx)
        for number in (1, 2):
            job = start_job(try_it, engine, wait_ctx=ctx)
            assert ctx.status is in_flight
            job.resume()  # too early
            assert job.paused
            assert ctx.status is in_flight
            complete_next(accel)
            assert calls.statuses == [at_callback] * number
            assert ctx.status is at_callback
            job.resume()
            assert job.result() == b"echo:x"
            assert ctx.status is behind


@pytest.mark.parametrize(
    ("contract", "in_flight", "at_callback", "behind"), [("qat", OK, OK, ERR), ("strict", UNSUPPORTED, ERR, ERR)]
)
def test_status_of_a_failure(contract: str, in_flight: Status, at_callback: Status, behind: Status) -> None:
    with manual("callback", contract) as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx)
        job = start_job(try_it, engine, wait_ctx=ctx)
        assert ctx.status is in_flight
        complete_next(accel, error=FAILURE)
        assert calls.statuses == [at_callback]
        job.resume()
        assert job.result().__cause__ is FAILURE
        assert ctx.status is behind
        # The next operation sets a status of its own.
        job = start_job(try_it, engine, wait_ctx=ctx)
        assert ctx.status is in_flight
        complete_next(accel)
        job.resume()
        assert ctx.status is OK


@pytest.mark.parametrize(("error", "expected"), [(None, OK), (FAILURE, ERR)])
def test_strict_keeps_the_status_of_a_completion_that_comes_before_the_pause(
    error: BaseException | None, expected: Status
) -> None:
    """The status of an operation in flight is taken away, but not from one that has completed by then."""
    accel = ManualAccelerator()
    submit = accel.submit

    def submit_and_complete(request: Any) -> bool:
        taken = submit(request)
        accel.complete(request, error)
        return taken

    accel.submit = submit_and_complete  # type: ignore[method-assign]
    with Engine(accel, "callback", "strict") as engine, WaitCtx() as ctx:
        calls = Calls(ctx)
        job = start_job(try_it, engine, wait_ctx=ctx)
        assert job.paused
        assert (calls.statuses, ctx.status) == ([expected], expected)
        job.resume()
        assert job.done


def test_dasync_is_complete_and_has_called_before_the_pause() -> None:
    with manual("callback", "dasync") as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        for number in (1, 2, 3):
            job = start_job(try_it, engine, wait_ctx=ctx)
            assert job.paused
            assert not accel.requests
            assert calls.statuses == [UNSUPPORTED] * number
            job.resume()
            assert job.result() == b"echo:x"
            assert ctx.status is UNSUPPORTED


def test_dasync_sets_err_for_a_failure_and_clears_it() -> None:
    with manual("callback", "dasync") as (accel, engine), WaitCtx() as ctx:
        calls = Calls(ctx)
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel, error=FAILURE))
        job = start_job(try_it, engine, wait_ctx=ctx)
        job.resume()
        assert job.result().__cause__ is FAILURE
        assert ctx.status is ERR
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
        job = start_job(try_it, engine, wait_ctx=ctx)
        job.resume()
        assert job.result() == b"echo:x"
        assert ctx.status is UNSUPPORTED
        assert calls.count == 2


@pytest.mark.parametrize("notify", BY_FD)
def test_by_fd_only_a_failure_sets_a_status(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        for error, behind in [(None, UNSUPPORTED), (FAILURE, ERR), (None, UNSUPPORTED)]:
            job = start_job(try_it, engine, wait_ctx=ctx)
            complete_next(accel, error=error)
            job.resume()
            assert job.done
            assert ctx.status is behind


@pytest.mark.parametrize("notify", BY_FD)
def test_by_fd_a_status_of_somebody_else_is_left_alone(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        ctx.status = 77
        job = start_job(try_it, engine, wait_ctx=ctx)
        complete_next(accel)
        job.resume()
        assert ctx.status == 77


@pytest.mark.parametrize("contract", ["qat", "strict"])
@pytest.mark.parametrize(("retry", "called"), [(Retry(wake="at_once"), 0), (Retry(), 1)])
def test_status_eagain_on_a_full_ring(contract: str, retry: Retry, called: int) -> None:
    """Woken at once there is no callback: the status alone says that the application must resume it by itself."""
    with manual("callback", contract, retry, depth=1) as (accel, engine), WaitCtx() as ctx, WaitCtx() as first_ctx:
        first_calls, calls = Calls(first_ctx), Calls(ctx)
        first = start_job(engine.call, "echo", b"1", wait_ctx=first_ctx)
        second = start_job(engine.call, "echo", b"2", wait_ctx=ctx)
        assert ctx.status is EAGAIN
        second.resume()
        assert second.paused
        assert ctx.status is EAGAIN
        assert calls.count == 0
        complete_next(accel)
        assert (first_calls.count, calls.count) == (1, called)
        assert ctx.status is EAGAIN
        second.resume()
        assert second.paused
        assert ctx.status is (OK if contract == "qat" else UNSUPPORTED)
        complete_next(accel)
        assert calls.count == called + 1
        second.resume()
        first.resume()
        assert (first.result(), second.result()) == (b"echo:1", b"echo:2")


@pytest.mark.parametrize("notify", ["fd", "pipe", "callback"])
def test_every_fatal_end_sets_err(notify: str) -> None:
    """The device's failure, a ring that stays full, a deadline, a cancel, and the end of the engine."""
    accel = ManualAccelerator(depth=1)
    retry = Retry(wake="at_once", limit=1)
    with WaitCtx() as other_ctx, WaitCtx() as ctx:
        engine = Engine(accel, notify, "qat", retry)
        if notify == "callback":
            Calls(ctx)
            Calls(other_ctx)
        other = start_job(engine.call, "null", wait_ctx=other_ctx)
        full = start_job(engine.call, "null", wait_ctx=ctx)
        full.resume()
        assert isinstance(full.exception, RingFullError)
        assert ctx.status is ERR
        complete_next(accel)
        other.resume()
        assert other.result() == b"null:"

        ctx.status = UNSUPPORTED
        late = start_job(lambda: engine.call("null", deadline_ns=5), wait_ctx=ctx)
        accel.clock.time_ns = 5
        accel.timers[0].fire()
        late.resume()
        assert isinstance(late.exception, DeadlineError)
        assert ctx.status is ERR
        complete_next(accel)

        ctx.status = UNSUPPORTED
        cancelled = start_job(engine.call, "null", wait_ctx=ctx)
        cancelled.cancel()
        assert ctx.status is ERR
        complete_next(accel)

        ctx.status = UNSUPPORTED
        closed = start_job(engine.call, "null", wait_ctx=ctx)
        engine.close()
        closed.resume()
        assert closed.exception is not None
        assert ctx.status is ERR
        complete_next(accel)
        assert accel.answers == [None, 1, 1, 1]


def test_the_callback_is_the_one_that_was_set_when_the_operation_began() -> None:
    """A context may get another callback between two operations, and none."""
    with manual("callback") as (accel, engine), WaitCtx() as ctx:
        one = Calls(ctx)
        job = start_job(try_it, engine, wait_ctx=ctx)
        two = Calls(ctx)
        complete_next(accel)
        job.resume()
        assert (one.count, two.count) == (1, 0)
        job = start_job(try_it, engine, wait_ctx=ctx)
        complete_next(accel)
        job.resume()
        assert (one.count, two.count) == (1, 1)
        ctx.set_callback(None)
        job = start_job(try_it, engine, wait_ctx=ctx)
        assert len(ctx.all_fds()) == 1
        complete_next(accel)
        job.resume()
        assert job.result() == b"echo:x"
