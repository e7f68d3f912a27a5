"""The misuse detector: loops that never end, pauses with nothing announced, fds that pile up, and a job resumed as
another one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine import Engine, Scheduler, current_job, openssl, pause_job, start_job
from sim import Accelerator, VirtualClock
from simaccel.testing import Accel, Kind, MisuseError, detect_misuse
from waitctx import Status, WaitCtx


def kinds(misuse: Any) -> list[Kind]:
    return [report.kind for report in misuse.reports]


# A clock that stands still


def test_a_loop_of_ones_own_on_a_clock_that_stands_still_is_ended() -> None:
    """Its operation was lost, and it never looks at what jump() returns."""

    def loop(accel: Accel) -> None:
        job = start_job(accel.engine.sha256, b"x")
        assert isinstance(accel.clock, VirtualClock)
        try:
            while job.paused:
                accel.clock.jump()
        finally:
            job.cancel()

    told = r"jump\(\) has returned False 100 times .* nothing is due, while job 1 .* sha256"
    with pytest.raises(MisuseError, match=told), Accel(seed=1, faults="lose", invariants=False) as accel:
        loop(accel)


def test_it_is_reported_once_and_goes_on_where_nobody_asked_to_end_it() -> None:
    clock = VirtualClock()
    with (
        detect_misuse(busy_after=5, raises=False) as misuse,
        Accelerator(clock=clock, faults="lose") as accel,
        Engine(accel) as engine,
    ):
        job = start_job(engine.sha256, b"x")
        while clock.jump():
            pass
        for _ in range(3):
            clock.jump()
        assert kinds(misuse) == []
        for _ in range(9):
            clock.jump()
        assert kinds(misuse) == [Kind.STALLED_LOOP]
        assert misuse.waiting()[0].startswith("job 1 (Operations.sha256) waits for <operation sha256")
        job.cancel()
        assert misuse.waiting() == []


def test_jumps_for_nothing_between_moves_are_no_stalled_loop() -> None:
    async def pauses() -> None:
        for _ in range(30):
            await pause_job()

    clock = VirtualClock()
    with detect_misuse(busy_after=5):
        for _ in range(20):
            clock.jump()  # no job waits
        job = start_job(pauses)
        while job.paused:
            for _ in range(4):
                clock.jump()
            job.resume()


def test_our_drivers_may_look_at_a_clock_that_stands_still() -> None:
    async def pauses() -> None:
        for _ in range(300):
            await pause_job()

    with (
        detect_misuse(busy_after=5),
        Accelerator(clock=VirtualClock()) as accel,
        Engine(accel) as engine,
        Scheduler() as scheduler,
    ):
        scheduler.spawn(pauses)
        scheduler.spawn(engine.sha256, b"x")
        scheduler.run()


# Nothing announced


class TheirEngine:
    """Somebody's engine: it pauses in one of the ways."""

    def __init__(self, way: str) -> None:
        self.way = way

    def __call__(self) -> None:
        job = current_job()
        assert job is not None
        ctx = job.wait_ctx
        assert ctx is not None
        if self.way == "fd":
            fd = os.eventfd(1)
            ctx.set_wait_fd(self, fd, None, lambda ctx, key, fd, data: os.close(fd))
        elif self.way == "callback":
            callback = ctx.callback
            assert callback is not None
            callback.fn(callback.arg)
        elif self.way == "again":
            ctx.status = Status.EAGAIN
        pause_job()
        for announced in ctx.all_fds():
            os.eventfd_read(announced)


@pytest.mark.parametrize(("way", "told"), [("nothing", True), ("fd", False), ("callback", False), ("again", False)])
def test_a_pause_with_nothing_announced_is_told_of_in_strict_mode(way: str, told: bool) -> None:
    for strict in (True, False):
        with detect_misuse(strict=strict, raises=False) as misuse, Scheduler() as scheduler:
            scheduler.spawn(TheirEngine(way))
            scheduler.run()
        assert kinds(misuse) == [Kind.NOTHING_ANNOUNCED] * (told and strict)


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_our_engines_announce_what_they_pause_for(notify: str) -> None:
    with Accel(seed=1, depth=2, notify=notify, strict=True) as accel:
        accel.map(accel.engine.sha256, [b"%d" % n for n in range(9)])


def test_a_plain_pause_behind_an_operation_announces_nothing() -> None:
    def job(accel: Accel) -> None:
        accel.engine.sha256(b"x")
        pause_job()

    told = r"pause with nothing announced: job 1 .* no wait fd is set"
    with pytest.raises(MisuseError, match=told), Accel(seed=1, strict=True) as accel:
        accel.run(job, accel)


# Fds


@pytest.fixture
def opened() -> Iterator[list[int]]:
    fds: list[int] = []
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("opens", [lambda: [os.eventfd(0)], lambda: list(os.pipe())], ids=["eventfd", "pipe"])
def test_fds_that_pile_up_are_found(opened: list[int], opens: Callable[[], list[int]]) -> None:
    """Nobody announced them, so that no wait context knows of them."""
    with detect_misuse(raises=False) as misuse:
        for _ in range(8):
            start_job(lambda: opened.extend(opens()))
    assert kinds(misuse) == [Kind.FDS_PILE_UP]
    assert str(opened[0]) in str(misuse.reports[0])


def test_a_few_fds_and_those_of_open_contexts_do_not_pile_up(opened: list[int]) -> None:
    ctxs = [WaitCtx() for _ in range(20)]
    clock = VirtualClock()
    with Accelerator(clock=clock) as accel, Engine(accel) as engine, detect_misuse(raises=False) as misuse:
        opened.extend(os.eventfd(0) for _ in range(7))
        for ctx in ctxs:
            job = start_job(engine.sha256, b"x", wait_ctx=ctx)
            while clock.jump():
                pass
            job.resume()
    assert kinds(misuse) == []
    for ctx in ctxs:
        ctx.close()


# The C door


def pausing(args: bytes | None) -> int:
    pause_job()
    pause_job()
    return 1


def other(args: bytes | None) -> int:
    return 2


@pytest.mark.parametrize("watchers", [1, 2])
def test_a_job_resumed_through_the_c_door_as_another_is_found(watchers: int) -> None:
    def resume(fn: Any, ctx: WaitCtx | None) -> list[Kind]:
        with WaitCtx() as own, detect_misuse(raises=False) as outer:
            with detect_misuse(raises=False) as misuse:
                _, job, _ = openssl.ASYNC_start_job(None, own, pausing, b"")
                openssl.ASYNC_start_job(job, own if ctx is None else ctx, fn, b"")
                openssl.ASYNC_start_job(job, None, None, b"")  # type: ignore[arg-type]  # as C allows
            if watchers == 2:
                assert kinds(outer) == kinds(misuse)
        return kinds(misuse)

    assert resume(pausing, None) == []
    assert resume(functools.partial(pausing), None) == []
    assert resume(other, None) == [Kind.OTHER_FUNCTION]
    with WaitCtx() as another:
        assert resume(pausing, another) == [Kind.OTHER_FUNCTION]
