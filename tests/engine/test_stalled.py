"""Virtual time stands still only if nothing moves it. A signal handler may have, between two steps of whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine import Engine, Scheduler
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock


class ClockMovedByAHandler(VirtualClock):
    """Before each jump a signal handler comes in that jumps as long as anything is due, and polls."""

    def __init__(self) -> None:
        super().__init__()
        self.poll: Callable[[], int] = lambda: 0

    def jump(self) -> bool:
        while super().jump() or self.poll():
            pass
        return super().jump()


def blocked(engine: Engine) -> bytes:
    return engine.sha256(b"x")


def in_a_job(engine: Engine) -> bytes:
    with Scheduler() as scheduler:
        job = scheduler.spawn(engine.sha256, b"x")
        scheduler.run()
        return bytes(job.result())


def in_a_loop(engine: Engine) -> bytes:
    return asyncio.run(engine.aio.sha256(b"x"))


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("way", [blocked, in_a_job, in_a_loop])
def test_what_a_handler_has_completed_is_not_stalled(way: Callable[[Engine], bytes], notify: str) -> None:
    clock = ClockMovedByAHandler()
    with Accelerator(latency="fixed:1us", clock=clock) as accel, Engine(accel, notify) as engine:
        if engine.polled:
            clock.poll = engine.poll
        assert len(way(engine)) == 32
