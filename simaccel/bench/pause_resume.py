"""Pauses and resumes without a device: of our jobs, and of the bare greenlets and generators that they are made of."""

from __future__ import annotations

import os
import select
from collections.abc import Generator
from time import perf_counter_ns
from typing import Any

from greenlet import getcurrent, greenlet

from engine import pause_job, start_job
from waitctx import WaitCtx

_KEY = object()


def _pause_forever() -> None:
    while True:
        pause_job()


async def _await_forever() -> None:
    while True:
        await pause_job()


def stackful_pair_ns(count: int) -> float:
    """A pause and resume of a plain function."""
    return _pair_ns(_pause_forever, count)


def stackless_pair_ns(count: int) -> float:
    """A pause and resume of an `async def`."""
    return _pair_ns(_await_forever, count)


def _pair_ns(body: Any, count: int) -> float:
    job = start_job(body)
    resume = job.resume
    before_ns = perf_counter_ns()
    for _ in range(count):
        resume()
    took_ns = perf_counter_ns() - before_ns
    job.cancel()
    return took_ns / count


def pair_samples_ns(stackless: bool, count: int) -> list[int]:
    """The times of `count` pairs, each measured by itself. Each includes about 50 ns for reading the clock twice."""
    job = start_job(_await_forever if stackless else _pause_forever)
    resume = job.resume
    samples_ns = []
    for _ in range(count):
        before_ns = perf_counter_ns()
        resume()
        samples_ns.append(perf_counter_ns() - before_ns)
    job.cancel()
    return samples_ns


def greenlet_pair_ns(count: int) -> float:
    """A switch to a bare greenlet and back."""
    main = getcurrent()

    def body() -> None:
        while True:
            main.switch()

    other = greenlet(body)
    other.switch()
    switch = other.switch
    before_ns = perf_counter_ns()
    for _ in range(count):
        switch()
    took_ns = perf_counter_ns() - before_ns
    other.throw()
    return took_ns / count


def generator_pair_ns(count: int) -> float:
    """A `send` to a bare generator, which is all that the `await` of a coroutine does."""

    def body() -> Generator[None, None, None]:
        while True:
            yield

    generator = body()
    send = generator.send
    next(generator)
    before_ns = perf_counter_ns()
    for _ in range(count):
        send(None)
    took_ns = perf_counter_ns() - before_ns
    generator.close()
    return took_ns / count


def eventfd_ns(count: int) -> float:
    """An eventfd that is written, polled and read. No way by fd can do with less."""
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    poller = select.epoll()
    poller.register(fd, select.EPOLLIN)
    write, poll, read = os.eventfd_write, poller.poll, os.eventfd_read
    try:
        before_ns = perf_counter_ns()
        for _ in range(count):
            write(fd, 1)
            poll(0)
            read(fd)
        return (perf_counter_ns() - before_ns) / count
    finally:
        poller.close()
        os.close(fd)


class _Woken:
    __slots__ = ("woken",)

    def __init__(self) -> None:
        self.woken = False

    def wake(self, arg: object) -> None:
        self.woken = True


def _pause_once() -> None:
    pause_job()


async def _await_once() -> None:
    await pause_job()


def stackless_callback_cycle_ns(count: int) -> float:
    """Start, pause, callback, resume, finish, of an `async def`, without a device."""
    return _callback_cycle_ns(_await_once, count)


def stackful_callback_cycle_ns(count: int) -> float:
    """The same for a plain function."""
    return _callback_cycle_ns(_pause_once, count)


def _callback_cycle_ns(body: Any, count: int) -> float:
    with WaitCtx() as ctx:
        state = _Woken()
        ctx.set_callback(state.wake)
        before_ns = perf_counter_ns()
        for _ in range(count):
            job = start_job(body, wait_ctx=ctx)
            callback = ctx.callback
            assert callback is not None
            callback.fn(callback.arg)
            assert state.woken
            state.woken = False
            job.resume()
        return (perf_counter_ns() - before_ns) / count


def _wait_for_fd(ctx: WaitCtx) -> None:
    fd = ctx.get_fd(_KEY).fd
    os.eventfd_write(fd, 1)
    pause_job()
    os.eventfd_read(fd)


async def _await_fd(ctx: WaitCtx) -> None:
    fd = ctx.get_fd(_KEY).fd
    os.eventfd_write(fd, 1)
    await pause_job()
    os.eventfd_read(fd)


def stackful_eventfd_cycle_ns(count: int) -> float:
    """Start, write, pause, poll, resume, read, finish, of a plain function, on one eventfd, without a device."""
    return _eventfd_cycle_ns(_wait_for_fd, count)


def stackless_eventfd_cycle_ns(count: int) -> float:
    """The same for an `async def`."""
    return _eventfd_cycle_ns(_await_fd, count)


def _eventfd_cycle_ns(body: Any, count: int) -> float:
    own = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    poller = select.poll()
    poller.register(own, select.POLLIN)
    try:
        with WaitCtx() as ctx:
            ctx.set_wait_fd(_KEY, own)
            before_ns = perf_counter_ns()
            for _ in range(count):
                job = start_job(body, ctx, wait_ctx=ctx)
                (fd,) = ctx.all_fds()
                ((readable, _),) = poller.poll()
                assert readable == fd
                job.resume()
            return (perf_counter_ns() - before_ns) / count
    finally:
        os.close(own)
