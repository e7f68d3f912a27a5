"""Jobs that wait for a slot of a full ring, driven by hand."""

from __future__ import annotations

import pytest

from engine import (
    Engine,
    Job,
    start_job,
)
from engine.modes import BY_FD
from tests.engine.ways import Calls, readable
from waitctx import WaitCtx

WAYS = pytest.mark.parametrize("notify", [*BY_FD, "callback"])


class Waiters:
    """One job in flight on a ring of one slot, and any number of jobs that wait for that slot."""

    def __init__(self, engine: Engine, count: int, notify: str) -> None:
        self.contexts = [WaitCtx() for _ in range(count + 1)]
        self.calls = [Calls(ctx) if notify == "callback" else None for ctx in self.contexts]
        self.jobs = [
            start_job(engine.call, "echo", b"%d" % number, wait_ctx=ctx) for number, ctx in enumerate(self.contexts)
        ]

    def woken(self) -> list[int]:
        """The numbers of the paused jobs that an application would resume now."""
        return [number for number, job in enumerate(self.jobs) if job.paused and self._woken(number)]

    def _woken(self, number: int) -> bool:
        calls = self.calls[number]
        if calls is None:
            return readable(self.contexts[number].all_fds()[0])
        return calls.count > 0

    def resume(self, number: int) -> Job:
        """Resume a job, and forget that it was woken."""
        calls = self.calls[number]
        if calls is not None:
            calls.statuses.clear()
        self.jobs[number].resume()
        return self.jobs[number]

    def close(self) -> None:
        for job, ctx in zip(self.jobs, self.contexts, strict=True):
            job.cancel()
            ctx.close()
