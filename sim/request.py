"""A request: one piece of work for the device, and then its result."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from hotpath.submittable import Submittable
from sim.session import Session


class Delivery(IntEnum):
    """What became of a completion. An owner returns it from `complete`; None means DELIVERED."""

    DELIVERED = 0
    ORPHANED = 1
    """Nobody wants the result any more: the job was cancelled, or its deadline has passed."""
    SPURIOUS = 2
    """Nobody waited for this completion, because the request had completed before."""


class Request(Submittable):
    """A request for programs that use the device without an engine.

    `on_complete(request)` is called when the request has completed. By then `result` holds the bytes; if the request
    failed, `result` is None and `error` is the exception that says why. `queue_ns` and `service_ns` tell where the time
    went.
    """

    __slots__ = ("completed", "on_complete")

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
