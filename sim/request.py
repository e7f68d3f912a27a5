"""A request: one piece of work for the device, and then its result."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from sim.kernels import Kernel
from sim.session import Session


class Delivery(IntEnum):
    """What became of a completion. An owner returns it from `complete`; None means DELIVERED."""

    DELIVERED = 0
    ORPHANED = 1
    """Nobody wants the result any more: the job was cancelled, or its deadline has passed."""
    SPURIOUS = 2
    """Nobody waited for this completion, because the request had completed before."""


class Submittable(Protocol):
    """What the device needs of a request. The engine's operations have all of it, so they go over the ring themselves.

    The submitter fills in `op`, `payload`, `aux` and `session`. `Accelerator.prepare` checks them and sets `kernel` and
    `key`. The device fills in the rest. All times are ns of the accelerator's clock.

    After the submit the request belongs to the device until the device calls `complete`. It does so in the thread that
    reaps: the worker, or a thread that polls. `complete` must not block. In particular it must not wait for a free
    slot, because the thread in which it runs is the one that frees slots.

    Three members are optional:

    - `wake()`: a device with the fault SpuriousWake calls it without completing the request.
    - `complete_all(requests, hear)`, a static method: if several requests of this class complete at the same time, the
      worker calls it once instead of `complete` for each. It calls hear(request, outcome) for each request that was not
      simply delivered; the outcome is a Delivery or an exception.
    - `completed`: false at first. `complete` sets it before it does anything else. If an exception that can come
      anywhere, such as Ctrl-C, ends `complete` while this is false, the device calls `complete` once more.
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

    `on_complete(request)` is called when the request has completed. By then `result` holds the bytes; if the request
    failed, `result` is None and `error` is the exception that says why. `queue_ns` and `service_ns` tell where the time
    went.
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
        self.kernel: Kernel
        self.key: Any
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
