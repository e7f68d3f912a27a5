"""The engine: makes an operation of an accelerator pause the job that calls it.

This is its face, and two of the drivers of the algorithm in `engine.offload.perform`: stackful jobs and blocked
threads. The other two are in `engine.aio`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from engine.aio import Aio
from engine.drivers.event_loops import loop_here, warn_of_blocking
from engine.ending import interpreter_ends, refuse_at_the_end
from engine.errors import ClosedError, StalledError, UsageError, comes_in_between
from engine.jobs.pause import PAUSED_HERE, pause_job
from engine.jobs.thread import LOCAL
from engine.methods import Operations
from engine.modes import CONTRACTS, MODES, NOTIFY
from engine.offload.operation import Operation
from engine.offload.perform import Performer, checked_deadline
from engine.offload.retry import Retry
from engine.offload.statistics import EngineStatistics
from engine.offload.wakers import BlockedThread
from engine.protocol import Accelerator
from engine.report import report_unraisable


class Engine(Operations[bytes]):
    """Runs operations on an accelerator. A context manager.

    - `notify`: "fd", "pipe" (one fd for each wait context, closed by its cleanup), "callback" (where the context has
      one, else fd), "poll" (completions come only in `poll`), "heuristic" (polls by itself when enough is in flight).
    - `contract`, of the callback: "qat", "strict", "dasync"; see docs/contracts.md.
    - `retry`: what happens on a full ring. `deadline_ns`: for every operation, from its call; None for none.
    - `observe(operation)`: called in the caller's thread with each operation that succeeded, with its times set.

    In a job a call pauses it; outside of one, and while pauses are blocked, it keeps its thread. If an asyncio or trio
    loop runs in that thread, a call outside of a job warns of it (BlocksLoopWarning). Any number of threads
    may use one engine, and any number of engines one wait context. Behind a fork it raises ClosedError in the child.
    """

    __slots__ = ("__weakref__", "_accel", "_asleep", "_closed", "_performer", "aio", "contract", "notify", "polled")

    def __init__(
        self,
        accel: Accelerator,
        notify: str = "fd",
        contract: str = "qat",
        retry: Retry | None = None,
        deadline_ns: int | None = None,
        *,
        observe: Callable[[Operation], object] | None = None,
    ) -> None:
        if notify not in NOTIFY:
            raise UsageError(f"notify={notify!r}: use one of {', '.join(NOTIFY)}")
        if contract not in CONTRACTS:
            raise UsageError(f"contract={contract!r}: use one of {', '.join(CONTRACTS)}")
        if retry is not None and not isinstance(retry, Retry):
            raise UsageError(f"retry={retry!r}: use a Retry, or None for the default")
        self.notify = notify
        self.contract = contract
        self.polled = MODES[notify].polled
        self._closed = True  # until it is attached
        self._accel = accel
        self._asleep: dict[BlockedThread, None] = {}
        """Threads that sleep until there is something to poll for. One function asks for all of them: see `_sleep`."""
        self._performer = Performer(
            self, accel, MODES[notify], contract, retry or Retry(), checked_deadline(deadline_ns), observe, self._sleep
        )
        self.aio = Aio(self, self._performer)
        try:
            accel.attach(self._performer.slots.freed, polled=self.polled)
            _alive.add(self)
            self._closed = False
        except BaseException:
            with suppress(Exception):  # it may not be attached
                accel.detach(self._performer.slots.freed)
            raise

    # What users call

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> bytes:
        """Any kernel by name. In a stackful job it pauses; in an `async def` job await `engine.aio.call` instead."""
        thread = LOCAL.state
        if thread.current is None or thread.blocked or thread.current.wait_ctx is None:
            return self._block(op, payload, aux, session, deadline_ns)
        if thread.dispatcher is None:
            name = op.replace("-", "_")
            raise UsageError(
                f"this would keep the thread of an async def job: write `await engine.aio.{name}(...)` there, "
                "or `await engine.aio.call(...)`"
            )
        perform = self._performer.in_job(thread.current, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                try:
                    # pause_job() written out: a tenth of a pause and resume.
                    if thread.blocked:  # by another job meanwhile
                        pause_job()  # type: ignore[unreachable]
                    else:
                        thread.dispatcher.switch(PAUSED_HERE)
                except BaseException as error:  # a cancel: the operation must hear of it
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except BaseException:
            perform.close()  # if it is not from in there, such as Ctrl-C: it must hear of it now, not when collected
            raise

    def session(self, op: str, key: object, **params: Any) -> Any:
        """Load a key once, for any number of operations of that kernel."""
        return self._accel.session(op, key, **params)

    def poll(self, quota: int = 0) -> int:
        """External polling: hand out at most `quota` completions, 0 for all that are there; how many it was.

        The jobs are woken in this thread, by callback or fd. Does not block. Raises UsageError where the engine's mode
        is not polled (`engine.modes`).
        """
        if not self.polled:
            raise UsageError(f'notify={self.notify!r} does not poll: make the engine with notify="poll"')
        if not isinstance(quota, int) or quota < 0:
            raise UsageError(f"quota={quota!r}: use a whole number, 0 for all")
        return self._accel.poll(quota)

    @property
    def statistics(self) -> EngineStatistics:
        """A snapshot."""
        return self._performer.counters.snapshot()

    @property
    def deadline_ns(self) -> int | None:
        """The deadline of every operation that gives none of its own."""
        return self._performer.deadline_ns

    @property
    def in_flight(self) -> int:
        """Operations whose callers wait, on the ring or for a place on it."""
        return len(self._performer.flight)

    @property
    def accel(self) -> Accelerator:
        """The accelerator."""
        return self._accel

    @property
    def clock(self) -> Any:
        """The accelerator's clock."""
        return self._accel.clock

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Call fn once there is something to poll for. For schedulers and loops."""
        self._accel.notify_once(fn)

    def close(self) -> None:
        """End it: what is in flight fails with ClosedError in its caller. Calling again does nothing.

        The fds stay with their wait contexts, whose close closes them. The accelerator is not closed.
        """
        if self._closed:
            return
        performer = self._performer
        performer.refusal = performer.refusal or "the engine was closed"
        if interpreter_ends():
            return
        for operation in tuple(performer.flight):
            try:
                operation.fail(ClosedError("the engine was closed while this operation was in flight"))
            except BaseException as error:  # all are told, whatever one of their callbacks does
                if comes_in_between(error):
                    raise
                report_unraisable(error, "a callback that told of the engine's end", operation)
        self._accel.detach(performer.slots.freed)
        _alive.discard(self)
        self._closed = True  # last: a close that an exception has interrupted goes on when it is called again

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine notify={self.notify} contract={self.contract}, {self.in_flight} in flight>"

    # Outside of a job

    def _block(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        if not self._accel.clock.virtual:
            refuse_at_the_end()
        if LOCAL.state.current is None and (loop := loop_here()) is not None:
            warn_of_blocking(op, loop)  # before anything is begun: the filters may make an exception of it
        waker = BlockedThread()
        perform = self._performer.for_waker(waker, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                try:
                    self._sleep(waker)
                except BaseException as error:  # KeyboardInterrupt, or a clock on which nothing is due
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except BaseException:
            perform.close()  # if it is not from in there, such as Ctrl-C: it must hear of it now, not when collected
            raise

    def _rouse_asleep(self) -> None:
        """There is something to poll for. Any thread."""
        for waker in tuple(self._asleep):
            waker.rouse()

    def _sleep(self, waker: BlockedThread) -> None:
        """Keep the thread until the waker is roused, perhaps for nothing. Polls and jumps as is needed."""
        accel = self._accel
        if accel.clock.virtual:
            while not waker.roused():
                if not (self.polled and accel.poll()) and not accel.clock.jump():
                    if waker.roused():  # by a signal handler or another thread, after the look above
                        return
                    raise StalledError(
                        f"virtual time stands still: {self.in_flight} operations wait, and nothing is due, ever: "
                        + ", ".join(sorted(map(repr, self._performer.flight)))
                    )
        elif self.polled:
            if not accel.poll() and not waker.roused():
                # Always the same function: one for each operation would stay with the device where nothing completes.
                self._asleep[waker] = None
                try:
                    accel.notify_once(self._rouse_asleep)
                    waker.sleep()
                finally:
                    self._asleep.pop(waker, None)
                accel.poll()
        else:
            waker.sleep()


_alive: WeakSet[Engine] = WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_alive):
        engine._performer.disown()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
