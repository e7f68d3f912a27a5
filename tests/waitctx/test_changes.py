"""What is reported as changed after a resume: what was set or cleared since, and nothing that was there before."""

from __future__ import annotations

from waitctx import WaitCtx


def test_an_fd_from_before_the_resume_is_not_reported_with_a_new_one() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd("old", 3)
        ctx.reset_counts()
        ctx.set_wait_fd("new", 4)
        assert ctx.changed_fds() == ([4], [])
        assert ctx.all_fds() == [4, 3]


def test_an_fd_from_before_the_resume_is_not_reported_with_one_that_was_cleared() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd("stays", 3)
        ctx.set_wait_fd("goes", 4)
        ctx.reset_counts()
        ctx.clear_fd("goes")
        assert ctx.changed_fds() == ([], [4])
        ctx.set_wait_fd("new", 5)
        assert ctx.changed_fds() == ([5], [4])


def test_a_clear_that_was_reported_is_not_reported_with_a_new_fd() -> None:
    with WaitCtx() as ctx:
        ctx.set_wait_fd("goes", 3)
        ctx.reset_counts()
        ctx.clear_fd("goes")
        ctx.reset_counts()
        ctx.set_wait_fd("new", 4)
        assert ctx.changed_fds() == ([4], [])
