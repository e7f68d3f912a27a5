"""Bugs on the way of an operation: ring, completion, wake-up, deadline. Random device programs must notice each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from engine.offload.operation import Operation
from engine.offload.perform import Performer
from engine.offload.slot_queue import SlotQueue
from engine.offload.wakers import FdWaker, QatCallback, StrictCallback
from tests.conformance.device_programs import run_device_programs
from tests.conformance.planted.plant import caught_by
from waitctx import Status

_complete, _fail = Operation.complete, Operation.fail
_left_open: list[FdWaker] = []
"""What a bug did not close, so that it does not stay with the process."""


def device_programs() -> None:
    # A bug that makes the device's handlers raise is reported there as well; the programs look at the counters.
    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        run_device_programs(150)
    finally:
        threading.excepthook = hook
        while _left_open:
            _left_open.pop().wake_fd.close()


@caught_by(device_programs)
def wake_lost_now_and_then(patch: pytest.MonkeyPatch) -> None:
    turn = count(1)

    def complete(self: Operation) -> int | None:
        if next(turn) % 7 or self not in self.flight:
            return _complete(self)
        del self.flight[self]
        self.done = self.fired = True
        return None

    patch.setattr(Operation, "complete", complete)


@caught_by(device_programs)
def token_left_in_the_fd(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FdWaker, "resumed", lambda self, operation: operation.done)


@caught_by(device_programs)
def completed_twice(patch: pytest.MonkeyPatch) -> None:
    def complete(self: Operation) -> int | None:
        first = _complete(self)
        return first or _complete(self)

    patch.setattr(Operation, "complete", complete)


@caught_by(device_programs)
def full_ring_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SlotQueue, "join", lambda self, operation: None)


@caught_by(device_programs)
def free_slot_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SlotQueue, "freed", lambda self, slots: None)


@caught_by(device_programs)
def turn_never_given_back(patch: pytest.MonkeyPatch) -> None:
    def leave(self: SlotQueue, operation: Operation) -> None:
        pass

    patch.setattr(SlotQueue, "leave", leave)


@caught_by(device_programs)
def result_of_the_operation_before(patch: pytest.MonkeyPatch) -> None:
    before: list[bytes | None] = [b""]

    def complete(self: Operation) -> int | None:
        self.result, before[0] = before[0], self.result
        return _complete(self)

    patch.setattr(Operation, "complete", complete)


@caught_by(device_programs)
def done_before_the_device_is(patch: pytest.MonkeyPatch) -> None:
    wait_for_completion: Callable[[FdWaker, Operation], None] = FdWaker.wait_for_completion

    def early(self: FdWaker, operation: Operation) -> None:
        wait_for_completion(self, operation)
        operation.result = b""
        if operation in operation.flight:
            operation.complete()

    patch.setattr(FdWaker, "wait_for_completion", early)


@caught_by(device_programs)
def late_completion_believed(patch: pytest.MonkeyPatch) -> None:
    def fail(self: Operation, verdict: Exception) -> bool:
        failed = _fail(self, verdict)
        self.completed = True
        return failed

    patch.setattr(Operation, "fail", fail)


@caught_by(device_programs)
def deadline_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Performer, "_set_deadline", lambda self, operation, deadline_ns: None)


@caught_by(device_programs)
def status_not_set_before_the_pause(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QatCallback, "wait_for_completion", lambda self, operation: None)


@caught_by(device_programs)
def strict_contract_wakes_without_a_status(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StrictCallback, "wake", QatCallback.wake)


@caught_by(device_programs)
def status_stays_at_err_by_fd(patch: pytest.MonkeyPatch) -> None:
    def end_well(self: FdWaker) -> None:
        self.erred = False

    patch.setattr(FdWaker, "end_well", end_well)


@caught_by(device_programs)
def fd_left_open_by_the_cleanup(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("engine.offload.context_wakers._close_fd", lambda ctx, key, fd, waker: _left_open.append(waker))


@caught_by(device_programs)
def eagain_status_at_a_pause_in_flight(patch: pytest.MonkeyPatch) -> None:
    def wait_for_completion(self: QatCallback, operation: Operation) -> None:
        self._ctx.status = Status.EAGAIN

    patch.setattr(QatCallback, "wait_for_completion", wait_for_completion)
