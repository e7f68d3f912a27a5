"""asyncio as an `EventLoop`: what a `LoopDriver` needs of an asyncio loop, such as uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary, ref

from engine.drivers.loop_driver import LoopDriver


class AsyncioLoop:
    """See `EventLoop`."""

    raise_if_cancelled: Callable[[], Awaitable[None]] | None = None
    turn: Callable[[], Awaitable[None]] | None = None
    name = "asyncio"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # a weak reference, because `_drivers` would otherwise keep every loop alive

    def call_soon(self, fn: Callable[[], object]) -> bool:
        loop = self._loop()
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(fn)
        except RuntimeError:
            return False
        return True

    call_when_idle = call_soon
    """asyncio can't tell when all tasks wait."""

    def hurry(self) -> None:
        pass  # the call is made soon anyway

    def call_later(self, delay_s: float, fn: Callable[[], object]) -> asyncio.Handle:
        loop = self._running()
        return loop.call_later(delay_s, fn) if delay_s else loop.call_soon(fn)

    def add_reader(self, fd: int, readable: Callable[[int], None], failed: Callable[[int, Exception], None]) -> None:
        self._running().add_reader(fd, readable, fd)

    def remove_reader(self, fd: int) -> None:
        self._running().remove_reader(fd)

    def new_future(self) -> asyncio.Future[None]:
        return self._running().create_future()

    def task_name(self) -> str:
        task = asyncio.current_task(self._loop())
        return "" if task is None else task.get_name()

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop()
        assert loop is not None  # it runs this
        return loop


_drivers: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopDriver] = WeakKeyDictionary()


def running_driver() -> LoopDriver:
    """The driver of the asyncio loop that runs in this thread."""
    loop = asyncio.get_running_loop()
    driver = _drivers.get(loop)
    if driver is None:
        driver = _drivers[loop] = LoopDriver(AsyncioLoop(loop))
    return driver
