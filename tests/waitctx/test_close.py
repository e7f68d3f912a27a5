"""The end of a context: which cleanups run, in which order, and what is refused then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from tests.interrupting import LINES, SIGNALS, interrupt_everywhere
from waitctx import ClosedError, Status, WaitCtx

KEY, OTHER = object(), object()


class Cleanups:
    """Records the calls of the cleanups that it stands for."""

    def __init__(self) -> None:
        self.calls: list[tuple[WaitCtx, object, int, object]] = []

    def __call__(self, ctx: WaitCtx, key: object, fd: int, custom_data: object) -> None:
        self.calls.append((ctx, key, fd, custom_data))

    @property
    def fds(self) -> list[int]:
        return [call[2] for call in self.calls]


def test_cleanups_run_newest_first_with_what_was_set() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, "a", cleanup)
    ctx.set_wait_fd(OTHER, 8, "b", cleanup)
    ctx.close()
    assert cleanup.calls == [(ctx, OTHER, 8, "b"), (ctx, KEY, 7, "a")]


def test_leaving_the_with_block_is_a_close_also_by_an_exception() -> None:
    cleanup = Cleanups()
    ctx = WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    with pytest.raises(ZeroDivisionError), ctx:
        raise ZeroDivisionError
    assert cleanup.fds == [7]
    assert ctx.closed


def test_both_entries_of_one_key_are_cleaned_up() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(KEY, 8, None, cleanup)
    ctx.close()
    assert cleanup.fds == [8, 7]


@pytest.mark.parametrize("reported", [True, False])
def test_what_was_never_reported_is_cleaned_up_too(reported: bool) -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    if reported:
        ctx.reset_counts()
    ctx.close()
    assert cleanup.fds == [7]


@pytest.mark.parametrize("reported", [True, False])
def test_a_cleared_entry_is_not_cleaned_up(reported: bool) -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(OTHER, 8, None, cleanup)
    if reported:
        ctx.reset_counts()
    ctx.clear_fd(KEY)
    assert cleanup.calls == []
    ctx.close()
    assert cleanup.fds == [8]


def test_a_reset_behind_a_clear_does_not_clean_up() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.reset_counts()
    ctx.clear_fd(KEY)
    ctx.reset_counts()
    ctx.close()
    assert cleanup.calls == []


def test_an_entry_without_cleanup_is_skipped() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(OTHER, 8)
    ctx.close()
    assert cleanup.fds == [7]


def test_close_again_does_nothing() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.close()
    ctx.close()
    assert cleanup.fds == [7]


USES: dict[str, Callable[[WaitCtx], object]] = {
    "set_wait_fd": lambda ctx: ctx.set_wait_fd(KEY, 9),
    "get_fd": lambda ctx: ctx.get_fd(KEY),
    "all_fds": WaitCtx.all_fds,
    "changed_fds": WaitCtx.changed_fds,
    "clear_fd": lambda ctx: ctx.clear_fd(KEY),
    "reset_counts": WaitCtx.reset_counts,
    "set_callback": lambda ctx: ctx.set_callback(print),
    "callback": lambda ctx: ctx.callback,
    "status": lambda ctx: ctx.status,
    "status=": lambda ctx: setattr(ctx, "status", 1),
    "status=Status": lambda ctx: setattr(ctx, "status", Status.OK),
    "with": WaitCtx.__enter__,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_use_after_free_is_refused(use: Callable[[WaitCtx], object]) -> None:
    ctx = WaitCtx()
    ctx.set_wait_fd(KEY, 7)
    ctx.close()
    with pytest.raises(ClosedError, match="was freed"):
        use(ctx)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_cleanup_that_touches_the_context_is_refused_and_the_others_run(use: Callable[[WaitCtx], object]) -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(OTHER, 8, None, lambda ctx, key, fd, data: use(ctx))
    ctx.set_wait_fd(OTHER, 9, None, cleanup)
    with pytest.raises(ClosedError, match="a cleanup must not touch it"):
        ctx.close()
    assert cleanup.fds == [9, 7]
    assert ctx.closed


def test_a_cleanup_that_closes_the_context_again_does_no_harm() -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(OTHER, 8, None, lambda ctx, key, fd, data: ctx.close())
    ctx.close()
    assert cleanup.fds == [7]


@pytest.mark.parametrize("reported", [True, False])
def test_the_next_resume_of_its_job_does_not_pass_by_a_closed_context(reported: bool) -> None:
    """A resume asks for a reset only if there are changes, and the reset is refused then."""
    ctx = WaitCtx()
    ctx.set_wait_fd(KEY, 7)
    if reported:
        ctx.reset_counts()
    ctx.close()
    assert ctx.has_changes


def failing(error: BaseException) -> Callable[..., None]:
    def cleanup(*args: Any) -> None:
        raise error

    return cleanup


@pytest.mark.parametrize("error", [ValueError("one"), KeyboardInterrupt()])
def test_one_failing_cleanup_comes_out_as_itself_when_all_have_run(error: BaseException) -> None:
    cleanup, ctx = Cleanups(), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, cleanup)
    ctx.set_wait_fd(OTHER, 8, None, failing(error))
    with pytest.raises(type(error)) as caught:
        ctx.close()
    assert caught.value is error
    assert cleanup.fds == [7]


def test_several_failing_cleanups_come_out_as_a_group() -> None:
    first, second, ctx = ValueError("first"), OSError("second"), WaitCtx()
    ctx.set_wait_fd(KEY, 7, None, failing(second))
    ctx.set_wait_fd(KEY, 8, None, failing(first))
    with pytest.raises(BaseExceptionGroup) as caught:
        ctx.close()
    assert caught.value.exceptions == (first, second)
    ctx.close()  # and again does nothing


@pytest.mark.parametrize(("error", "places"), [(KeyboardInterrupt, SIGNALS), (MemoryError, LINES)])
def test_after_an_exception_in_between_close_goes_on(error: type[BaseException], places: str) -> None:
    """Each cleanup is called once, by the first close or by the second. Only if memory lacks for the very call that one
    counts as called."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        ctx, called = WaitCtx(), list[int]()

        def cleanup(ctx: WaitCtx, key: object, fd: int, custom_data: object) -> None:
            called.append(fd)
            ctx.close()  # does nothing: it is being closed
            if fd == 8:
                raise ValueError("the cleanup of fd 8")

        for fd in (7, 8, 9):
            ctx.set_wait_fd(KEY, fd, None, cleanup)
        yield partial(close, ctx)
        for _ in range(2):
            with suppress(ValueError, error, BaseExceptionGroup):
                ctx.close()
        assert called == sorted(set(called), reverse=True)
        assert len(called) >= 3 - (places == LINES)
        with pytest.raises(ClosedError, match="was freed"):
            ctx.all_fds()

    def close(ctx: WaitCtx) -> None:
        with suppress(ValueError, BaseExceptionGroup):  # of the cleanup
            ctx.close()

    interrupt_everywhere(scenario, [WaitCtx.close, WaitCtx._clean_up], error, kind=places)
