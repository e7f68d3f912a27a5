"""An engine of one operation, as a plain function and as an `async def`, for the tests to step into."""

from __future__ import annotations

import os
import select
from contextlib import suppress

from engine import current_job, pause_job, start_job
from simaccel.testing import Run
from waitctx import WaitCtx


class Work:
    """One operation: the card sets `done`, then writes the token."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.done = False


def put_on_card(card: list[Work]) -> Work:
    """Announce a wait fd, and hand the operation to the card."""
    job = current_job()
    assert job is not None
    assert job.wait_ctx is not None
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    key = object()
    job.wait_ctx.set_wait_fd(key, fd, None, lambda ctx, key, fd, data: os.close(fd))
    work = Work(fd)
    card.append(work)
    return work


def finished(work: Work) -> bool:
    return work.done


def drain(fd: int) -> None:
    with suppress(BlockingIOError):
        os.eventfd_read(fd)


def call(card: list[Work]) -> int:
    work = put_on_card(card)
    while not work.done:
        pause_job()
        drain(work.fd)
    return 5


async def call_async(card: list[Work]) -> int:
    work = put_on_card(card)
    while not work.done:
        await pause_job()
        drain(work.fd)
    return 5


def call_wrong(card: list[Work]) -> int:
    """Reads the token before the pause: the token may be the only one there will be."""
    work = put_on_card(card)
    while not work.done:
        drain(work.fd)
        pause_job()
    return 5


def call_raising(card: list[Work]) -> int:
    work = put_on_card(card)
    if finished(work):
        raise RuntimeError("done before the pause")
    while not finished(work):
        pause_job()
        drain(work.fd)
    return 5


class Jobs:
    """An application that runs some jobs one after the other, and the card that completes their work."""

    def __init__(self, fn: object, count: int = 1) -> None:
        self.fn = fn
        self.count = count
        self.step_into = (fn,)

    def __call__(self, run: Run) -> None:
        card: list[Work] = []

        def application() -> None:
            for _ in range(self.count):
                with WaitCtx() as ctx:
                    job = start_job(self.fn, card, wait_ctx=ctx)  # type: ignore[arg-type]
                    poller = select.poll()
                    while job.paused:
                        for fd in ctx.changed_fds().added:
                            poller.register(fd, select.POLLIN)
                        run.wait("resume", lambda poller=poller: poller.poll(0))  # type: ignore[misc]
                        job.resume()
                    assert job.result() == 5

        def device() -> None:
            for _ in range(self.count):
                run.wait("take", lambda: card)
                work = card.pop()
                work.done = True
                run.step("write the token")
                with suppress(OSError):  # the job saw `done`, and has closed the fd
                    os.eventfd_write(work.fd, 1)

        run.actor("application", application)
        run.actor("card", device)
