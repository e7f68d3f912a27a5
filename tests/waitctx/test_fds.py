"""Setting, finding, listing and clearing fds: the rules of crypto/async/async_wait.c, one a test."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitctx import ChangedFds, UnknownKeyError, UsageError, WaitCtx, WaitCtxError, WaitFd

KEY, OTHER = object(), object()


def test_new_context_is_empty() -> None:
    with WaitCtx() as ctx:
        assert ctx.all_fds() == []
        assert ctx.changed_fds() == ChangedFds([], [])
        assert not ctx.has_changes


def test_set_then_get_gives_fd_and_custom_data() -> None:
    data = ["any object"]
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7, data)
        found = ctx.get_fd(KEY)
        assert found == WaitFd(7, data)
        assert found.custom_data is data


def test_custom_data_is_none_if_not_given() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        assert ctx.get_fd(KEY).custom_data is None


def test_key_set_twice_gives_two_entries_and_the_newer_is_found() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7, "older")
        ctx.set_wait_fd(KEY, 8, "newer")
        assert ctx.get_fd(KEY) == (8, "newer")
        assert ctx.all_fds() == [8, 7]
        assert ctx.changed_fds() == ([8, 7], [])


def test_one_fd_under_two_keys_is_listed_twice() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.set_wait_fd(OTHER, 7)
        assert ctx.all_fds() == [7, 7]


@pytest.mark.parametrize("fd", [-1, 0, 2**31 - 1, -(2**31), 1_000_000])
def test_any_c_int_is_an_fd(fd: int) -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, fd)
        assert ctx.get_fd(KEY).fd == fd


def test_keys_are_compared_by_identity_not_equality() -> None:
    key, equal = [1], [1]
    with WaitCtx() as ctx:
        ctx.set_wait_fd(key, 7)
        with pytest.raises(UnknownKeyError, match="identity"):
            ctx.get_fd(equal)
        with pytest.raises(UnknownKeyError):
            ctx.clear_fd(equal)
        assert ctx.get_fd(key).fd == 7


def test_none_is_a_key() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(None, 7)
        assert ctx.get_fd(None).fd == 7
        ctx.clear_fd(None)
        assert ctx.all_fds() == []


def test_unknown_key_is_refused_and_changes_nothing() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        for call in (ctx.get_fd, ctx.clear_fd):
            with pytest.raises(UnknownKeyError):
                call(OTHER)
        assert ctx.changed_fds() == ([7], [])


def test_fds_are_listed_newest_first() -> None:
    with WaitCtx() as ctx:
        for fd in (3, 9, 5):
            ctx.set_wait_fd(object(), fd)
        assert ctx.all_fds() == [5, 9, 3]
        assert ctx.changed_fds().added == [5, 9, 3]


def test_asking_for_changes_changes_nothing() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        assert ctx.changed_fds() == ctx.changed_fds() == ([7], [])


def test_answers_are_the_callers_own_lists() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.all_fds().clear()
        ctx.changed_fds().added.clear()
        assert ctx.all_fds() == [7]
        assert ctx.changed_fds() == ([7], [])


def test_an_addition_that_was_never_reported_vanishes_when_cleared() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ([], [])
        assert ctx.all_fds() == []
        assert not ctx.has_changes


def test_asking_does_not_report_in_that_sense() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        assert ctx.changed_fds().added == [7]
        ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ([], [])


def test_clearing_after_a_resume_is_reported_until_the_next() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.reset_counts()
        ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ctx.changed_fds() == ([], [7])
        assert ctx.all_fds() == []
        with pytest.raises(UnknownKeyError):
            ctx.get_fd(KEY)
        ctx.reset_counts()
        assert ctx.changed_fds() == ([], [])


def test_cleared_twice_is_an_unknown_key() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.reset_counts()
        ctx.clear_fd(KEY)
        with pytest.raises(UnknownKeyError):
            ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ([], [7])


def test_deletions_are_listed_newest_entry_first() -> None:
    with WaitCtx() as ctx:
        keys = [object() for _ in range(3)]
        for fd, key in enumerate(keys):
            ctx.set_wait_fd(key, fd)
        ctx.reset_counts()
        for key in (keys[1], keys[0], keys[2]):  # the order of clearing does not matter
            ctx.clear_fd(key)
        assert ctx.changed_fds() == ([], [2, 1, 0])


def test_clearing_the_newer_of_one_key_shows_the_older_again() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.reset_counts()
        ctx.set_wait_fd(KEY, 8)
        ctx.clear_fd(KEY)
        assert ctx.get_fd(KEY).fd == 7
        assert ctx.changed_fds() == ([], [])
        ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ([], [7])


def test_set_behind_a_clear_reports_both_at_once() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.reset_counts()
        ctx.clear_fd(KEY)
        ctx.set_wait_fd(KEY, 8)
        assert ctx.changed_fds() == ([8], [7])
        ctx.clear_fd(KEY)
        assert ctx.changed_fds() == ([], [7])


def test_the_reset_keeps_the_fds_and_forgets_the_changes() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.set_wait_fd(OTHER, 8)
        ctx.reset_counts()
        assert ctx.all_fds() == [8, 7]
        assert ctx.changed_fds() == ([], [])
        assert not ctx.has_changes


@pytest.mark.parametrize("fd", [2**31, -(2**31) - 1, "3", 3.0, None])
def test_an_fd_that_is_no_c_int_is_refused_and_nothing_is_set(fd: Any) -> None:
    with WaitCtx() as ctx:
        with pytest.raises(UsageError, match="fd") as caught:
            ctx.set_wait_fd(KEY, fd)
        assert repr(fd) in str(caught.value)
        assert ctx.all_fds() == []
        assert not ctx.has_changes


def test_a_cleanup_that_is_not_callable_is_refused_and_nothing_is_set() -> None:
    with WaitCtx() as ctx:
        not_callable: Any = 5
        with pytest.raises(UsageError, match="cleanup must be callable"):
            ctx.set_wait_fd(KEY, 7, None, not_callable)
        assert ctx.all_fds() == []


def test_every_error_has_one_root() -> None:
    assert issubclass(UsageError, WaitCtxError)
    assert issubclass(UsageError, ValueError)
    assert issubclass(UnknownKeyError, LookupError)


_KEYS = [object() for _ in range(3)]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 2), st.integers(-1, 9)),
        st.tuples(st.just("clear"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("reset"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(_STEPS)
def test_has_changes_is_true_just_when_there_is_something_to_report(steps: list[tuple[str, int, int]]) -> None:
    """A job skips the reset where the flag is down, so that it must never be down with something to forget."""
    with WaitCtx() as ctx:
        for step, key, fd in steps:
            if step == "set":
                ctx.set_wait_fd(_KEYS[key], fd)
            elif step == "reset":
                ctx.reset_counts()
            else:
                try:
                    ctx.clear_fd(_KEYS[key])
                except UnknownKeyError:
                    continue
            assert ctx.has_changes == any(ctx.changed_fds())
