"""The C door: OpenSSL's names and codes, and a WaitCtxError wherever C would crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from waitctx import ClosedError, NullContextError, WaitCtx
from waitctx import openssl as door

KEY = object()


def test_round_trip_with_c_codes() -> None:
    ctx = door.ASYNC_WAIT_CTX_new()
    assert door.ASYNC_WAIT_CTX_get_fd(ctx, KEY) == (0, None, None)
    assert door.ASYNC_WAIT_CTX_clear_fd(ctx, KEY) == 0
    assert door.ASYNC_WAIT_CTX_set_wait_fd(ctx, KEY, 7, "data", None) == 1
    assert door.ASYNC_WAIT_CTX_get_fd(ctx, KEY) == (1, 7, "data")
    assert door.ASYNC_WAIT_CTX_get_all_fds(ctx) == (1, [7])
    assert door.ASYNC_WAIT_CTX_get_changed_fds(ctx) == (1, [7], [])
    assert door.ASYNC_WAIT_CTX_clear_fd(ctx, KEY) == 1
    assert door.ASYNC_WAIT_CTX_get_changed_fds(ctx) == (1, [], [])
    assert door.ASYNC_WAIT_CTX_get_callback(ctx) == (0, None, None)
    assert door.ASYNC_WAIT_CTX_set_callback(ctx, print, 5) == 1
    assert door.ASYNC_WAIT_CTX_get_callback(ctx) == (1, print, 5)
    assert door.ASYNC_WAIT_CTX_get_status(ctx) == door.ASYNC_STATUS_UNSUPPORTED
    assert door.ASYNC_WAIT_CTX_set_status(ctx, door.ASYNC_STATUS_EAGAIN) == 1
    assert door.ASYNC_WAIT_CTX_get_status(ctx) == 3
    door.ASYNC_WAIT_CTX_free(ctx)


CALLS: dict[str, Callable[[Any], object]] = {
    "set_wait_fd": lambda ctx: door.ASYNC_WAIT_CTX_set_wait_fd(ctx, KEY, 7, None, None),
    "get_fd": lambda ctx: door.ASYNC_WAIT_CTX_get_fd(ctx, KEY),
    "get_all_fds": door.ASYNC_WAIT_CTX_get_all_fds,
    "get_changed_fds": door.ASYNC_WAIT_CTX_get_changed_fds,
    "clear_fd": lambda ctx: door.ASYNC_WAIT_CTX_clear_fd(ctx, KEY),
    "get_callback": door.ASYNC_WAIT_CTX_get_callback,
    "set_status": lambda ctx: door.ASYNC_WAIT_CTX_set_status(ctx, 1),
    "get_status": door.ASYNC_WAIT_CTX_get_status,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("not_a_context", [None, 0, "ctx"])
def test_null_where_c_crashes(call: Callable[[Any], object], not_a_context: object) -> None:
    with pytest.raises(NullContextError, match="C crashes here"):
        call(not_a_context)


def test_the_two_calls_that_c_lets_have_null() -> None:
    door.ASYNC_WAIT_CTX_free(None)
    assert door.ASYNC_WAIT_CTX_set_callback(None, print, 5) == 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_use_after_free(call: Callable[[Any], object]) -> None:
    ctx = WaitCtx()
    door.ASYNC_WAIT_CTX_free(ctx)
    with pytest.raises(ClosedError):
        call(ctx)


def test_double_free() -> None:
    ctx = door.ASYNC_WAIT_CTX_new()
    door.ASYNC_WAIT_CTX_free(ctx)
    with pytest.raises(ClosedError, match="double free"):
        door.ASYNC_WAIT_CTX_free(ctx)


def test_free_from_a_cleanup() -> None:
    ctx = door.ASYNC_WAIT_CTX_new()
    door.ASYNC_WAIT_CTX_set_wait_fd(ctx, KEY, 7, None, lambda ctx, key, fd, data: door.ASYNC_WAIT_CTX_free(ctx))
    with pytest.raises(ClosedError, match="is being freed"):
        door.ASYNC_WAIT_CTX_free(ctx)
