"""Wait contexts, rule by rule. Each test runs on simaccel and on libcrypto alike."""

from __future__ import annotations

import pytest

from tests.conformance.rules import agrees
from tests.oracle.sides import FUNCTIONS, KEYS, Side
from waitctx import openssl as simaccel_door

A, B, _, EQUAL_TO_A = KEYS


@pytest.fixture
def ctx(side: Side) -> int:
    """A new context on the side under test."""
    return side.new()


def set_fd(side: Side, ctx: int, key: object, fd: int, data: object = None, cleanup: bool = False) -> None:
    assert side.call("set_wait_fd", ctx, key, fd, data, side.cleanup if cleanup else None) == 1


def all_fds(side: Side, ctx: int) -> list[int]:
    result, fds = side.door.ASYNC_WAIT_CTX_get_all_fds(side.contexts[ctx])
    assert result == 1
    return fds


def changed(side: Side, ctx: int) -> tuple[list[int], list[int]]:
    result, added, deleted = side.door.ASYNC_WAIT_CTX_get_changed_fds(side.contexts[ctx])
    assert result == 1
    return added, deleted


@agrees("constants", "ASYNC_STATUS_UNSUPPORTED 0, ASYNC_STATUS_ERR 1, ASYNC_STATUS_OK 2, ASYNC_STATUS_EAGAIN 3")
def test_status_constants() -> None:
    # openssl/async.h says so; libcrypto itself keeps any int, and starts with UNSUPPORTED (test_new_is_empty).
    names = ("UNSUPPORTED", "ERR", "OK", "EAGAIN")
    assert [getattr(simaccel_door, f"ASYNC_STATUS_{name}") for name in names] == [0, 1, 2, 3]


@agrees("ASYNC_WAIT_CTX_new", "no fds, no changes, no callback, status ASYNC_STATUS_UNSUPPORTED")
def test_new_is_empty(side: Side, ctx: int) -> None:
    assert all_fds(side, ctx) == []
    assert changed(side, ctx) == ([], [])
    assert side.call("get_callback", ctx) == (0, None, None)
    assert side.call("get_status", ctx) == 0


@agrees("ASYNC_WAIT_CTX_free", "NULL is allowed and does nothing")
def test_free_null(side: Side) -> None:
    side.door.ASYNC_WAIT_CTX_free(None)


@agrees("ASYNC_WAIT_CTX_free", "calls the cleanups from the newest entry to the oldest, with ctx, key, fd, custom data")
@agrees("ASYNC_WAIT_CTX_free", "cleans up additions that were never reported, too")
@agrees("ASYNC_WAIT_CTX_free", "skips entries without a cleanup")
def test_free_cleans_up_newest_first(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10, "of a", cleanup=True)
    set_fd(side, ctx, B, 11)
    side.call("resume", ctx)
    set_fd(side, ctx, B, 12, "of b", cleanup=True)
    side.call("free", ctx)
    assert side.cleanups == [(ctx, 1, 12, "of b"), (ctx, 0, 10, "of a")]


@agrees("ASYNC_WAIT_CTX_free", "calls no cleanup of an entry that was cleared, reported or not")
@agrees("ASYNC_WAIT_CTX_clear_fd", "never calls the cleanup, neither now nor later")
def test_cleared_entries_are_not_cleaned_up(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10, cleanup=True)
    side.call("resume", ctx)
    set_fd(side, ctx, B, 11, cleanup=True)
    side.call("clear_fd", ctx, A)
    side.call("clear_fd", ctx, B)
    side.call("free", ctx)
    assert side.cleanups == []


@agrees(
    "ASYNC_WAIT_CTX_set_wait_fd", "takes any key (also NULL) and any int as fd, also -1 and one that is there already"
)
def test_any_key_and_fd(side: Side, ctx: int) -> None:
    for fd in (-1, 2**31 - 1, -(2**31), -1):
        set_fd(side, ctx, None, fd)
    assert all_fds(side, ctx) == [-1, -(2**31), 2**31 - 1, -1]


@agrees(
    "ASYNC_WAIT_CTX_set_wait_fd", "the same key twice gives two entries: both listed, both reported, both cleaned up"
)
@agrees("ASYNC_WAIT_CTX_get_fd", "returns the newest entry of the key")
def test_same_key_twice(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10, "older", cleanup=True)
    set_fd(side, ctx, A, 11, "newer", cleanup=True)
    assert all_fds(side, ctx) == [11, 10]
    assert changed(side, ctx) == ([11, 10], [])
    assert side.call("get_fd", ctx, A) == (1, 11, "newer")
    side.call("free", ctx)
    assert [fd for _, _, fd, _ in side.cleanups] == [11, 10]


@agrees("ASYNC_WAIT_CTX_get_fd", "keys are compared by identity")
def test_keys_are_identities(side: Side, ctx: int) -> None:
    assert A == EQUAL_TO_A
    set_fd(side, ctx, A, 10)
    assert side.call("get_fd", ctx, EQUAL_TO_A) == (0, None, None)
    assert side.call("clear_fd", ctx, EQUAL_TO_A) == 0


@agrees("ASYNC_WAIT_CTX_get_fd", "0 for an unknown or cleared key, outputs untouched")
@agrees("ASYNC_WAIT_CTX_clear_fd", "0 for an unknown key, and for one that was cleared already")
def test_unknown_key(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10)
    side.call("resume", ctx)
    assert side.call("get_fd", ctx, B) == (0, None, None)
    assert side.call("clear_fd", ctx, B) == 0
    assert side.call("clear_fd", ctx, A) == 1
    assert side.call("get_fd", ctx, A) == (0, None, None)
    assert side.call("clear_fd", ctx, A) == 0


@agrees("ASYNC_WAIT_CTX_get_all_fds", "every entry that is not cleared, newest first; the count alone without a buffer")
def test_all_fds_newest_first(side: Side, ctx: int) -> None:
    for fd, key in enumerate(KEYS):
        set_fd(side, ctx, key, fd)
    side.call("resume", ctx)
    side.call("clear_fd", ctx, KEYS[1])
    assert all_fds(side, ctx) == [3, 2, 0]


@agrees("ASYNC_WAIT_CTX_get_changed_fds", "what was added and deleted since the last resume, each newest first")
@agrees("ASYNC_WAIT_CTX_get_changed_fds", "asking changes nothing, and either buffer may be missing")
def test_changed_fds(side: Side, ctx: int) -> None:
    for fd, key in enumerate(KEYS):
        set_fd(side, ctx, key, fd)
    side.call("resume", ctx)
    side.call("clear_fd", ctx, KEYS[0])
    side.call("clear_fd", ctx, KEYS[2])
    set_fd(side, ctx, A, 7)
    set_fd(side, ctx, B, 8)
    for _ in range(2):
        assert changed(side, ctx) == ([8, 7], [2, 0])


@agrees("ASYNC_WAIT_CTX_clear_fd", "an entry that was never reported disappears, and is not reported as deleted")
def test_clear_before_report(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10)
    assert side.call("clear_fd", ctx, A) == 1
    assert changed(side, ctx) == ([], [])
    assert all_fds(side, ctx) == []


@agrees("ASYNC_WAIT_CTX_clear_fd", "clears the newest entry of the key; an older entry of that key is visible again")
def test_clear_shows_the_older_entry(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10, "older")
    side.call("resume", ctx)
    set_fd(side, ctx, A, 11, "newer")
    side.call("clear_fd", ctx, A)
    assert side.call("get_fd", ctx, A) == (1, 10, "older")
    assert changed(side, ctx) == ([], [])
    side.call("clear_fd", ctx, A)
    assert changed(side, ctx) == ([], [10])


@agrees(
    "ASYNC_WAIT_CTX_set_wait_fd", "after a clear of the same key: reported as added, and the cleared one as deleted"
)
def test_set_after_clear(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10)
    side.call("resume", ctx)
    side.call("clear_fd", ctx, A)
    set_fd(side, ctx, A, 11)
    assert changed(side, ctx) == ([11], [10])
    side.call("clear_fd", ctx, A)
    assert changed(side, ctx) == ([], [10])


@agrees(
    "the reset at a resume",
    "both lists are empty afterwards, deleted entries are gone without a cleanup, the rest stays",
)
def test_reset(side: Side, ctx: int) -> None:
    set_fd(side, ctx, A, 10, cleanup=True)
    set_fd(side, ctx, B, 11, cleanup=True)
    side.call("resume", ctx)
    side.call("clear_fd", ctx, A)
    side.call("resume", ctx)
    assert changed(side, ctx) == ([], [])
    assert all_fds(side, ctx) == [11]
    side.call("free", ctx)
    assert [fd for _, _, fd, _ in side.cleanups] == [11]


@agrees("ASYNC_WAIT_CTX_set_callback", "stores function and argument; returns 1")
@agrees("ASYNC_WAIT_CTX_set_callback", "a NULL function removes the callback")
@agrees("ASYNC_WAIT_CTX_get_callback", "returns 1, and gives both; without a callback returns 0, outputs untouched")
def test_callback(side: Side, ctx: int) -> None:
    assert side.call("set_callback", ctx, FUNCTIONS[0], "its arg") == 1
    assert side.call("get_callback", ctx) == (1, FUNCTIONS[0], "its arg")
    assert side.call("set_callback", ctx, FUNCTIONS[1], None) == 1
    assert side.call("get_callback", ctx) == (1, FUNCTIONS[1], None)
    assert side.call("set_callback", ctx, None, "its arg") == 1
    assert side.call("get_callback", ctx) == (0, None, None)


@agrees("ASYNC_WAIT_CTX_set_callback", "0 for a NULL context")
def test_callback_of_null(side: Side) -> None:
    assert side.door.ASYNC_WAIT_CTX_set_callback(None, FUNCTIONS[0], None) == 0


@agrees("ASYNC_WAIT_CTX_set_status", "stores any int, also one that has no name; returns 1")
@agrees("ASYNC_WAIT_CTX_get_status", "the int stored last")
def test_status(side: Side, ctx: int) -> None:
    for status in (0, 1, 2, 3, 4, -1, 2**31 - 1, -(2**31)):
        assert side.call("set_status", ctx, status) == 1
        assert side.call("get_status", ctx) == status


@agrees("ASYNC_WAIT_CTX_get_status", "nothing but set_status changes it: no fd, no callback, no resume")
def test_status_stays(side: Side, ctx: int) -> None:
    side.call("set_status", ctx, 3)
    set_fd(side, ctx, A, 10)
    side.call("set_callback", ctx, FUNCTIONS[0], None)
    side.call("resume", ctx)
    side.call("clear_fd", ctx, A)
    assert side.call("get_status", ctx) == 3
