"""The misuse detector: every kind is found, with its history; and what is done right is not reported."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest

from engine import Engine, Retry, Scheduler, pause_job, start_job
from sim import Accelerator, VirtualClock
from simaccel.testing import ManualAccelerator
from simaccel.testing.misuse import Kind, Misuse, detect_misuse
from waitctx import Status, WaitCtx
from waitctx.openssl import ASYNC_WAIT_CTX_get_status


@pytest.fixture
def accel() -> ManualAccelerator:
    return ManualAccelerator(depth=1)


@pytest.fixture
def by_fd(accel: ManualAccelerator) -> Iterator[Engine]:
    with Engine(accel) as engine:
        yield engine


@pytest.fixture
def by_callback(accel: ManualAccelerator) -> Iterator[Engine]:
    with Engine(accel, notify="callback", retry=Retry(wake="at_once")) as engine:
        yield engine


async def work(engine: Engine) -> bytes:
    return await engine.aio.call("work", b"x")


def kinds(misuse: Misuse) -> list[Kind]:
    return [report.kind for report in misuse.reports]


def complete(accel: ManualAccelerator) -> None:
    accel.complete(accel.requests[0])


# What is right


@pytest.mark.parametrize(
    ("notify", "contract"),
    [
        ("fd", "qat"),
        ("pipe", "qat"),
        ("callback", "qat"),
        ("callback", "strict"),
        ("callback", "dasync"),
        ("poll", "qat"),
        ("heuristic", "qat"),
    ],
)
@pytest.mark.parametrize("retry", [Retry(), Retry(wake="at_once")])
@pytest.mark.parametrize("clock", [None, VirtualClock])
def test_our_scheduler_does_nothing_wrong(notify: str, contract: str, retry: Retry, clock: Any) -> None:
    with (
        detect_misuse() as misuse,
        Accelerator(depth=2, latency="fixed:20us", clock=clock and clock()) as accel,
        Engine(accel, notify, contract, retry) as engine,
        Scheduler() as scheduler,
    ):
        assert scheduler.map(engine.sha256, [bytes([n]) for n in range(12)])
    assert misuse.reports == []


def test_jobs_on_asyncio_do_nothing_wrong() -> None:
    async def main(engine: Engine) -> None:
        await asyncio.gather(*(engine.aio.run(engine.sha256, b"%d" % n) for n in range(5)))

    with detect_misuse(), Accelerator(clock=VirtualClock()) as accel, Engine(accel) as engine:
        asyncio.run(main(engine))


def test_a_job_driven_by_hand_does_nothing_wrong(accel: ManualAccelerator, by_fd: Engine) -> None:
    with detect_misuse() as misuse, WaitCtx() as ctx:
        for _ in range(3):
            job = start_job(work, by_fd, wait_ctx=ctx)
            complete(accel)
            job.resume()
            assert job.result() == b"work:x"
        job = start_job(work, by_fd, wait_ctx=ctx)
        job.cancel()
        complete(accel)
    assert misuse.reports == []


def test_plain_pauses_may_be_resumed_at_once() -> None:
    async def pauses() -> None:
        for _ in range(200):
            await pause_job()

    with detect_misuse():
        job = start_job(pauses)
        while job.paused:
            job.resume()


# Each kind


def test_a_stale_token_is_found() -> None:
    async def leaves_token(fd: int) -> None:
        os.eventfd_write(fd, 1)
        await pause_job()

    fd = os.eventfd(0, os.EFD_NONBLOCK)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd, None, lambda ctx, key, fd, data: os.close(fd))
        job = start_job(leaves_token, fd, wait_ctx=ctx)
        job.resume()
        job.result()
    assert kinds(misuse) == [Kind.STALE_TOKEN]
    assert f"in its wait fd {fd}" in misuse.reports[0].message


def test_a_fd_that_outlives_its_context_is_leaked() -> None:
    fd = os.eventfd(0)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
    assert kinds(misuse) == [Kind.FD_LEAKED]
    assert "give set_wait_fd a cleanup" in misuse.reports[0].message
    os.close(fd)


def test_a_fd_that_was_cleared_and_not_closed_is_leaked() -> None:
    fd = os.eventfd(0)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd, None, lambda ctx, key, fd, data: os.close(fd))
        ctx.clear_fd("key")
    assert kinds(misuse) == [Kind.FD_LEAKED]
    assert "its entry was cleared" in misuse.reports[0].message
    os.close(fd)


def test_a_context_that_nobody_closes_leaks_its_fd(accel: ManualAccelerator, by_fd: Engine) -> None:
    with detect_misuse(raises=False) as misuse:
        ctx = WaitCtx()
        job = start_job(work, by_fd, wait_ctx=ctx)
        complete(accel)
        job.resume()
    assert kinds(misuse) == [Kind.FD_LEAKED]
    assert "nobody ever closed its context" in misuse.reports[0].message
    ctx.close()


def test_a_number_that_is_another_file_by_now_is_not_leaked() -> None:
    fd = os.eventfd(0)
    with detect_misuse():
        with WaitCtx() as ctx:
            ctx.set_wait_fd("key", fd, None, lambda ctx, key, fd, data: os.close(fd))
        other = os.eventfd(0)
        assert other == fd
    os.close(other)


def test_a_fd_closed_while_announced_is_found() -> None:
    fd = os.eventfd(0)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
        os.close(fd)
    assert kinds(misuse) == [Kind.FD_CLOSED]


def test_a_reused_number_is_found_when_the_context_is_looked_at() -> None:
    fd = os.eventfd(0)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
        os.close(fd)
        other = os.eventfd(0)
        assert other == fd
    assert kinds(misuse) == [Kind.FD_REUSED]
    os.close(other)


def test_a_reused_number_is_found_when_it_is_set_again() -> None:
    fd = os.eventfd(0)
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
        os.close(fd)
        assert os.eventfd(0) == fd
        ctx.set_wait_fd("other", fd, None, lambda ctx, key, fd, data: os.close(fd))
        assert kinds(misuse) == [Kind.FD_REUSED]
    assert kinds(misuse) == [Kind.FD_REUSED]


def test_a_wake_behind_the_close_is_found() -> None:
    """An engine that keeps the callback, and calls it when the context was freed."""
    with detect_misuse(raises=False) as misuse:
        with WaitCtx() as ctx:
            ctx.set_callback(lambda arg: None)
            kept = ctx.callback
        assert kept is not None
        kept.fn(kept.arg)
    assert kinds(misuse) == [Kind.WAKE_AFTER_CLOSE]


def test_a_context_closed_under_its_job_is_found(accel: ManualAccelerator, by_fd: Engine) -> None:
    with detect_misuse(raises=False) as misuse:
        with WaitCtx() as ctx:
            job = start_job(work, by_fd, wait_ctx=ctx)
        job.cancel()
    assert kinds(misuse) == [Kind.CLOSED_UNDER_JOB]
    assert "<operation work of 1 bytes, in flight>" in misuse.reports[0].message


def test_a_callback_behind_the_cancel_is_found() -> None:
    async def waits() -> None:
        await pause_job()

    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        ctx.set_callback(lambda arg: None)
        kept = ctx.callback
        assert kept is not None
        job = start_job(waits, wait_ctx=ctx)
        job.cancel()
        kept.fn(kept.arg)
    assert kinds(misuse) == [Kind.CALLBACK_AFTER_CANCEL]
    assert "waits" in misuse.reports[0].message


def test_a_forgotten_again_job_is_found(by_callback: Engine) -> None:
    with detect_misuse(raises=False) as misuse, WaitCtx() as one, WaitCtx() as other:
        for ctx in (one, other):
            ctx.set_callback(lambda arg: None)
        first = start_job(work, by_callback, wait_ctx=one)
        job = start_job(work, by_callback, wait_ctx=other)
        first.cancel()
        misuse._rules.finish()
        job.cancel()
        assert kinds(misuse) == [Kind.AGAIN_FORGOTTEN]
    assert "status EAGAIN set" in "\n".join(misuse.reports[0].history)


def test_a_forgotten_paused_job_is_found_also_if_nobody_holds_it() -> None:
    async def waits() -> None:
        await pause_job()

    with detect_misuse(raises=False) as misuse:
        job = start_job(waits)
        start_job(waits)
        gc.collect()
    job.cancel()
    assert kinds(misuse) == [Kind.PAUSE_FORGOTTEN, Kind.PAUSE_FORGOTTEN]
    assert "nobody holds it" in misuse.reports[1].message


def test_a_job_resumed_without_looking_is_found_once(accel: ManualAccelerator, by_fd: Engine) -> None:
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        job = start_job(work, by_fd, wait_ctx=ctx)
        job.resume()
        job.resume()
        complete(accel)
        job.resume()
    assert kinds(misuse) == [Kind.RESUMED_BLINDLY]


@pytest.mark.parametrize("contract", ["qat", "strict"])
def test_a_status_taken_for_completion_is_found(accel: ManualAccelerator, contract: str) -> None:
    with (
        Engine(accel, "callback", contract) as engine,
        detect_misuse(raises=False) as misuse,
        WaitCtx() as ctx,
    ):
        ctx.set_callback(lambda arg: None)
        job = start_job(work, engine, wait_ctx=ctx)
        assert ASYNC_WAIT_CTX_get_status(ctx) == (Status.OK if contract == "qat" else Status.UNSUPPORTED)
        assert ctx.status == (Status.OK if contract == "qat" else Status.UNSUPPORTED)
        job.resume()
        complete(accel)
        job.resume()
    assert kinds(misuse) == [Kind.STATUS_MISREAD]


def test_a_busy_loop_is_found(accel: ManualAccelerator, by_callback: Engine) -> None:
    with detect_misuse(raises=False, busy_after=50) as misuse, WaitCtx() as one, WaitCtx() as other:
        for ctx in (one, other):
            ctx.set_callback(lambda arg: None)
        first = start_job(work, by_callback, wait_ctx=one)
        second = start_job(work, by_callback, wait_ctx=other)
        for _ in range(60):
            assert other.status is Status.EAGAIN
            second.resume()
        complete(accel)
        first.resume()
        second.resume()
        complete(accel)
        second.resume()
    assert kinds(misuse) == [Kind.BUSY_LOOP]


def test_trying_again_after_others_moved_is_no_busy_loop(accel: ManualAccelerator, by_callback: Engine) -> None:
    with detect_misuse(busy_after=5), WaitCtx() as one, WaitCtx() as other:
        for ctx in (one, other):
            ctx.set_callback(lambda arg: None)
        waiting = start_job(work, by_callback, wait_ctx=one)
        second = start_job(work, by_callback, wait_ctx=other)
        for _ in range(20):
            complete(accel)
            waiting.resume()
            waiting = start_job(work, by_callback, wait_ctx=one)
            second.resume()
        for job in (waiting, second):
            job.cancel()
