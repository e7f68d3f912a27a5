"""Accelerators with assistance, on a clock that stands still: no operation takes long because a machine is slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim import Accelerator, RealClock
from sim.assistant import Assistant
from tests.sim.sim_requests import Completions


class Standing(RealClock):
    """Real time for a device: it has a worker. But only a test or a kernel moves it."""

    def __init__(self) -> None:
        self.time_ns = 1

    def now_ns(self) -> int:
        return self.time_ns


@contextmanager
def assisted(**options: Any) -> Iterator[tuple[Accelerator, Assistant, Completions, Standing]]:
    """An accelerator that has learned that `echo` is short; on leaving, nothing is lost."""
    clock = Standing()
    with Accelerator(clock=clock, assist=True, **options) as accel:
        completions = Completions(accel)
        assert accel.assistant is not None
        learn(accel, completions)
        yield accel, accel.assistant, completions, clock
    counted = accel.statistics()
    assert counted.submitted == counted.completed + counted.failed + counted.orphaned
    assert (counted.in_flight, counted.spurious) == (0, 0)


def learn(accel: Accelerator, completions: Completions, op: str = "echo", payload: bytes = bytes(16)) -> None:
    """Let the worker do one request, so that the assistant knows whether those of this kernel are short."""
    assert accel.assistant is not None
    assert accel.assistant.submit(completions.request(op, payload))
    completions.wait()
    completions.done.clear()
