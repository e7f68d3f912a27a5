"""Waiting in an event loop. Each loop has a `LoopDriver`, and each task that waits has a `LoopWaker`.

A completion may come on any thread. `LoopDriver.post` brings the waker into the loop, many wakers with one call, and
`LoopWaker.deliver` ends the wait there. While a task waits, the driver also polls the engines that must be polled, and
jumps the virtual clocks, one step in each turn of the loop. If nothing is due in virtual time any more, it looks for a
second whether other tasks still do something. Then it fails all waits with StalledError.

All this is the same in asyncio and in trio. `EventLoop` (loop_protocol.py) lists what differs, and `asyncio_loop` and
`trio_loop` implement it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from engine.drivers.loop_protocol import EventLoop, Future
from engine.errors import StalledError, comes_in_between
from engine.offload.operation import Operation, Waker
from engine.protocol import Source
from waitctx import WaitCtx

FRUITLESS_MOST = 1_000
"""While virtual time stands still, jobs may retry for a slot for this many turns in a row. After that we say that they
will never get one."""
SPINS_MOST = 10_000
"""While virtual time stands still, this many waits in a row may begin and end for nothing. After that they fail with
StalledError."""
STALL_LOOKS, STALL_LOOK_S = 100, 0.01
"""When nothing is due in virtual time any more, another task or a thread may still change that. So the driver looks
this many times, this many seconds apart, before it tells the waiters that they are stalled."""


class LoopDriver:
    """What one event loop knows of its waiters. Any thread may call `post`; all else is for the loop's thread."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self._woken: deque[LoopWaker] = deque()
        self._deliveries = 0
        """How many calls of `_deliver` have begun. Only the loop's thread writes it."""
        self._asked = -1
        """The value that `_deliveries` had when the loop was last asked to call `_deliver`. It is a number and not a
        flag, because it is written after the request: an exception in between causes one call too many, and never one
        too few."""
        self._sources: list[Source] = []
        self._turning = False
        self._turn_asked = 0
        """The value that `_moves` had when the loop was last asked to call `_turn`. If every task has begun and ended
        two waits since then, the tasks retry for a slot in a loop, and at no moment are all of them idle. Then time
        must go on although they are not."""
        self._looking = False
        self._waiters: dict[LoopWaker, None] = {}
        self._retrying: dict[LoopWaker, None] = {}  # those that retry whenever virtual time has moved
        self._fruitless = 0
        self._moves = 0
        """How many waits have begun or ended."""
        self._readers: dict[int, list[LoopWaker]] = {}

    def post(self, waker: LoopWaker) -> None:
        """Deliver this waker in the loop. Any thread. Does not block."""
        self._woken.append(waker)
        deliveries = self._deliveries
        if self._asked != deliveries:
            if not self._call_soon(self._deliver):
                self._woken.clear()
            self._asked = deliveries

    def _call_soon(self, fn: Callable[[], object]) -> bool:
        """Call fn in the loop. Any thread. Returns False if the loop has ended; then no task is left to wake."""
        return self.loop.call_soon(self.surely(fn))

    def surely(self, fn: Callable[[], object]) -> Callable[[], object]:
        """A function for the loop to call once, which calls fn. If Ctrl-C or the like ends it, the loop calls fn again.

        A plain call would be lost: the loop has forgotten it by then. And fn can't catch the exception itself, because
        CPython also runs signal handlers on entry to fn, before its `try`. But a generator that waits at a `yield`
        inside of a `try` has already been entered.
        """

        def entered() -> Iterator[None]:
            try:
                yield
                fn()
            except GeneratorExit:  # the loop was closed before it made the call
                raise
            except BaseException as error:
                if comes_in_between(error):
                    self._call_soon(fn)
                raise

        call = entered()
        next(call)
        return partial(next, call, None)

    def _deliver(self) -> None:
        self._deliveries += 1  # before the deque is emptied, so that a later `post` asks again
        while self._woken:
            # It is taken out last, so that an exception in between does not lose it. To deliver it twice is harmless.
            self._woken[0].deliver()
            del self._woken[0]

    def keep_going(self, source: Source) -> None:
        """Poll the source, or jump its clock, while a task of this loop waits."""
        if source not in self._sources:
            self._sources.append(source)
        self._turn_soon()

    def watch(self, ctx: WaitCtx, waker: LoopWaker) -> None:
        """Deliver the waker when an fd of this context is readable. Others may wait for the same fd."""
        added, deleted = ctx.changed_fds()
        for fd in deleted:
            self._unwatch_fd(fd, waker)
        for fd in added:
            wakers = self._readers.get(fd, ())
            if waker not in wakers:
                self._readers[fd] = [*wakers, waker]
            # For each waker, because an exception may have prevented it for the first.
            self.loop.add_reader(fd, self._readable, self._unreadable)

    def unwatch(self, waker: LoopWaker) -> None:
        """Undo all `watch` calls of this waker."""
        for fd in [fd for fd, wakers in self._readers.items() if waker in wakers]:
            self._unwatch_fd(fd, waker)

    def _unwatch_fd(self, fd: int, waker: LoopWaker) -> None:
        wakers = self._readers.get(fd, [])
        if wakers == [waker]:
            self.loop.remove_reader(fd)
            del self._readers[fd]
        elif waker in wakers:
            wakers.remove(waker)

    def _readable(self, fd: int) -> None:
        for waker in tuple(self._readers.get(fd, ())):
            waker.readable()

    def _unreadable(self, fd: int, error: Exception) -> None:
        for waker in tuple(self._readers.get(fd, ())):
            waker.fail(error)

    def begin_wait(self, waker: LoopWaker, until_moved: bool) -> None:
        """Note that a task waits from now until `end_wait`. With `until_moved` it is also woken when virtual time has
        moved."""
        self._waiters[waker] = None
        if until_moved:
            self._retrying[waker] = None
        self._moves += 1
        if self._sources:
            self._turn_soon()

    def end_wait(self, waker: LoopWaker) -> None:
        """Note that the task of this waker no longer waits. May be called twice."""
        self._waiters.pop(waker, None)
        self._retrying.pop(waker, None)
        self._moves += 1

    def _turn(self) -> None:
        """Do one step, and ask for another turn if there is more to do. In between, the loop runs everything else."""
        self._turning = False
        if not self._waiters:
            self._sources.clear()
            return
        moved = self._move()
        self._fruitless = 0 if moved else self._fruitless + 1
        if moved or (self._retrying and self._fruitless <= FRUITLESS_MOST):
            for waker in list(self._retrying):
                waker.deliver()
            self._turn_soon()
        elif self._fruitless > SPINS_MOST and self._only_virtual():
            self._tell_stalled()
        elif not self._looking and any(source.clock.virtual for source in self._sources):
            self._look_again(STALL_LOOKS, self._moves)

    def _move(self) -> bool:
        moved = False
        for source in self._sources:
            if source.polled and source.poll():
                moved = True
            elif source.clock.virtual:
                moved = source.clock.jump() or moved
            elif source.polled:
                source.notify_once(partial(self._call_soon, self._turn_soon))
        return moved

    def _only_virtual(self) -> bool:
        return all(waker.virtual for waker in self._waiters)

    def _look_again(self, looks: int, moves: int) -> None:
        self._looking = True
        self.loop.call_later(STALL_LOOK_S, self.surely(partial(self._look, looks - 1, moves)))

    def _look(self, looks: int, moves: int) -> None:
        """Nothing was due a moment ago. See whether that is still so, and whether all tasks still wait."""
        self._looking = False
        if moves != self._moves or not self._waiters or self._move():
            self._turn_soon()
        elif not self._only_virtual():  # a thread will wake some of the tasks, and these may help the others
            self._look_again(STALL_LOOKS, moves)
        elif looks:
            self._look_again(looks, moves)
        else:
            self._tell_stalled()

    def _tell_stalled(self) -> None:
        waiters = list(self._waiters)
        message = f"virtual time stands still and nothing is due, ever, but {len(waiters)} tasks wait: " + ", ".join(
            map(repr, waiters)
        )
        for waker in waiters:
            waker.fail(StalledError(message))

    def _turn_soon(self) -> None:
        if not self._turning:
            virtual = any(source.clock.virtual for source in self._sources)
            call = self.loop.call_when_idle if virtual else self.loop.call_soon
            self._turning = call(self.surely(self._turn))
            self._turn_asked = self._moves
        elif self._moves - self._turn_asked > 4 * (len(self._waiters) + 1):
            self.loop.hurry()


class LoopWaker(Waker):
    """Wakes a task of an event loop. For a job that the task runs, it fits `protocol.Driver`."""

    __slots__ = ("_driver", "_ended", "_error", "_future", "_latched", "_operation", "_task", "disturbed", "virtual")

    def __init__(self, driver: LoopDriver) -> None:
        super().__init__()
        self._driver = driver
        self._future: Future | None = None
        self._latched = False
        self._ended = False
        """Whether `readable` was not called in a wait since the last wait ended."""
        self._error: Exception | None = None
        self._operation: object = None
        self._task = ""
        self.virtual = False
        """Whether the task waits in virtual time, so that no thread will ever wake it."""
        self.disturbed = False
        """Whether others have cancelled the job of this task, so that it has ended or waits for something else now."""

    def keep_going(self, source: Source) -> None:
        """Keep going the source to which the awaited operation belongs. See `LoopDriver.keep_going`."""
        self.virtual = source.clock.virtual
        self._driver.keep_going(source)

    def cancelled(self, job: object) -> None:
        """See `protocol.Driver`."""
        self.disturbed = True
        self._driver.post(self)

    def wait_for_slot(self, operation: Operation) -> None:
        self._operation = operation

    def wait_for_completion(self, operation: Operation) -> None:
        self._operation = operation

    def wake(self, operation: Operation) -> None:
        self._driver.post(self)

    def nudge(self) -> None:
        self._driver.post(self)

    def deliver(self) -> None:
        """End the wait of the task; if it does not wait now, its next wait. Only in the loop's thread."""
        if self._future is None:
            self._latched = True
        elif not self._future.done():
            self._future.set_result(None)
            self._ended = True

    def readable(self) -> None:
        """An fd of the task's job is readable. Only in the loop's thread.

        In the turn after the end of a wait the loop may say so for nothing, because it looks at the fds before the task
        takes the token out. By the time of that call the job may wait for its next operation, and would be resumed for
        nothing. It does not matter what ended the wait: a timer may, when the operation is done and its token comes a
        moment later. So the first call in the next wait is ignored. If the fd is still readable then, the loop calls
        again.
        """
        if not self._ended:
            self.deliver()
        elif self._future is None or not self._future.done():  # else the task has not gone on yet
            self._ended = False

    def fail(self, error: Exception) -> None:
        """End the wait with this exception, even if the waker was just delivered. Only in the loop's thread."""
        self._error = error
        self.deliver()

    async def wait(
        self, timeout_s: float | None = None, operation: object = None, *, until_moved: bool = False
    ) -> None:
        """Wait until this waker is delivered, or `timeout_s` has passed, or with `until_moved` virtual time has moved.

        `operation` is what a job waits for; messages show it. Raises StalledError if nothing in virtual time will ever
        deliver this waker.
        """
        if not self._latched:
            loop = self._driver.loop
            self._future = loop.new_future()
            self._operation = operation or self._operation
            self._task = loop.task_name()
            timer = None if timeout_s is None else loop.call_later(timeout_s, self._driver.surely(self.deliver))
            try:
                self._driver.begin_wait(self, until_moved)
                await self._future
            finally:
                self._future = None
                try:
                    self._driver.end_wait(self)
                except BaseException:
                    self._driver.end_wait(self)  # because a waiter that is left behind would keep the loop busy
                    raise
                if timer is not None:
                    timer.cancel()
        self._latched = False
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def __repr__(self) -> str:
        return f"{self._task} for {self._operation!r}"
