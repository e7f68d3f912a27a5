"""The awaitable door: in `async def` jobs and in plain asyncio; and stackful jobs on an asyncio loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from engine.errors import UsageError
from engine.job import Job
from engine.operation import Operation
from engine.operations import Operations
from engine.perform import Performer
from engine.pool import LOCAL
from engine.protocol import Source
from engine.start import new_job
from waitctx import Status, WaitCtx

if TYPE_CHECKING:
    from engine.engine import Engine

_AGAIN_S = 0.001
"""How long a job that must be resumed by the application, status EAGAIN, is left alone."""


class LoopDriver:
    """What one event loop knows of its waiters: it carries wakes from other threads into the loop, many at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._woken: deque[LoopWaker] = deque()
        self._scheduled = False
        self._sources: list[Source] = []
        self._turning = False
        self._waiting = 0

    def post(self, waker: LoopWaker) -> None:
        """Have a waker delivered in the loop. Any thread."""
        self._woken.append(waker)
        if not self._scheduled:
            self._scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop was closed with operations in flight: nobody is left to tell
                self._woken.clear()

    def _deliver(self) -> None:
        self._scheduled = False  # before the deque is emptied: what comes later schedules anew
        while self._woken:
            self._woken.popleft().deliver()

    def keep_going(self, source: Source) -> None:
        """Poll the source, or jump its clock, while somebody on this loop waits."""
        if source not in self._sources:
            self._sources.append(source)
        self._turn_soon()

    def begin_wait(self) -> None:
        """Somebody waits from now on, until `end_wait`."""
        self._waiting += 1
        if self._sources:
            self._turn_soon()

    def end_wait(self) -> None:
        """One waits less."""
        self._waiting -= 1

    def _turn(self) -> None:
        """One step of what nobody else moves; then again, once the loop has had a look at everything else."""
        self._turning = False
        if not self._waiting:
            self._sources.clear()
            return
        moved = False
        for source in self._sources:
            if source.polled and source.poll():
                moved = True
            elif source.clock.virtual:
                moved = source.clock.jump() or moved
            elif source.polled:
                source.notify_once(lambda: self._loop.call_soon_threadsafe(self._turn_soon))
        if moved:
            self._turn_soon()

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)


class LoopWaker:
    """Wakes a task of an event loop. Fits `wake.Waker`."""

    __slots__ = ("_driver", "_future", "_latched", "_loop")
    blocking = False
    silent_again = False
    erred = False

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: LoopDriver) -> None:
        self._loop = loop
        self._driver = driver
        self._future: asyncio.Future[None] | None = None
        self._latched = False

    def wait_again(self, operation: Operation) -> None:
        pass

    def wait_done(self, operation: Operation) -> None:
        pass

    def resumed(self, operation: Operation) -> None:
        pass

    def end_badly(self) -> None:
        pass

    def end_well(self) -> None:
        pass

    def wake(self, operation: Operation) -> None:
        self._driver.post(self)

    def nudge(self) -> None:
        self._driver.post(self)

    def deliver(self) -> None:
        """End the wait, or the next one if there is none now. In the loop's thread."""
        if self._future is None:
            self._latched = True
        elif not self._future.done():
            self._future.set_result(None)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until delivered, or the time is over."""
        if not self._latched:
            self._future = self._loop.create_future()
            timer = None
            if timeout_s is not None:
                timer = self._loop.call_later(timeout_s, self.deliver)
            self._driver.begin_wait()
            try:
                await self._future
            finally:
                self._driver.end_wait()
                self._future = None
                if timer is not None:
                    timer.cancel()
        self._latched = False


class Aio(Operations[Coroutine[Any, Any, bytes]]):
    """`engine.aio`: every operation as an awaitable, in an `async def` job and in an asyncio task."""

    __slots__ = ("_engine", "_performer")

    def __init__(self, engine: Engine, performer: Performer) -> None:
        self._engine = engine
        self._performer = performer

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> Coroutine[Any, Any, bytes]:
        """Any kernel by name, awaitable. Cancelling the task gives the operation up."""
        thread = LOCAL.state
        job = thread.current
        if job is None or thread.dispatcher is not None:
            # Not in a job, or not yet: asyncio.run(engine.aio.call(...)) makes the coroutine before there is a loop.
            return self._in_loop(op, payload, aux, session, deadline_ns)
        if thread.blocked or job.wait_ctx is None:
            return self._blocked(op, payload, aux, session, deadline_ns)
        return self._performer.in_job(job, op, payload, aux, session, deadline_ns)

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Run fn(*args) as a job on this loop, and return its value. It waits on the job's fds or its callback.

        A stackful job is what this is for: code that blocks in `engine.sha256(...)` then leaves the loop free.
        Cancelling the task cancels the job. Raises NoJobsError if this thread's pool is exhausted.
        """
        loop, driver = _here()
        with WaitCtx() as ctx:
            waker = LoopWaker(loop, driver)
            ctx.set_callback(driver.post, waker)
            job = new_job(fn, args, ctx, False)
            job.driver = driver
            watched: list[int] = []
            try:
                job.start()
                while job.paused:
                    _watch(loop, ctx, watched, waker)
                    await waker.wait(_patience_s(job, ctx))
                    job.resume()
            finally:
                for fd in watched:
                    loop.remove_reader(fd)
                if job.paused:
                    job.cancel()
            return job.result()

    async def _in_loop(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        loop, driver = _here()
        engine = self._engine
        waker = LoopWaker(loop, driver)
        perform = self._performer.for_waker(waker, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                if engine.polled or engine.clock.virtual:
                    driver.keep_going(engine)
                try:
                    await waker.wait()
                except BaseException as error:  # the task is cancelled: the operation must hear of it
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _blocked(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        return self._engine.call(op, payload, aux=aux, session=session, deadline_ns=deadline_ns)


_drivers: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopDriver] = WeakKeyDictionary()


def _here() -> tuple[asyncio.AbstractEventLoop, LoopDriver]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(
            "await engine.aio calls in an async def job or in asyncio; elsewhere call engine.sha256(...) itself"
        ) from None
    driver = _drivers.get(loop)
    if driver is None:
        driver = _drivers[loop] = LoopDriver(loop)
    return loop, driver


def _watch(loop: asyncio.AbstractEventLoop, ctx: WaitCtx, watched: list[int], waker: LoopWaker) -> None:
    added, deleted = ctx.changed_fds()
    for fd in deleted:
        if fd in watched:
            watched.remove(fd)
            loop.remove_reader(fd)
    for fd in added:
        if fd not in watched:
            watched.append(fd)
            loop.add_reader(fd, waker.deliver)


def _patience_s(job: Job, ctx: WaitCtx) -> float | None:
    """How long to wait for a wake: for ever if one will come, a while for EAGAIN, not at all for a plain pause."""
    if job.waiting is not None and not job.waiting.done:
        return None if job.waiting.promised else _AGAIN_S
    if ctx.status is Status.EAGAIN:
        return _AGAIN_S
    return None if ctx.status is Status.OK or ctx.all_fds() else 0.0
