"""Engines of every kind, on a simulated accelerator or on one that is moved by hand, and how a test looks at an fd."""

from __future__ import annotations

import hashlib
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine import Engine, Retry, current_job
from simaccel.testing import ManualAccelerator
from simaccel.testing.manual_accelerator import ManualClock
from waitctx import WaitCtx

BLOBS = [bytes([number % 256]) * (1 + number % 100) for number in range(200)]
DIGESTS = [hashlib.sha256(blob).digest() for blob in BLOBS]


class RealManualClock(ManualClock):
    """A clock that is moved by hand, but counts as real time: code that waits on it sleeps, and does not jump it."""

    virtual = False


@contextmanager
def manual(
    notify: str = "fd", contract: str = "qat", retry: Retry | None = None, *, depth: int = 256, real: bool = False
) -> Iterator[tuple[ManualAccelerator, Engine]]:
    """An accelerator that completes when told, and an engine on it."""
    accel = ManualAccelerator(depth)
    if real:
        accel.clock = RealManualClock()
    with Engine(accel, notify, contract, retry) as engine:
        yield accel, engine


def own_ctx() -> WaitCtx:
    """The wait context of the running job."""
    job = current_job()
    assert job is not None
    assert job.wait_ctx is not None
    return job.wait_ctx


def readable(fd: int) -> bool:
    """Whether there is a token in the fd now."""
    return bool(select.select([fd], [], [], 0)[0])


def complete_next(accel: ManualAccelerator, **how: Any) -> Any:
    """Complete the oldest request, and poll for it if completions are polled."""
    request = accel.requests[0]
    accel.complete(request, **how)
    accel.poll()
    return request


class Calls:
    """A callback that notes how often it was called, and with which status."""

    def __init__(self, ctx: WaitCtx) -> None:
        self.ctx = ctx
        self.statuses: list[int] = []
        ctx.set_callback(self, self)

    def __call__(self, arg: object) -> None:
        assert arg is self
        self.statuses.append(self.ctx.status)

    @property
    def count(self) -> int:
        return len(self.statuses)
