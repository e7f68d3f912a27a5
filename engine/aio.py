"""`engine.aio`: operations to await, in `async def` jobs and in tasks of asyncio and trio; and jobs that run on such a
loop.

In a job, an operation pauses the job. In a task outside of jobs it waits for a future, which a `LoopWaker` sets. `run`
drives a whole job from a task: it resumes the job whenever the loop reports an fd or a callback of its wait context.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from engine.drivers import asyncio_loop
from engine.drivers.loop_driver import LoopDriver, LoopWaker
from engine.drivers.running_loop import loop_here, no_loop
from engine.drivers.waits_for import WaitsFor, waits_for
from engine.jobs.cancelling import cancel_until_ended
from engine.jobs.job import Job
from engine.jobs.start import new_job
from engine.jobs.thread import LOCAL
from engine.methods import Operations
from engine.offload.perform import Performer
from engine.offload.wake_fds import is_wake_fd
from engine.protocol import Source
from waitctx import WaitCtx

_PATIENCE_S = {WaitsFor.WOKEN: None, WaitsFor.FAILED: 0.0, WaitsFor.NOTHING: 0.0}
"""How long `run` waits for a wake before it resumes a job anyway, by what the job waits for. None is for ever."""
AGAIN_FIRST_S, AGAIN_LAST_S = 0.001, 0.016
"""The same for a job that waits after EAGAIN: first this long, then twice as long after each try that fails. If some
tens of jobs tried every ms, the loop would never sleep, and the worker would never get the GIL to free a slot."""


class BlockingEngine(Source, Protocol):
    """What `Aio` needs of its engine: what an event loop needs to keep it going, and calls that do not pause."""

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> bytes: ...


class Aio(Operations[Coroutine[Any, Any, bytes]]):
    """Every operation of an engine as an awaitable, for `async def` jobs and for tasks of asyncio and trio."""

    __slots__ = ("_engine", "_performer")

    def __init__(self, engine: BlockingEngine, performer: Performer) -> None:
        self._engine = engine
        self._performer = performer

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> Coroutine[Any, Any, bytes]:
        """Any kernel by name, to be awaited. Cancelling the task gives the operation up."""
        thread = LOCAL.state
        perform = self._performer.in_job(thread, False, op, payload, aux, session, deadline_ns)
        if perform is not None:
            return perform
        if thread.current is None or thread.dispatcher is not None:
            # Outside of a job. There may be no loop yet, because asyncio.run(engine.aio.call(...)) calls this first.
            return self._in_loop(op, payload, aux, session, deadline_ns)
        return self._blocked(op, payload, aux, session, deadline_ns)

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Run fn(*args) as a job on this loop, and return its value. The loop is free while the job is paused.

        This is for plain functions, which become stackful jobs: a call of `engine.sha256(...)` in one then pauses the
        job instead of blocking the loop. Cancelling the task cancels the job. Raises NoJobsError if this thread's pool
        is exhausted.
        """
        driver = running_driver()
        loop = driver.loop
        if loop.raise_if_cancelled is not None:
            await loop.raise_if_cancelled()
        with WaitCtx() as ctx:
            waker = LoopWaker(driver)
            ctx.set_callback(driver.post, waker)
            job = new_job(fn, args, ctx, False)
            job.driver = waker
            errors = tries = 0
            try:
                job.start()
                if job.done and loop.turn is not None:
                    await loop.turn()
                while True:  # with a condition here, Ctrl-C could get past the `try` (docs/pythons.md)
                    if not job.paused:
                        break
                    driver.watch(ctx, waker)
                    wait = waits_for(job, ctx, not all(map(is_wake_fd, ctx.all_fds())))
                    if wait is WaitsFor.FAILED:
                        errors += 1
                        if errors > 1:
                            break
                    operation, virtual = job.waiting, waker.virtual
                    if wait is not WaitsFor.EAGAIN:
                        await waker.wait(_PATIENCE_S[wait], operation)
                    elif virtual:
                        await waker.wait(None, operation, until_moved=True)
                    else:
                        await waker.wait(min(AGAIN_FIRST_S * 2 ** min(tries, 10), AGAIN_LAST_S), operation)
                    if waker.disturbed:
                        waker.disturbed = False
                        continue
                    waker.virtual = False  # the next operation of the job sets it anew
                    job.resume()
                    if job.waiting is operation:
                        waker.virtual = virtual
                        tries += 1
                    else:
                        tries = 0
            finally:
                try:
                    driver.unwatch(waker)
                except BaseException:
                    driver.unwatch(waker)  # once more, after an exception such as Ctrl-C
                    raise
                finally:
                    job.driver = None  # it need not be told of its own cancel
                    try:
                        _cancel(job)
                    except BaseException:
                        _cancel(job)
                        raise
            return job.result()

    async def _in_loop(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        source = self._performer.source
        driver = running_driver()
        if driver.loop.raise_if_cancelled is not None:
            await driver.loop.raise_if_cancelled()
        waker = LoopWaker(driver)
        perform = self._performer.for_waker(waker, op, payload, aux, session, deadline_ns)
        try:
            perform.send(None)
            while True:
                if source is not None:
                    waker.keep_going(source)
                try:
                    await waker.wait()
                except BaseException as error:  # such as a cancel of the task: the operation must clean up
                    perform.throw(error)
                else:
                    perform.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except BaseException:
            perform.close()  # as in `Engine.call`
            raise

    async def _blocked(self, op: str, payload: Any, aux: Any, session: Any, deadline_ns: int | None) -> bytes:
        return self._engine.call(op, payload, aux=aux, session=session, deadline_ns=deadline_ns)


def _cancel(job: Job) -> None:
    if job.paused:
        cancel_until_ended(job)


def running_driver() -> LoopDriver:
    """The driver of the event loop that runs in this thread. Raises UsageError if none does."""
    library = loop_here()
    if library == "asyncio":
        return asyncio_loop.running_driver()
    if library == "trio":
        from engine.drivers import trio_loop  # imports trio, which the program has done already

        return trio_loop.running_driver()
    raise no_loop()
