"""The engine: makes an operation of an accelerator pause the job that calls it.

`Engine` is what users call. An operation runs as the coroutine `engine.offload.perform.Performer.perform`, and the code
that calls the operation drives that coroutine: each of its yields is one wait. Two of the four drivers are here: `call`
for a stackful job, which pauses, and `_block` for a thread outside of jobs, which sleeps. The other two, for `async
def` jobs and for tasks of an event loop, are in `engine.aio`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from engine.aio import Aio
from engine.drivers.running_loop import loop_here, warn_of_blocking
from engine.ending import interpreter_ends, refuse_at_the_end
from engine.errors import ClosedError, StalledError, UsageError, comes_in_between
from engine.jobs.pause import pause_job
from engine.jobs.switching import switch
from engine.jobs.thread import LOCAL
from engine.methods import Operations
from engine.modes import CONTRACTS, MODES, NOTIFY
from engine.offload.operation import Operation
from engine.offload.perform import Performer, checked_deadline
from engine.offload.retry_setting import Retry
from engine.offload.statistics import EngineStatistics
from engine.offload.traced import TracedPerformer
from engine.offload.wakers import BlockedThread
from engine.protocol import Accelerator, Tracer
from engine.unraisable import report_unraisable
from hotpath.choice import COMPILED


class Engine(Operations[bytes]):
    """Runs operations on an accelerator. A context manager.

    - `notify`: how jobs learn of completions; one of `engine.modes.MODES`. "fd": an eventfd for each wait context.
      "pipe": a pipe. "callback": the callback of the wait context if it has one, else an fd. "poll": like "callback",
      but completions are handed out only in `poll`. "heuristic": like "poll", but the engine also polls by itself when
      enough operations are in flight. The cleanup of the wait context closes the fds.
    - `contract`: what the status of the wait context says when the callback is used: "qat", "strict" or "dasync". See
      docs/contracts.md.
    - `retry`: what an operation does when the ring is full.
    - `deadline_ns`: the deadline of every operation, counted from its call. None for no deadline.
    - `observe(operation)`: is called in the caller's thread with each operation that succeeded, with its times set.
    - `trace`: is told of each pause, wake and resume of a caller. See `engine.offload.traced`.

    A call inside a job pauses the job. Outside of a job, and while pauses are blocked, a call blocks its thread; if an
    asyncio or trio loop runs in that thread, it also warns (BlocksLoopWarning). Any number of threads may use one
    engine, and any number of engines one wait context. After a fork, the engine raises ClosedError in the child.
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
        trace: Tracer | None = None,
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
        """The threads that sleep in `_sleep` until there is something to poll for."""
        mode, deadline = MODES[notify], checked_deadline(deadline_ns)
        parts = (self, accel, mode, contract, retry or Retry(), deadline, observe, self._sleep)
        self._performer = Performer(*parts) if trace is None else TracedPerformer(trace, *parts)
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
        """Any kernel by name. Pauses a stackful job. In an `async def` job, await `engine.aio.call` instead."""
        thread = LOCAL.state
        perform = self._performer.in_job(thread, True, op, payload, aux, session, deadline_ns)
        if perform is None:
            if thread.current is None or thread.blocked or thread.current.wait_ctx is None:
                return self._block(op, payload, aux, session, deadline_ns)
            name = op.replace("-", "_")
            raise UsageError(
                f"this would keep the thread of an async def job: write `await engine.aio.{name}(...)` there, "
                "or `await engine.aio.call(...)`"
            )
        try:
            perform.send(None)
            while True:
                try:
                    # pause_job() written out, because a call would cost a tenth of a pause and resume.
                    if thread.blocked:  # another job has blocked pauses since then
                        pause_job()
                    else:
                        switch(thread.dispatcher) if COMPILED else thread.dispatcher.switch()  # type: ignore
                except BaseException as error:  # such as a cancel: the operation must clean up
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except BaseException:
            perform.close()  # Ctrl-C came outside of `perform`: let it clean up now, and not when it is collected
            raise

    def session(self, op: str, key: object, **params: Any) -> Any:
        """Load a key once, for any number of operations of that kernel."""
        return self._accel.session(op, key, **params)

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, or all that are there if it is 0. Returns how many.

        This is external polling, as QAT_Engine calls it. The jobs are woken in this thread, by callback or fd. Does not
        block. Raises UsageError if the engine's mode is not a polled one (`engine.modes`).
        """
        if not self.polled:
            raise UsageError(f'notify={self.notify!r} does not poll: make the engine with notify="poll"')
        if not isinstance(quota, int) or quota < 0:
            raise UsageError(f"quota={quota!r}: use a whole number, 0 for all")
        return self._accel.poll(quota)

    @property
    def statistics(self) -> EngineStatistics:
        """A snapshot of what this engine has counted."""
        return self._performer.counters.snapshot()

    @property
    def deadline_ns(self) -> int | None:
        """The deadline of operations that are called without a deadline of their own."""
        return self._performer.deadline_ns

    @property
    def in_flight(self) -> int:
        """How many operations have a caller that waits, for a completion or for a slot of the ring."""
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
        """Call fn once: now if there is something to poll for, else as soon as there is. For schedulers and loops."""
        self._accel.notify_once(fn)

    def close(self) -> None:
        """Close the engine. Operations in flight fail with ClosedError in their callers. Calling it again does nothing.

        The fds stay open until their wait contexts are closed. The accelerator is not closed.
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
            except BaseException as error:  # if one callback raises, the others must be called all the same
                if comes_in_between(error):
                    raise
                report_unraisable(error, "a callback that told of the engine's end", operation)
        self._accel.detach(performer.slots.freed)
        _alive.discard(self)
        self._closed = True  # set last, so that a close that an exception has ended goes on when it is called again

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
            # Before anything is begun, because warning filters may turn the warning into an exception.
            warn_of_blocking(op, loop)
        waker = BlockedThread()
        perform = self._performer.for_waker(waker, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                try:
                    self._sleep(waker)
                except BaseException as error:  # KeyboardInterrupt or StalledError
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except BaseException:
            perform.close()  # Ctrl-C came outside of `perform`: let it clean up now, and not when it is collected
            raise

    def _rouse_asleep(self) -> None:
        """Wake the threads that sleep in `_sleep`, because there is something to poll for. Any thread."""
        for waker in tuple(self._asleep):
            waker.rouse()

    def _sleep(self, waker: BlockedThread) -> None:
        """Block this thread until the waker is roused, perhaps for nothing. Polls or jumps the clock if needed."""
        accel, assistant = self._accel, self._performer.assistant
        if accel.clock.virtual:
            while not waker.roused():
                if not (self.polled and accel.poll()) and not accel.clock.jump():
                    if waker.roused():  # a signal handler or another thread has roused it after the check above
                        return
                    raise StalledError(
                        f"virtual time stands still: {self.in_flight} operations wait, and nothing is due, ever: "
                        + ", ".join(sorted(map(repr, self._performer.flight)))
                    )
        elif self.polled:
            if not accel.poll() and not waker.roused():
                if assistant is not None:
                    assistant.notify_once(self._rouse_asleep)
                # Always the same function, because the device keeps each that it is given until something completes.
                self._asleep[waker] = None
                try:
                    accel.notify_once(self._rouse_asleep)
                    waker.sleep()
                finally:
                    self._asleep.pop(waker, None)
                accel.poll()
        else:
            if assistant is not None:
                while assistant.poll():
                    if waker.roused():
                        return
                assistant.notify_once(waker.rouse)
            waker.sleep()


_alive: WeakSet[Engine] = WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_alive):
        engine._performer.disown()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
