"""The misuse detector itself: what it raises, keeps, leaves in place; and bad arguments."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest

from engine import Engine, JobCancelled, UsageError, pause_job, start_job
from simaccel.testing import ManualAccelerator
from simaccel.testing.misuse import Kind, MisuseError, detect_misuse
from waitctx import WaitCtx


async def work(engine: Engine) -> bytes:
    return await engine.aio.call("work", b"x")


@pytest.fixture
def accel() -> ManualAccelerator:
    return ManualAccelerator(depth=1)


@pytest.fixture
def by_fd(accel: ManualAccelerator) -> Iterator[Engine]:
    with Engine(accel) as engine:
        yield engine


def test_leaving_raises_with_all_reports_and_their_history() -> None:
    fd = os.eventfd(0)
    with pytest.raises(MisuseError, match=r"wait context 1: fd \d+ set") as caught, detect_misuse(), WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
    os.close(fd)
    assert [report.kind for report in caught.value.reports] == [Kind.FD_LEAKED]


def test_another_exception_is_not_hidden() -> None:
    def fails() -> None:
        with detect_misuse():
            start_job(lambda: pause_job())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    gc.collect()


def test_a_kind_can_be_ignored() -> None:
    fd = os.eventfd(0)
    with detect_misuse(ignore=[Kind.FD_LEAKED]), WaitCtx() as ctx:
        ctx.set_wait_fd("key", fd)
    os.close(fd)


@pytest.mark.parametrize("options", [{"busy_after": 0}, {"busy_after": True}, {"ignore": ["stale token"]}])
def test_bad_arguments_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))), detect_misuse(**options):
        pass


def test_nothing_stays_in_place_afterwards() -> None:
    before = {name: WaitCtx.__dict__[name] for name in ("__init__", "set_wait_fd", "clear_fd", "close", "status")}
    with detect_misuse(), detect_misuse():
        assert WaitCtx.__dict__["status"] is not before["status"]
    assert {name: WaitCtx.__dict__[name] for name in before} == before


def test_a_callback_looks_like_itself() -> None:
    def fn(arg: object) -> None:
        """Does nothing."""

    with detect_misuse(), WaitCtx() as ctx:
        ctx.set_callback(fn, 7)
        found = ctx.callback
        assert found is not None
        assert found.fn == fn
        assert hash(found.fn) == hash(fn)
        assert found.arg == 7


def test_an_exception_out_of_a_job_is_no_misuse() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with detect_misuse():
        with pytest.raises(ZeroDivisionError):
            start_job(fails).result()
        with pytest.raises(TypeError):
            start_job(work)


def test_the_history_keeps_the_first_and_the_last_events(accel: ManualAccelerator, by_fd: Engine) -> None:
    with detect_misuse(raises=False) as misuse, WaitCtx() as ctx:
        job = start_job(work, by_fd, wait_ctx=ctx)
        for _ in range(100):
            job.resume()
        job.cancel()
        assert isinstance(job.exception, JobCancelled)
    busy = misuse.of(Kind.BUSY_LOOP)[0].history
    assert busy[0].endswith("started")
    assert busy[8].startswith("… ")
    assert len(busy) == 25
    assert "paused, status UNSUPPORTED, for <operation work" in busy[-1]
