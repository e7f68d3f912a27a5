"""A request: one piece of work on its way through the device, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

from sim.kernels import Kernel
from sim.session import Session


class Delivery(IntEnum):
    """What became of a completion, as whoever takes it tells the device. None means DELIVERED."""

    DELIVERED = 0
    ORPHANED = 1
    """Nobody wants it any more: its job was cancelled, or its deadline has passed."""
    SPURIOUS = 2
    """Nobody ever waited for it, or it came a second time."""


class Submittable(Protocol):
    """What the device needs of a request. The engine's own operations fit it, so that one object does for both.

    The submitter fills in `op`, `payload`, `aux` and `session`; `Accelerator.prepare` checks them and sets `kernel` and
    `key`; the device fills in the rest. All times are ns of the accelerator's clock. After the submit the request
    belongs to the device until `complete` is called, which happens in the thread that reaps: the worker, or whoever
    polls. `complete` must not block, and must not submit on a ring that may be full and wait for it.

    A request may also have `wake()`, which a faulty device calls without completing it, see SpuriousWake; and its class
    a static `complete_all(requests, hear)`, which the worker calls instead with all that complete at once, if they are
    of that class: it calls hear(request, answer or exception) for each that was not just delivered.

    And it may have `completed`, false until `complete` begins, which sets it before anything else. Where a Ctrl-C, a
    failed allocation or a full stack came before that, or `complete` has set it to something false again, it is called
    once more.
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
    """A request for those who drive the device without an engine.

    `on_complete(request)` is called once it has completed: `result` is the bytes, or None and `error` says why it
    failed. `queue_ns` and `service_ns` tell where the time went.
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
        """Whether `on_complete` was called. Who submits a request again sets it to False."""

    @property
    def queue_ns(self) -> int:
        """From the submit to the start on a unit."""
        return self.started_ns - self.submitted_ns

    @property
    def service_ns(self) -> int:
        """From the start on a unit to the completion's due time."""
        return self.finished_ns - self.started_ns

    def complete(self) -> Delivery | None:
        """Called by the device."""
        self.completed = True
        return None if self.on_complete is None else self.on_complete(self)
