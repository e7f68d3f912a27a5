"""The wake fds by themselves: any number, any error of the system, a fork, and an owner that forgets them."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

import pytest

from engine import OperationError
from engine.offload import wake_fds
from engine.offload.wake_fds import EventFd, Pipe, WakeFd, is_wake_fd, wake_fd
from tests.engine.ways import readable

KINDS = ["fd", "pipe"]
kinds = pytest.mark.parametrize("kind", KINDS)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def fds_of(made: WakeFd) -> list[int]:
    return [made.fd, made._write_fd] if isinstance(made, Pipe) else [made.fd]


@contextmanager
def fd_0_is_free() -> Iterator[None]:
    """As in a server that has closed its standard input. The next fd that is made gets the number 0."""
    kept = os.dup(0)
    os.close(0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@kinds
def test_fd_0_is_an_fd_like_any_other(kind: str) -> None:
    with fd_0_is_free():
        made = wake_fd(kind)
        assert made.fd == 0
        assert not made.drain()
        assert made.put()
        assert made.drain()
        assert is_wake_fd(0)
        made.close()
        assert not is_open(0)
        assert not is_wake_fd(0)
        assert not made.put()


def test_a_pipe_may_be_written_through_fd_0() -> None:
    made = Pipe()
    with fd_0_is_free():
        os.dup2(made._write_fd, 0)
        os.close(made._write_fd)
        made._write_fd = 0
        assert made.put()
        assert readable(made.fd)
        made.close()
        assert not is_open(0)


@kinds
def test_who_forgets_a_wake_fd_leaves_no_fd_open(kind: str) -> None:
    with fd_0_is_free():
        made = wake_fd(kind)
        fds = fds_of(made)
        assert 0 in fds
        del made
        assert not any(map(is_open, fds))


@kinds
def test_an_fd_that_somebody_else_closed_is_no_wake_fd_any_more(kind: str) -> None:
    made = wake_fd(kind)
    fds = fds_of(made)
    os.close(made.fd)
    assert is_wake_fd(fds[0])
    with pytest.raises(OperationError, match=f"the wait fd {fds[0]} was closed by somebody else"):
        made.drain()
    assert not is_wake_fd(fds[0])
    assert not made.put()
    assert not any(map(is_open, fds))


@kinds
def test_in_the_child_of_a_fork_it_is_closed_though_another_thread_held_its_lock(kind: str) -> None:
    made = wake_fd(kind)
    fds = fds_of(made)
    made.lock.acquire()
    made.disown()
    assert not any(map(is_open, fds))
    assert not made.put()


@pytest.mark.python_source
def test_an_error_of_the_system_that_means_nothing_here_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    event, pipe = EventFd(), Pipe()
    with monkeypatch.context() as patch:
        patch.setattr(wake_fds, "write_tokens", lambda fd, count: -1)
        patch.setattr(wake_fds, "write_byte", lambda fd: -1)
        patch.setattr(wake_fds, "last_errno", lambda: errno.EIO)
        for made in (event, pipe):
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                made.put()
    for made in (event, pipe):
        assert made.put()
        made.close()


def test_a_pipe_whose_reading_end_is_closed_can_wake_nobody() -> None:
    made = Pipe()
    os.close(made.fd)
    assert not made.put()
    made.close()


def test_a_pipe_full_of_tokens_is_readable_and_takes_another_wake_without_blocking() -> None:
    made = Pipe()
    fcntl.fcntl(made._write_fd, fcntl.F_SETPIPE_SZ, 4_096)
    for _ in range(4_096 + 1):
        assert made.put()
    assert made.drain()
    assert not readable(made.fd)
    made.close()


def test_a_pipe_whose_writing_end_is_closed_can_wake_nobody() -> None:
    made = Pipe()
    os.close(made._write_fd)
    assert not made.put()
    made.close()


class Emptied(list[int]):
    """A list of fds that another thread closes between the look at it and the pop."""

    def pop(self, *args: Any) -> int:
        self.clear()
        return super().pop()


def test_fds_that_another_thread_closes_meanwhile_are_left_to_it() -> None:
    wake_fds._close_all(Emptied([-7]))


def test_what_close_itself_raises_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = EventFd()

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    number = made.fd
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fails)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            made.close()
    os.close(number)  # the system has not


def test_the_child_of_a_fork_closes_its_copies_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake_fds, "_open", WeakValueDictionary())
    both = [wake_fd(kind) for kind in KINDS]
    fds = [fd for made in both for fd in fds_of(made)]
    wake_fds._after_fork_in_child()
    assert not any(map(is_open, fds))
    assert not any(map(is_wake_fd, fds))
    fd = os.open(os.devnull, os.O_RDONLY)  # has a number that was one of theirs
    assert not is_wake_fd(fd)
    os.close(fd)


@kinds
def test_each_fd_is_closed_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second close of a number might hit a file that has got it meanwhile."""
    closed: list[int] = []
    close = os.close

    def counted(fd: int) -> None:
        closed.append(fd)
        close(fd)

    made = wake_fd(kind)
    fds = fds_of(made)
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", counted)
        made.close()
        made.close()
    assert sorted(closed) == sorted(fds)


@pytest.mark.python_source
@kinds
def test_a_ctrl_c_when_it_was_just_made_leaves_no_fd_open(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []

    def interrupted(step: Iterator[object]) -> None:
        steps.append(next(step))
        if len(steps) == 1:
            raise KeyboardInterrupt

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(wake_fds, "next", interrupted, raising=False)
        with suppress(KeyboardInterrupt):
            wake_fd(kind)
        gc.collect()
    assert len(steps) == 1 + len(fds_of(wake_fd(kind)))  # made, and each of its fds closed
    assert os.listdir("/proc/self/fd") == before
