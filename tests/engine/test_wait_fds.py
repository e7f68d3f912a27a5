"""The engine's fd: one for each wait context and engine, for the whole life of the context, closed by its cleanup."""

from __future__ import annotations

import contextlib
import fcntl
import os

import pytest

from engine import Engine, Job, OperationError, Retry, Scheduler, pause_job, start_job
from engine.modes import BY_FD
from engine.offload.wake_fds import HAS_EVENTFD, EventFd, Pipe, WakeFd, is_wake_fd
from simaccel.testing import ManualAccelerator
from tests.engine.ways import complete_next, manual, readable
from waitctx import WaitCtx

FD_TYPES = [Pipe, EventFd] if HAS_EVENTFD else [Pipe]


@pytest.mark.parametrize("notify", BY_FD)
def test_the_fd_stays_over_many_jobs_of_a_context(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        seen = set()
        for number in range(20):
            job = start_job(engine.call, "echo", b"%d" % number, wait_ctx=ctx)
            seen |= set(ctx.all_fds())
            assert ctx.changed_fds().deleted == []
            complete_next(accel)
            job.resume()
            assert job.result() == b"echo:%d" % number
        assert len(seen) == 1
        assert ctx.get_fd(engine).fd in seen
        (fd,) = seen
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)  # closed with the context


@pytest.mark.parametrize("notify", BY_FD)
def test_the_fd_is_non_blocking_and_not_inherited(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "null", wait_ctx=ctx)
        (fd,) = ctx.all_fds()
        assert not os.get_blocking(fd)
        assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert is_wake_fd(fd)
        complete_next(accel)
        job.resume()
    assert not is_wake_fd(fd)


def test_several_engines_on_one_context_have_an_fd_each() -> None:
    with contextlib.ExitStack() as stack:
        ctx = stack.enter_context(WaitCtx())
        pairs = [stack.enter_context(manual(notify)) for notify in ("fd", "pipe", "fd")]
        results: list[bytes] = []

        def job() -> None:
            for _ in range(2):
                for number, (_, engine) in enumerate(pairs):
                    results.append(engine.call("echo", b"%d" % number))

        running = start_job(job, wait_ctx=ctx)
        for turn in range(6):
            number = turn % 3
            accel, engine = pairs[number]
            assert len(ctx.all_fds()) == min(turn + 1, 3)
            assert ctx.changed_fds().added == ([ctx.get_fd(engine).fd] if turn < 3 else [])
            for _, other in pairs[: min(turn + 1, 3)]:
                assert not readable(ctx.get_fd(other).fd)
            complete_next(accel)
            assert [readable(fd) for fd in ctx.all_fds()].count(True) == 1
            assert readable(ctx.get_fd(engine).fd)
            running.resume()
        assert running.done
        assert results == [b"echo:0", b"echo:1", b"echo:2"] * 2


def test_engines_of_one_accelerator_on_one_context_do_not_mix() -> None:
    accel = ManualAccelerator()
    with Engine(accel) as one, Engine(accel) as two, WaitCtx() as ctx:
        job = start_job(lambda: (one.call("echo", b"1"), two.call("echo", b"2")), wait_ctx=ctx)
        complete_next(accel)
        job.resume()
        complete_next(accel)
        job.resume()
        assert job.result() == (b"echo:1", b"echo:2")
        assert len(ctx.all_fds()) == 2


@pytest.mark.parametrize("notify", BY_FD)
def test_an_fd_closed_behind_our_back_is_one_clear_error_and_the_next_operation_works(notify: str) -> None:
    with manual(notify) as (accel, engine), WaitCtx() as ctx:

        def job() -> bytes:
            with pytest.raises(OperationError, match="closed by somebody else: it belongs to the wait context"):
                engine.call("echo", b"lost")
            return engine.call("echo", b"kept")

        running = start_job(job, wait_ctx=ctx)
        os.close(ctx.all_fds()[0])
        running.resume()
        assert running.paused
        assert engine.in_flight == 1
        accel.complete(accel.requests[0])
        assert accel.answers == [1]  # the first one's, for nobody
        (fd,) = ctx.all_fds()
        assert not readable(fd)
        complete_next(accel)
        assert readable(fd)
        running.resume()
        assert running.result() == b"echo:kept"
        assert engine.statistics.failed == 1


@pytest.mark.parametrize("notify", BY_FD)
def test_the_number_of_an_fd_that_was_found_closed_is_left_alone(notify: str) -> None:
    """By then it may be that of another file, which the end of the context must not close."""
    with manual(notify) as (accel, engine):
        with WaitCtx() as ctx:
            job = start_job(engine.call, "null", wait_ctx=ctx)
            (number,) = ctx.all_fds()
            os.close(number)
            job.resume()
            assert isinstance(job.exception, OperationError)
            source, sink = os.pipe()
            os.dup2(source, number)
        os.fstat(number)
        for fd in {source, sink, number}:
            os.close(fd)
        complete_next(accel)
        assert accel.answers == [1]


@pytest.mark.parametrize("notify", BY_FD)
def test_a_completion_that_finds_its_fd_closed_takes_the_callback(notify: str) -> None:
    """So a scheduler, which always has one, is not left hanging."""
    with manual(notify) as (accel, engine), Scheduler() as scheduler:

        def job() -> bytes:
            return engine.call("echo", b"x")

        def closer() -> None:
            os.close(_fd_of(running))
            complete_next(accel)

        running = scheduler.spawn(job)
        scheduler.spawn(closer)
        scheduler.run()
        with pytest.raises(OperationError, match="closed by somebody else"):
            running.result()


def test_a_completion_that_can_tell_nobody_says_so_to_the_device() -> None:
    with manual("fd") as (accel, engine), WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        os.close(ctx.all_fds()[0])
        with pytest.raises(OperationError, match=r"its wait fd was closed.*can't be woken"):
            accel.complete(accel.requests[0])
        job.resume()
        with pytest.raises(OperationError, match="closed by somebody else"):
            job.result()


def test_the_number_of_a_closed_fd_that_another_job_gets_is_watched_again() -> None:
    """epoll forgets an fd that is closed; the scheduler must not take the new one of the same number for watched."""
    with manual("fd") as (accel, engine), Engine(accel) as other, Scheduler() as scheduler:
        numbers: list[int] = []

        def first() -> bytes:
            return engine.call("echo", b"1")

        def second() -> bytes:
            os.close(_fd_of(jobs[0]))
            accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))
            return other.call("echo", b"2")  # makes an fd, with the lowest number that is free

        def third() -> None:
            numbers.extend(map(_fd_of, jobs[:2]))

        jobs = [scheduler.spawn(first), scheduler.spawn(second), scheduler.spawn(third)]
        scheduler.run()
        assert numbers[0] == numbers[1]
        assert [job.result() for job in jobs[:2]] == [b"echo:1", b"echo:2"]


def _fd_of(job: Job) -> int:
    assert job.wait_ctx is not None
    (fd,) = job.wait_ctx.all_fds()
    return fd


@pytest.mark.parametrize("fd_type", FD_TYPES)
def test_tokens_are_drained_all_at_once(fd_type: type[WakeFd]) -> None:
    wake_fd = fd_type()
    assert not wake_fd.drain()
    for count in (1, 2, 511, 512, 513, 1_024):
        for _ in range(count):
            assert wake_fd.put()
        assert readable(wake_fd.fd)
        assert wake_fd.drain()
        assert not readable(wake_fd.fd)
        assert not wake_fd.drain()
    wake_fd.close()
    wake_fd.close()
    assert not wake_fd.put()


@pytest.mark.skipif(not HAS_EVENTFD, reason="a full pipe is in test_wake_fds.py")
def test_an_fd_full_of_tokens_takes_another_wake() -> None:
    wake_fd = EventFd()
    os.eventfd_write(wake_fd.fd, 2**64 - 2)
    assert wake_fd.put()
    assert wake_fd.drain()
    assert not readable(wake_fd.fd)
    wake_fd.close()


def test_a_plain_pause_behind_an_operation_by_fd_is_not_taken_for_a_wait() -> None:
    """The fd stays in the context, for this job and for the next that gets the context."""
    with manual("fd", retry=Retry()) as (accel, engine), Scheduler() as scheduler:
        accel.clock.on_jump = lambda: bool(accel.requests and complete_next(accel))

        def job() -> int:
            engine.call("null")
            pause_job()
            pause_job()
            return 1

        def other() -> int:
            pause_job()
            return 2

        assert scheduler.map(lambda _: job(), range(3)) == [1, 1, 1]
        assert scheduler.map(lambda _: other(), range(3)) == [2, 2, 2]
