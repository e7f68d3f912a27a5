"""asyncio and trio behind one interface, so that one test runs on both: `@both_loops`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio
import trio.testing
from trio._core import _run

from engine.drivers.running_loop import loop_here


class TaskCancelled(Exception):
    """What `Task.result` raises for a task that was cancelled."""


class Task(ABC):
    """A task that runs a coroutine."""

    value: Any = None
    error: BaseException | None = None
    cancelled = False
    done = False

    @abstractmethod
    def cancel(self) -> None: ...

    @abstractmethod
    async def wait(self) -> None:
        """Wait until it has ended."""

    def result(self) -> Any:
        """The value, or the exception is raised. The task must have ended."""
        assert self.done
        if self.cancelled:
            raise TaskCancelled
        if self.error is not None:
            raise self.error
        return self.value

    def __await__(self) -> Any:
        yield from self.wait().__await__()
        return self.result()


class Loop(ABC):
    """One of the two libraries."""

    name: str

    @abstractmethod
    def run(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run main() in a new loop, and then cancel the tasks that are left. Returns or raises what main does."""

    @abstractmethod
    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> Task:
        """Start a task in the loop that runs."""

    async def gather(self, *coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run these at the same time, each in a task. Returns the value or the exception of each."""
        tasks = [self.spawn(coroutine) for coroutine in coroutines]
        ends = []
        for task in tasks:
            await task.wait()
            ends.append(task.error if task.error is not None else task.value)
        return ends

    def __repr__(self) -> str:
        return self.name


class _AsyncioTask(Task):
    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str | None) -> None:
        self.task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.done, self.cancelled = True, task.cancelled()
        if not self.cancelled:
            self.error = task.exception()
            self.value = task.result() if self.error is None else None

    def cancel(self) -> None:
        self.task.cancel()

    async def wait(self) -> None:
        await asyncio.wait([self.task])
        while not self.done:
            await asyncio.sleep(0)


class Asyncio(Loop):
    name = "asyncio"

    def run(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run(main())

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> Task:
        return _AsyncioTask(coroutine, name)


class _TrioTask(Task):
    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            with self.scope:
                try:
                    self.value = await coroutine
                except Exception as error:
                    self.error = error
            self.cancelled = self.scope.cancelled_caught
        finally:
            self.done = True
            self.ended.set()

    def cancel(self) -> None:
        self.scope.cancel()

    async def wait(self) -> None:
        await self.ended.wait()


class Trio(Loop):
    name = "trio"

    def __init__(self) -> None:
        self._nurseries: dict[object, trio.Nursery] = {}

    def run(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def all_of_it() -> Any:
            run = trio.lowlevel.current_trio_token()
            error: BaseException | None = None
            value = None
            async with trio.open_nursery() as nursery:
                self._nurseries[run] = nursery
                try:
                    value = await main()
                except BaseException as raised:  # kept, because a nursery would put it into a group
                    error = raised
                nursery.cancel_scope.cancel()
            del self._nurseries[run]
            if error is not None:
                raise error
            return value

        # trio runs tasks that are ready in random order. Here the order is the same in each run of a test.
        _run._r.seed(1)
        return trio.run(all_of_it)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> Task:
        task = _TrioTask()
        self._nurseries[trio.lowlevel.current_trio_token()].start_soon(task.run, coroutine, name=name)
        return task


LOOPS: list[Loop] = [Asyncio(), Trio()]
both_loops = pytest.mark.parametrize("loop", LOOPS, ids=repr)
"""For a test with the argument `loop`."""


async def turn() -> None:
    """Let the other tasks run."""
    if loop_here() == "trio":
        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)


async def reached(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds. If it never does, the watchdog ends the test."""
    while not condition():
        await turn()


async def idle_until(condition: Callable[[], bool]) -> None:
    """As `reached`, but in trio it counts as waiting, so that virtual time goes on meanwhile.

    A driver that looks again and again without a pause keeps a task busy for ever, and then trio never says that all
    wait. So the condition is asked every now and then, too.
    """
    while not condition():
        if loop_here() == "trio":
            with trio.move_on_after(0.01):
                await trio.testing.wait_all_tasks_blocked()
        else:
            await asyncio.sleep(0)
