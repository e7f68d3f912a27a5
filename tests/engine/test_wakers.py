"""The wakers by themselves: what each notes of a wake and of an end, and what it looks at when the job is resumed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType

import pytest

from engine import OperationError, start_job
from engine.modes import CALLBACKS, CONTRACTS
from engine.offload.operation import Operation
from engine.offload.wake_fds import wake_fd
from engine.offload.wakers import BlockedThread, FdWaker, QatCallback
from tests.engine.ways import complete_next, manual, readable
from waitctx import Callback, Status, WaitCtx


def no_sleep(thread: object) -> None:
    """Nobody sleeps here."""


def by_callback(contract: str, ctx: WaitCtx, fn: Callable[[object], object]) -> QatCallback:
    waker: QatCallback = CALLBACKS[contract](None, ctx, Callback(fn, None), no_sleep)
    return waker


def operation_of(waker: QatCallback | FdWaker) -> Operation:
    """In flight."""
    flight: dict[Operation, None] = {}
    operation = Operation("echo", b"", b"", None, flight, waker)
    flight[operation] = None
    return operation


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_wake_by_callback_is_noted_when_it_was_given(contract: str) -> None:
    """Until then another party may have to give it once more."""
    seen: list[bool] = []
    with WaitCtx() as ctx:
        waker = by_callback(contract, ctx, lambda arg: seen.append(operation.fired))
        operation = operation_of(waker)
        operation.complete()
        assert seen == [False]
        assert operation.fired


def test_a_failure_is_on_the_status_until_the_next_success() -> None:
    """By fd and with dasync, where no success sets a status of its own."""
    made = wake_fd()
    with WaitCtx() as ctx:
        wakers: list[FdWaker | QatCallback] = [FdWaker(None, ctx, made), by_callback("dasync", ctx, print)]
        for waker in wakers:
            erred = [waker.erred]
            for end, status in ((waker.end_badly, Status.ERR), (waker.end_well, Status.UNSUPPORTED)):
                end()
                assert ctx.status is status
                erred.append(waker.erred)
            assert erred == [False, True, False]
    made.close()


def test_a_nudge_whose_fd_was_closed_takes_the_callback() -> None:
    called: list[str] = []
    made = wake_fd()
    with WaitCtx() as ctx:
        waker = FdWaker(None, ctx, made)
        made.close()
        with pytest.raises(OperationError, match="can't be woken"):
            waker.nudge()
        ctx.set_callback(called.append, "called")
        waker.nudge()
        assert called == ["called"]
    waker.nudge()  # nobody waits at a closed context
    assert called == ["called"]


class WakeThatFails:
    """The lock of a wake fd, held by a thread that puts the operation back in flight because it could not be woken."""

    def __init__(self) -> None:
        self.operation: Operation | None = None

    def __enter__(self) -> None:
        assert self.operation is not None
        self.operation.done = False
        self.operation.flight[self.operation] = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def test_who_meets_a_wake_that_fails_waits_on() -> None:
    made, lock = wake_fd(), WakeThatFails()
    with WaitCtx() as ctx:
        waker = FdWaker(None, ctx, made)
        operation = operation_of(waker)
        del operation.flight[operation]
        operation.done = True  # and the wake is on its way
        made.lock, kept = lock, made.lock  # type: ignore[assignment]
        lock.operation = operation
        assert waker.resumed(operation) is False
        made.lock = kept
        made.close()


def test_who_is_resumed_before_the_wake_was_given_waits_for_it_and_leaves_no_token() -> None:
    """Another thread has settled the operation, and has the token in its hand."""
    made = wake_fd()
    with WaitCtx() as ctx:
        waker = FdWaker(None, ctx, made)
        operation = operation_of(waker)
        del operation.flight[operation]
        operation.done = True
        thread = threading.Thread(target=waker.wake, args=(operation,))
        with made.lock:
            thread.start()
        assert waker.resumed(operation) is True
        thread.join()
        assert operation.fired
        assert not readable(made.fd)
        made.close()


def test_the_fd_stays_when_the_engine_forgets_what_it_knew_of_the_context() -> None:
    """Its memo goes with each change of the callback."""
    with manual() as (accel, engine), WaitCtx() as ctx:
        seen = []
        for callback in (None, print, None):
            ctx.set_callback(callback)
            job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
            seen.append(ctx.all_fds())
            complete_next(accel)
            job.resume()
            assert job.result() == b"echo:x"
        assert seen == [seen[0]] * 3
        os.fstat(seen[0][0])


def test_a_status_that_was_changed_meanwhile_is_set_again_before_the_next_pause() -> None:
    with manual("callback") as (accel, engine), WaitCtx() as ctx:
        ctx.set_callback(lambda arg: None)
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        ctx.status = Status.ERR
        job.resume()
        assert job.paused
        assert ctx.status is Status.OK
        complete_next(accel)
        job.resume()
        assert job.result() == b"echo:x"


def test_the_end_of_the_context_closes_the_fd_whoever_still_has_its_waker() -> None:
    with manual() as (accel, engine):
        with WaitCtx() as ctx:
            job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
            fd, waker = ctx.get_fd(engine._performer._wakers._key)
            complete_next(accel)
            job.resume()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        assert waker.wake_fd.fd == -1


def test_a_thread_is_roused_when_it_was_and_not_before() -> None:
    thread = BlockedThread()
    assert thread.blocking
    assert not thread.roused()
    thread.rouse()
    thread.rouse()
    assert thread.roused()
    assert not thread.roused()
    thread.rouse()
    thread.sleep()  # ends at once
    assert not thread.roused()
