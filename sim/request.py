"""A request: one piece of work on its way through the device, and its result."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from sim.kernels import Kernel
from sim.session import Session


class Delivery(IntEnum):
    """What an owner says became of a completion, as the result of its `complete`. None means DELIVERED."""

    DELIVERED = 0
    ORPHANED = 1
    """Nobody wants the result any more: the job was cancelled, or its deadline has passed."""
    SPURIOUS = 2
    """Nobody ever waited for this completion, or it came a second time."""


class Submittable(Protocol):
    """What the device needs of a request. The engine's operations fit it too, so one object serves as both.

    The submitter fills in `op`, `payload`, `aux` and `session`. `Accelerator.prepare` checks them and sets `kernel` and
    `key`. The device fills in the rest. All times are ns of the accelerator's clock.

    After the submit the request belongs to the device until the device calls `complete`, in the thread that reaps: the
    worker, or the thread that polls. `complete` must not block. In particular it must not wait for a free slot, because
    slots are freed by the thread that it runs in.

    Three things are optional:

    - `wake()`: a faulty device calls it without completing the request, see SpuriousWake.
    - `complete_all(requests, hear)`, static: the worker calls it instead of `complete` with all requests of this class
      that complete at the same time. It calls hear(request, outcome) for each that was not simply delivered; the
      outcome is a Delivery or an exception.
    - `completed`: false at first; `complete` sets it before it does anything else. If a Ctrl-C, a failed allocation or
      a full stack came before that, or `complete` has set it to false again, the device calls `complete` once more.
    """

    op: str
    payload: bytes
    aux: bytes
    session: Session | None
    kernel: Kernel
    key: Any
    submitted_ns: int
    started_ns: int
    finished_ns: int
    result: bytes | None
    error: BaseException | None

    def complete(self) -> Delivery | None: ...


class Request:
    """A request for programs that use the device without an engine.

    `on_complete(request)` is called when it has completed. Then `result` is the bytes; or it is None, and `error` is
    the exception that says why. `queue_ns` and `service_ns` tell where the time went.
    """

    __slots__ = (
        "aux",
        "completed",
        "error",
        "finished_ns",
        "kernel",
        "key",
        "on_complete",
        "op",
        "payload",
        "result",
        "session",
        "started_ns",
        "submitted_ns",
    )

    kernel: Kernel
    key: Any

    def __init__(
        self,
        op: str,
        payload: bytes,
        aux: bytes = b"",
        session: Session | None = None,
        on_complete: Callable[[Request], Delivery | None] | None = None,
    ) -> None:
        self.op = op
        self.payload = payload
        self.aux = aux
        self.session = session
        self.on_complete = on_complete
        self.submitted_ns = 0
        self.started_ns = 0
        self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.completed = False
        """Whether `on_complete` was called. Set it to False before you submit the request a second time."""

    @property
    def queue_ns(self) -> int:
        """The time from the submit to the start on a unit."""
        return self.started_ns - self.submitted_ns

    @property
    def service_ns(self) -> int:
        """The time from the start on a unit to the completion's due time."""
        return self.finished_ns - self.started_ns

    def complete(self) -> Delivery | None:
        """Called by the device."""
        self.completed = True
        return None if self.on_complete is None else self.on_complete(self)
