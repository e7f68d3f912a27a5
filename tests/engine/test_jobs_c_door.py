"""The C door for jobs: codes and tuples. That they are C's own is shown by the comparison with libcrypto."""

from __future__ import annotations

from typing import Any

import pytest

from engine import UsageError, cleanup_pool
from engine import openssl as door
from tests.engine.job_kinds import own_pool as own_pool
from waitctx import WaitCtx


def func(args: bytes | None) -> int:
    door.ASYNC_pause_job()
    return -1 if args is None else len(args)


def test_start_pause_finish() -> None:
    with WaitCtx() as ctx:
        status, job, ret = door.ASYNC_start_job(None, ctx, func, b"abc")
        assert (status, ret) == (door.ASYNC_PAUSE, None)
        assert job is not None
        assert door.ASYNC_get_wait_ctx(job) is ctx
        assert door.ASYNC_start_job(job, None, func, None) == (door.ASYNC_FINISH, None, 3)
        assert door.ASYNC_get_wait_ctx(job) is None


@pytest.mark.parametrize(("args", "ret"), [(None, -1), (b"", -1), (bytearray(b"ab"), 2), (memoryview(b"abcd"), 4)])
def test_args_are_copied_and_size_zero_is_null(args: Any, ret: int) -> None:
    _, job, _ = door.ASYNC_start_job(None, None, func, args)
    if isinstance(args, bytearray):
        args.clear()
    assert door.ASYNC_start_job(job, None, func, None)[2] == ret


def test_no_jobs() -> None:
    assert door.ASYNC_init_thread(1, 0) == 1
    assert door.ASYNC_init_thread(1, 2) == 0
    _, job, _ = door.ASYNC_start_job(None, None, func, None)
    assert door.ASYNC_start_job(None, None, func, None) == (door.ASYNC_NO_JOBS, None, None)
    assert door.ASYNC_start_job(job, None, func, None) == (door.ASYNC_FINISH, None, -1)


def test_outside_of_a_job() -> None:
    assert door.ASYNC_pause_job() == 1
    assert door.ASYNC_get_current_job() is None
    assert door.ASYNC_is_capable() == 1


def test_the_current_job_inside() -> None:
    seen = []

    def inside(args: bytes | None) -> int:
        seen.append(door.ASYNC_get_current_job())
        door.ASYNC_pause_job()
        return 0

    _, job, _ = door.ASYNC_start_job(None, None, inside, None)
    assert seen == [job]
    door.ASYNC_start_job(job, None, inside, None)


def test_a_finished_handle_is_refused() -> None:
    _, job, _ = door.ASYNC_start_job(None, None, func, None)
    door.ASYNC_start_job(job, None, func, None)
    with pytest.raises(UsageError, match="finished"):
        door.ASYNC_start_job(job, None, func, None)


def test_an_exception_ends_the_job_and_comes_out() -> None:
    def raises(args: bytes | None) -> int:
        door.ASYNC_pause_job()
        raise ValueError("its own")

    _, job, _ = door.ASYNC_start_job(None, None, raises, None)
    with pytest.raises(ValueError, match="its own"):
        door.ASYNC_start_job(job, None, raises, None)


def test_cleanup_with_a_paused_job_is_refused() -> None:
    _, job, _ = door.ASYNC_start_job(None, None, func, None)
    with pytest.raises(UsageError, match="have not ended"):
        door.ASYNC_cleanup_thread()
    assert door.ASYNC_start_job(job, None, func, None)[0] == door.ASYNC_FINISH


@pytest.mark.parametrize(
    ("job", "ctx", "function", "args", "message"),
    [
        ("job", None, func, None, "what ASYNC_start_job returned"),
        (None, "ctx", func, None, "a WaitCtx or None"),
        (None, None, func, "text", "bytes or None"),
        (None, None, None, None, "a job runs a function"),
        (None, None, lambda args: "text", None, "returns an int"),
    ],
)
def test_bad_arguments(job: Any, ctx: Any, function: Any, args: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        door.ASYNC_start_job(job, ctx, function, args)
    cleanup_pool()


def test_the_wait_ctx_of_no_job() -> None:
    with pytest.raises(UsageError, match="C crashes here"):
        door.ASYNC_get_wait_ctx(None)
