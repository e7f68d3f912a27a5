"""The callback and the status: stored, returned, and touched by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from waitctx import Callback, Status, UsageError, WaitCtx


def woken(arg: object) -> None:
    raise AssertionError("a wait context calls no callback by itself")


def test_new_context_has_no_callback_and_the_status_unsupported() -> None:
    with WaitCtx() as ctx:
        assert ctx.callback is None
        assert ctx.status is Status.UNSUPPORTED


def test_callback_and_argument_are_stored() -> None:
    arg = object()
    with WaitCtx() as ctx:
        ctx.set_callback(woken, arg)
        assert ctx.callback == Callback(woken, arg)
        ctx.set_callback(woken)
        assert ctx.callback == (woken, None)


def test_none_takes_the_callback_away() -> None:
    with WaitCtx() as ctx:
        ctx.set_callback(woken, 1)
        ctx.set_callback(None, 2)
        assert ctx.callback is None


def test_a_callback_that_is_not_callable_is_refused_and_the_old_one_stays() -> None:
    not_callable: Any = "woken"
    with WaitCtx() as ctx:
        ctx.set_callback(woken, 1)
        with pytest.raises(UsageError, match="'woken'"):
            ctx.set_callback(not_callable)
        assert ctx.callback == (woken, 1)


@pytest.mark.parametrize("status", [0, 1, 2, 3, -1, 4, 2**31, -(2**40)])
def test_any_int_is_kept_as_status(status: int) -> None:
    with WaitCtx() as ctx:
        ctx.status = status
        assert ctx.status == status


def test_the_four_with_a_meaning_come_back_as_status() -> None:
    assert [(status.name, int(status)) for status in Status] == [
        ("UNSUPPORTED", 0),
        ("ERR", 1),
        ("OK", 2),
        ("EAGAIN", 3),
    ]
    with WaitCtx() as ctx:
        ctx.status = 3
        assert ctx.status is Status.EAGAIN


@pytest.mark.parametrize("status", ["OK", 2.0, None])
def test_a_status_that_is_no_int_is_refused_and_the_old_one_stays(status: Any) -> None:
    with WaitCtx() as ctx:
        ctx.status = Status.EAGAIN
        with pytest.raises(UsageError, match="must be an int"):
            ctx.status = status
        assert ctx.status is Status.EAGAIN


def test_nothing_else_changes_callback_and_status() -> None:
    key = object()
    with WaitCtx() as ctx:
        ctx.set_callback(woken, 1)
        ctx.status = 77
        ctx.set_wait_fd(key, 7)
        ctx.reset_counts()
        ctx.clear_fd(key)
        ctx.reset_counts()
        assert ctx.callback == (woken, 1)
        assert ctx.status == 77


def test_the_repr_shows_what_a_reader_looks_for() -> None:
    ctx = WaitCtx()
    ctx.set_wait_fd("engine", 7)
    assert "[7]" in repr(ctx)
    assert "UNSUPPORTED" in repr(ctx)
    ctx.close()
    assert "was freed" in repr(ctx)
