"""trio as an `EventLoop`: what a `LoopDriver` needs of a run of trio.

trio has tasks where asyncio has callbacks. So a timer and a watched fd are each a system task here. trio protects
such a task, and whatever `call_soon` calls, from Ctrl-C. An exception there would end the whole run, so it is reported
instead, as asyncio does.

This module is imported only where trio runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import trio
import trio.testing

from engine.drivers.loop_driver import LoopDriver
from engine.unraisable import report_unraisable


class TrioFuture:
    """An event that fits `Future`."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = trio.Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, result: None) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


class TrioLoop:
    """See `EventLoop`."""

    name = "trio"

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._readers: dict[int, trio.CancelScope] = {}
        self._idle = trio.CancelScope()
        self.raise_if_cancelled: Callable[[], Awaitable[None]] | None = trio.lowlevel.checkpoint_if_cancelled
        self.turn: Callable[[], Awaitable[None]] | None = trio.lowlevel.cancel_shielded_checkpoint

    def call_soon(self, fn: Callable[[], object]) -> bool:
        try:
            self._token.run_sync_soon(_call, fn)
        except trio.RunFinishedError:
            return False
        return True

    def call_when_idle(self, fn: Callable[[], object]) -> bool:
        self._idle = trio.CancelScope()
        return _spawn(_call_when_idle, self._idle, fn)

    def hurry(self) -> None:
        self._idle.cancel()

    def call_later(self, delay_s: float, fn: Callable[[], object]) -> trio.CancelScope:
        scope = trio.CancelScope()
        _spawn(_call_later, scope, delay_s, fn)
        return scope

    def add_reader(self, fd: int, readable: Callable[[int], None], failed: Callable[[int, Exception], None]) -> None:
        if fd not in self._readers:
            scope = self._readers[fd] = trio.CancelScope()
            _spawn(_read, scope, fd, readable, failed)

    def remove_reader(self, fd: int) -> None:
        scope = self._readers.get(fd)
        if scope is not None:
            scope.cancel()  # it ends the wait at once, and so the fd may be closed now
            self._readers.pop(fd, None)

    def new_future(self) -> TrioFuture:
        return TrioFuture()

    def task_name(self) -> str:
        return trio.lowlevel.current_task().name


async def _call_when_idle(scope: trio.CancelScope, fn: Callable[[], object]) -> None:
    with scope:
        await trio.testing.wait_all_tasks_blocked()
    _call(fn)


async def _call_later(scope: trio.CancelScope, delay_s: float, fn: Callable[[], object]) -> None:
    with scope:
        await trio.sleep(delay_s)
        _call(fn)


async def _read(
    scope: trio.CancelScope, fd: int, readable: Callable[[int], None], failed: Callable[[int, Exception], None]
) -> None:
    with scope:
        while not scope.cancel_called:  # asked before each wait, because the fd may be closed by then
            try:
                await trio.lowlevel.wait_readable(fd)
            except Exception as error:  # closed, or not a kind that can be waited for, or waited for by another task
                failed(fd, error)
                return
            readable(fd)


def _call(fn: Callable[[], object]) -> None:
    try:
        fn()
    except Exception as error:
        report_unraisable(error, "a step in trio's loop", fn)


def _spawn(task: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> bool:
    """Start a system task. Returns False if the run is ending; then no task of the user is left."""
    try:
        trio.lowlevel.spawn_system_task(task, *args)
    except RuntimeError:
        return False
    return True


_driver: trio.lowlevel.RunVar[LoopDriver | None] = trio.lowlevel.RunVar("simaccel", None)


def running_driver() -> LoopDriver:
    """The driver of the run of trio that runs this task."""
    driver = _driver.get()
    if driver is None:
        driver = LoopDriver(TrioLoop())
        _driver.set(driver)
    return driver
