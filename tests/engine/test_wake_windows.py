"""The windows in which an operation is taken out of flight and its waiter is not yet woken, held open.

Another thread completes, and waits within the window until the job's own thread waits for it.
"""

from __future__ import annotations

import threading
from typing import Any, Self

import pytest

from engine import Engine, start_job
from engine.offload.wakers import BlockedThread
from sim import Accelerator, VirtualClock
from simaccel.testing import ManualAccelerator
from tests.engine.ways import RealManualClock, manual, readable
from waitctx import Status, WaitCtx

BY_FD = ("fd", "pipe")


class HeldLock:
    """The lock of a wake fd: a thread that completes gets it once the job's thread, which made this, asks for it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.asked = threading.Event()
        self._mine = threading.current_thread()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if threading.current_thread() is self._mine:
            self.asked.set()
        else:
            self.reached.set()
            self.asked.wait()
        self._lock.acquire()
        return self

    def __exit__(self, *args: object) -> None:
        self._lock.release()


def complete_held(accel: ManualAccelerator, ctx: WaitCtx) -> tuple[HeldLock, threading.Thread]:
    """Complete the oldest request on a thread, and return when it is out of flight and its token not written."""
    lock = ctx.memo.wake_fd.lock = HeldLock()
    thread = threading.Thread(target=accel.complete, args=(accel.requests[0],))
    thread.start()
    lock.reached.wait()
    return lock, thread


@pytest.mark.parametrize("notify", BY_FD)
def test_who_gives_up_while_the_token_is_on_its_way_waits_for_it(notify: str) -> None:
    """Else it would be found by the next operation of that wait context."""
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        lock, thread = complete_held(accel, ctx)
        assert job.cancel()
        waited = lock.asked.is_set()
        lock.asked.set()
        thread.join()
        assert waited
        assert not readable(fd)


@pytest.mark.parametrize("notify", BY_FD)
def test_who_finds_another_token_while_its_own_is_on_its_way_waits_for_it(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        accel.requests[0].wake()  # for nothing
        assert readable(fd)
        lock, thread = complete_held(accel, ctx)
        job.resume()
        waited = lock.asked.is_set()
        lock.asked.set()
        thread.join()
        assert waited
        assert job.result() == b"echo:1"
        assert not readable(fd)
        assert engine.statistics.spurious_wakes == 0


@pytest.mark.parametrize("notify", BY_FD)
def test_a_token_for_nothing_ends_no_operation(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        accel.requests[0].wake()
        job.resume()
        assert job.paused
        assert engine.statistics.spurious_wakes == 1
        accel.complete(accel.requests[0])
        job.resume()
        assert job.result() == b"echo:1"


def test_dasync_calls_back_before_the_pause_also_if_another_thread_is_just_about_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, slept = threading.Event(), threading.Event()
    events: list[str] = []
    sleep = BlockedThread.sleep

    def noted_sleep(thread: BlockedThread) -> None:
        slept.set()
        sleep(thread)

    monkeypatch.setattr(BlockedThread, "sleep", noted_sleep)

    def callback(arg: object) -> None:
        entered.set()
        slept.wait()
        events.append("called")

    class CompletesAside(ManualAccelerator):
        """On a thread, of which the submit waits until it calls back."""

        thread: threading.Thread

        def submit(self, request: Any) -> bool:
            taken = super().submit(request)
            self.thread = threading.Thread(target=self.complete, args=(request,))
            self.thread.start()
            entered.wait()
            return taken

    accel = CompletesAside()
    accel.clock = RealManualClock()
    with Engine(accel, "callback", "dasync") as engine, WaitCtx() as ctx:
        ctx.set_callback(callback)
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        events.append("paused")
        slept.set()
        accel.thread.join()
        assert events == ["called", "paused"]
        job.resume()
        assert job.result() == b"echo:1"


def test_dasync_goes_on_after_a_callback_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))
    error = ZeroDivisionError("the callback's")

    def callback(arg: object) -> None:
        raise error

    with (
        Accelerator(clock=VirtualClock(), seed=1) as accel,
        Engine(accel, "callback", "dasync") as engine,
        WaitCtx() as ctx,
    ):
        ctx.set_callback(callback)
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        assert job.paused
        job.resume()
        assert job.result() == b"1"
    assert reported == [error]


@pytest.mark.parametrize("contract", ["qat", "strict"])
@pytest.mark.parametrize("error", [None, ValueError("the device's")])
def test_a_completion_after_the_context_was_closed_still_calls_back(contract: str, error: Exception | None) -> None:
    """Whoever waits must learn of it; only the status has no place any more."""
    with manual("callback", contract) as (accel, engine):
        ctx = WaitCtx()
        woken: list[object] = []
        ctx.set_callback(woken.append, "job")
        job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
        ctx.close()
        accel.complete(accel.requests[0], error)
        assert woken == ["job"]
        assert job.cancel()


def test_strict_tells_ok_or_err_just_before_the_callback() -> None:
    with manual("callback", "strict") as (accel, engine), WaitCtx() as ctx:
        seen: list[int] = []
        ctx.set_callback(lambda arg: seen.append(ctx.status))
        for error in (None, ValueError("the device's")):
            job = start_job(engine.call, "echo", b"1", wait_ctx=ctx)
            assert ctx.status == Status.UNSUPPORTED
            accel.complete(accel.requests[0], error)
            job.resume()
            assert job.done
        assert seen == [Status.OK, Status.ERR]
