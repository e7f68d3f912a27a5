"""A wrapper around an accelerator. It notes when each request was called, submitted, started, done and handed out.

It is put between an engine and its device, and neither knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from hotpath.submittable import Submittable

STAGES = ("submit", "queue", "service", "notify", "wake to resume")
"""The stages of an operation, in order and without a gap. Each begins at the end of the one before, and they end when
the operation is on the ring; when a unit starts it; when it is done; when its completion is handed out, which wakes the
job; and at the statement after the call."""
PAIR = "pause/resume"
"""The pause and resume alone, as measured without a device. The pause happens while the device works, so it is in no
stage. The resume is in the last one."""


class Timed(Submittable):
    """A request that notes its times. It goes to the device instead of the operation that it belongs to."""

    __slots__ = ("called_ns", "operation", "returned_ns", "woken_ns")

    def __init__(self, operation: Any, called_ns: int) -> None:
        self.operation = operation
        self.op = operation.op
        self.payload = operation.payload
        self.aux = operation.aux
        self.session = operation.session
        self.kernel = operation.kernel
        self.key = operation.key
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.called_ns = called_ns
        self.submitted_ns = self.started_ns = self.finished_ns = self.woken_ns = self.returned_ns = 0

    def complete(self) -> Any:
        """Complete the operation."""
        operation = self.operation
        operation.result = self.result
        operation.error = self.error
        self.woken_ns = monotonic_ns()  # set before the next line, because after that the job may already run
        return operation.complete()

    def stages_ns(self) -> tuple[int, ...]:
        """How long each of STAGES took."""
        return (
            self.submitted_ns - self.called_ns,
            self.started_ns - self.submitted_ns,
            self.finished_ns - self.started_ns,
            self.woken_ns - self.finished_ns,
            self.returned_ns - self.woken_ns,
        )


class TimedAccelerator:
    """Fits `engine.protocol.Accelerator`. It is for one driving thread, which calls `calls` just before each call."""

    def __init__(self, accel: Any) -> None:
        self._accel = accel
        self._last: dict[bytes, Timed] = {}
        self._called_ns = 0
        self.timed: list[Timed] = []

    def calls(self) -> None:
        """Note that a call begins now."""
        self._called_ns = monotonic_ns()

    def returned(self, payload: bytes) -> None:
        """Note that the call with this payload has returned. Only one with this payload is in flight."""
        self._last[payload].returned_ns = monotonic_ns()

    def submit(self, operation: Any) -> bool:
        timed = Timed(operation, self._called_ns)
        if not self._accel.submit(timed):
            return False
        self._last[timed.payload] = timed
        self.timed.append(timed)
        return True

    @property
    def clock(self) -> Any:
        return self._accel.clock

    @property
    def free_slots(self) -> int:
        return int(self._accel.free_slots)

    def session(self, op: str, key: object, **params: Any) -> Any:
        return self._accel.session(op, key, **params)

    def prepare(self, request: Any) -> None:
        self._accel.prepare(request)

    def poll(self, quota: int = 0) -> int:
        return int(self._accel.poll(quota))

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        self._accel.attach(on_space, polled=polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        self._accel.detach(on_space)

    def notify_once(self, fn: Callable[[], object]) -> None:
        self._accel.notify_once(fn)

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Any:
        return self._accel.call_at(due_ns, fn)
