"""What an engine remembers about a context is forgotten when the context changes, and a closed one holds nothing."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

import pytest

from waitctx import WaitCtx

KEY = object()


def clear_of_an_entry_that_was_reported(ctx: WaitCtx) -> None:
    ctx.reset_counts()
    ctx.memo = "remembered"
    ctx.clear_fd(KEY)


@pytest.mark.parametrize(
    "change",
    [
        lambda ctx: ctx.set_wait_fd(object(), 8),
        lambda ctx: ctx.set_wait_fd(KEY, 7),
        lambda ctx: ctx.clear_fd(KEY),
        clear_of_an_entry_that_was_reported,
        lambda ctx: ctx.set_callback(print),
        lambda ctx: ctx.set_callback(None),
        lambda ctx: ctx.close(),
    ],
    ids=["set another", "set the same", "clear", "clear a reported one", "callback", "no callback", "close"],
)
def test_the_memo_is_forgotten_when_the_context_changes(change: Callable[[WaitCtx], object]) -> None:
    ctx = WaitCtx()
    ctx.set_wait_fd(KEY, 7)
    ctx.memo = "remembered"
    change(ctx)
    assert ctx.memo is None
    ctx.close()


@pytest.mark.parametrize(
    "look",
    [
        WaitCtx.all_fds,
        WaitCtx.changed_fds,
        WaitCtx.reset_counts,
        lambda ctx: ctx.get_fd(KEY),
        lambda ctx: setattr(ctx, "status", 2),
    ],
)
def test_the_memo_stays_while_nothing_is_set_or_cleared(look: Callable[[WaitCtx], object]) -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd(KEY, 7)
        ctx.memo = "remembered"
        look(ctx)
        assert ctx.memo == "remembered"


class Something:
    """May be weakly referred to."""

    def method(self, arg: object) -> None:
        """A callback."""


def test_a_closed_context_keeps_nothing_alive_that_was_set_in_it() -> None:
    """A job's owner may keep the context; the callback's object, key, data and memo go with the close."""
    ctx = WaitCtx()
    callback, arg, key, data, memo = (Something() for _ in range(5))
    gone = [ref(one) for one in (callback, arg, key, data, memo)]
    ctx.set_wait_fd(key, 7, data)
    ctx.set_callback(callback.method, arg)
    ctx.memo = memo
    del callback, arg, key, data, memo
    assert None not in [one() for one in gone]
    ctx.close()
    assert [one() for one in gone] == [None] * 5
    assert ctx.closed
