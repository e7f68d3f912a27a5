"""Many operations completed at once: each told what it would have been told alone, and one call for a callback."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock, call

from engine import Engine, Retry, start_job
from engine.offload.operation import ORPHANED, SPURIOUS, Operation
from engine.offload.wakers import BlockedThread, DasyncCallback
from engine.protocol import BatchCallback
from simaccel.testing.manual_accelerator import ManualAccelerator
from tests.engine.ways import manual, readable
from waitctx import Status, WaitCtx


class Batches(BatchCallback):
    """A callback that may be called for many at once, and remembers how it was."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def __call__(self, arg: Any) -> None:
        self.calls.append([arg])

    def call_all(self, args: list[Any]) -> None:
        self.calls.append(args)


class Jobs:
    """Operations in flight, one job each, on callbacks or fds."""

    def __init__(self, accel: ManualAccelerator, engine: Engine, callbacks: list[Any]) -> None:
        self.contexts = [WaitCtx() for _ in callbacks]
        for number, (ctx, callback) in enumerate(zip(self.contexts, callbacks, strict=True)):
            if callback is not None:
                ctx.set_callback(callback, number)
        self.jobs = [start_job(engine.call, "echo", b"x", wait_ctx=ctx) for ctx in self.contexts]
        self.requests: list[Operation] = list(accel.requests)
        for request in self.requests:
            request.result = b"done"
        self.heard: list[tuple[int, Any]] = []

    def complete(self, *numbers: int) -> None:
        Operation.complete_all([self.requests[number] for number in numbers], self._hear)

    def _hear(self, request: Operation, outcome: object) -> None:
        self.heard.append((self.requests.index(request), outcome))

    def finish(self) -> None:
        for job, ctx in zip(self.jobs, self.contexts, strict=True):
            job.resume()
            assert job.result() == b"done"
            ctx.close()


def test_one_call_for_each_callback_in_order() -> None:
    one, other = Batches(), Batches()
    with manual("callback") as (accel, engine):
        jobs = Jobs(accel, engine, [one, one, other, one, None])
        jobs.complete(1, 0, 2, 3, 4)
        assert one.calls == [[1, 0], [3]]
        assert other.calls == [[2]]
        assert readable(jobs.contexts[4].all_fds()[0])
        assert jobs.heard == []
        jobs.finish()


def test_where_each_has_its_status_each_has_its_call() -> None:
    with manual("callback", "strict") as (accel, engine):
        callback = Batches()
        jobs = Jobs(accel, engine, [callback, callback])
        jobs.complete(0, 1)
        assert callback.calls == [[0], [1]]
        assert [ctx.status for ctx in jobs.contexts] == [Status.OK, Status.OK]
        jobs.finish()
    with WaitCtx() as ctx:
        ctx.set_callback(Batches())
        assert ctx.callback is not None
        assert DasyncCallback(None, ctx, ctx.callback, BlockedThread.sleep).batch_callback is None


def test_late_and_double_completions_are_told_and_harm_nobody() -> None:
    callback = Batches()
    with manual("callback") as (accel, engine):
        jobs = Jobs(accel, engine, [callback, callback, callback])
        jobs.jobs[1].cancel()
        jobs.complete(0, 1, 0, 1, 2)
        assert callback.calls == [[0, 2]]
        assert jobs.heard == [(1, ORPHANED), (0, SPURIOUS), (1, SPURIOUS)]
        for number in (0, 2):
            jobs.jobs[number].resume()
            assert jobs.jobs[number].result() == b"done"


def test_a_callback_that_raises_is_told_and_the_others_are_woken() -> None:
    def refuse(arg: object) -> None:
        raise error

    error = RuntimeError("no")
    callback = Batches()
    with manual("callback", retry=Retry()) as (accel, engine):
        jobs = Jobs(accel, engine, [callback, refuse, callback])
        jobs.complete(0, 1, 2)
        assert jobs.heard == [(1, error)]
        assert callback.calls == [[0, 2]]
        jobs.finish()


class RaisingBatches(Batches):
    """One whose call for many raises."""

    def call_all(self, args: list[Any]) -> None:
        raise RuntimeError("no batches")


def test_where_the_call_for_many_raises_it_is_told_once_and_each_is_called_alone() -> None:
    raising, other = RaisingBatches(), Batches()
    with manual("callback") as (accel, engine):
        jobs = Jobs(accel, engine, [raising, other, raising])
        jobs.complete(0, 2, 1)
        assert [(number, str(error)) for number, error in jobs.heard] == [(0, "no batches")]
        assert raising.calls == [[0], [2]]
        assert other.calls == [[1]]
        jobs.finish()


def test_a_call_all_by_chance_makes_no_batch_callback() -> None:
    class ByChance:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def __call__(self, arg: Any) -> None:
            self.calls.append(arg)

        def call_all(self, args: list[Any]) -> None:
            raise AssertionError("not what this is for")

    callback, mock = ByChance(), Mock()
    with manual("callback") as (accel, engine):
        jobs = Jobs(accel, engine, [callback, mock, callback])
        jobs.complete(0, 1, 2)
        assert callback.calls == [0, 2]
        assert mock.mock_calls == [call(1)]
        assert jobs.heard == []
        jobs.finish()


def test_a_class_may_be_registered_as_a_batch_callback() -> None:
    class Registered:
        def __init__(self) -> None:
            self.calls: list[list[Any]] = []

        def __call__(self, arg: Any) -> None:
            self.calls.append([arg])

        def call_all(self, args: list[Any]) -> None:
            self.calls.append(args)

    BatchCallback.register(Registered)
    callback = Registered()
    with manual("callback") as (accel, engine):
        jobs = Jobs(accel, engine, [callback, callback])
        jobs.complete(0, 1)
        assert callback.calls == [[0, 1]]
        jobs.finish()
