"""Each column of the table of notify modes, measured on an engine at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Engine, Job, UsageError, start_job
from engine.modes import BY_FD, CALLBACKS, CONTRACTS, MODES, NOTIFY, POLLED, Mode
from simaccel.testing import ManualAccelerator
from tests.engine.ways import Calls, manual
from waitctx import Status, WaitCtx

modes = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def test_the_shorter_tables_follow_from_the_first() -> None:
    assert [mode.name for mode in MODES.values()] == list(NOTIFY) == list(MODES)
    assert set(BY_FD) | {mode.name for mode in MODES.values() if mode.by_callback} == set(NOTIFY)
    assert POLLED == ("poll", "heuristic")
    assert tuple(CALLBACKS) == CONTRACTS


def _open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@modes
def test_fds_each(mode: Mode) -> None:
    """What is open more than before, while one job with a callback is paused."""
    with manual(mode.name) as (accel, engine), WaitCtx() as ctx:
        Calls(ctx)
        before = _open_fds()
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        assert _open_fds() - before == mode.fds_each
        _finish(accel, job)


@modes
def test_by_callback(mode: Mode) -> None:
    """Whether the callback is called, if there is one; and without one each mode announces an fd."""
    with manual(mode.name) as (accel, engine), WaitCtx() as ctx, WaitCtx() as bare:
        calls = Calls(ctx)
        for where, fds in ((ctx, mode.fds_each > 0), (bare, True)):
            job = start_job(engine.call, "echo", b"x", wait_ctx=where)
            assert bool(where.all_fds()) is fds
            _finish(accel, job)
        assert calls.count == mode.by_callback


@modes
def test_the_contract_matters_by_callback_only(mode: Mode) -> None:
    """qat and strict differ in the status that a job has in flight."""
    statuses = set()
    for contract in ("qat", "strict"):
        with manual(mode.name, contract) as (accel, engine), WaitCtx() as ctx:
            Calls(ctx)
            job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
            statuses.add(ctx.status)
            _finish(accel, job)
    assert statuses == ({Status.OK, Status.UNSUPPORTED} if mode.by_callback else {Status.UNSUPPORTED})


@modes
def test_polled(mode: Mode) -> None:
    with manual(mode.name) as (accel, engine), WaitCtx() as ctx:
        assert engine.polled is mode.polled is accel.polled
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        accel.complete(accel.requests[0])
        assert bool(engine.in_flight) is mode.polled  # not handed out yet
        if mode.polled:
            assert engine.poll() == 1
        else:
            with pytest.raises(UsageError, match="does not poll"):
                engine.poll()
        job.resume()
        assert job.result() == b"echo:x"


@modes
def test_polls_itself(mode: Mode) -> None:
    accel = _CountsPolls()
    jobs: list[Job] = []
    with Engine(accel, mode.name) as engine:
        for _ in range(24):
            jobs.append(start_job(engine.sha256, b"x"))
        assert bool(accel.polls) is mode.polls_itself
        for job in jobs:
            assert job.cancel()


def _finish(accel: ManualAccelerator, job: Job) -> None:
    accel.complete(accel.requests[0])
    accel.poll()
    job.resume()
    assert job.result() == b"echo:x"


class _CountsPolls(ManualAccelerator):
    polls = 0

    def poll(self, quota: int = 0) -> int:
        self.polls += 1
        return super().poll(quota)
