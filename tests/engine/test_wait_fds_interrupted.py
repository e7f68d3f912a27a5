"""An exception while a wake fd is made or closed leaves no fd open, and closes none twice."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from engine.offload.wake_fds import EventFd, Pipe, WakeFd, _close_all, wake_fd
from tests.interrupting import LINES, SIGNALS, interrupt_everywhere


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux lists a process's fds")
@pytest.mark.parametrize("error_kind", [(KeyboardInterrupt, SIGNALS), (MemoryError, LINES)], ids=["ctrl-c", "memory"])
@pytest.mark.parametrize("kind", ["fd", "pipe"])
def test_an_exception_while_it_is_made_or_closed(kind: str, error_kind: tuple[type[BaseException], str]) -> None:
    error, places = error_kind

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        before = open_fds()
        made: list[WakeFd] = []

        def act() -> None:
            try:
                made.append(wake_fd(kind))
                made[0].close()
            except error as raised:
                raise raised.with_traceback(None) from None  # whose frames keep alive what was half made

        yield act
        if made:
            made[0].close()
            assert made[0].fd == -1
        gc.collect()
        assert open_fds() == before

    interrupt_everywhere(scenario, [WakeFd, EventFd if kind == "fd" else Pipe, wake_fd, _close_all], error, kind=places)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux lists a process's fds")
@pytest.mark.parametrize("kind", ["fd", "pipe"])
def test_an_exception_while_the_collector_closes_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can close it after that. An exception in `__del__` is not raised anywhere."""
    monkeypatch.setattr("sys.unraisablehook", lambda args: None)

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        before = open_fds()
        made = [wake_fd(kind)]
        yield made.clear
        gc.collect()
        assert open_fds() == before

    watched = [WakeFd.close, (EventFd if kind == "fd" else Pipe)._move_to_closing, _close_all]
    interrupt_everywhere(scenario, watched, KeyboardInterrupt, kind=SIGNALS)
