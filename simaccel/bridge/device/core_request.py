"""A client's request as the device core sees it."""

from __future__ import annotations

from collections.abc import Callable

from hotpath.submittable import Submittable
from sim.request import Delivery
from sim.session import Session
from simaccel.bridge.device.client_request import OK, ClientRequest, status_of
from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.latencies import Latencies


def _charge_nobody(endpoint: Endpoint, took_ns: int) -> None:
    """A request that was never given to a core has cost no time."""


_NOBODY: set[Endpoint] = set()


class CoreRequest(Submittable):
    """Wraps a request so that a core takes it."""

    __slots__ = (
        "answered",
        "charge",
        "dirty",
        "latencies",
        "request",
    )

    def __init__(self, request: ClientRequest) -> None:
        self.request = request
        self.kernel = request.kernel
        self.op = request.kernel.name
        self.key = request.key
        self.payload = request.payload
        self.aux = request.aux
        self.session: Session | None = None
        self.submitted_ns = request.submitted_ns
        self.started_ns = 0
        self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.answered = False
        self.latencies: Latencies | None = None
        """Where the core that takes the request counts its times, if somebody wants to know them."""
        self.dirty: set[Endpoint] = _NOBODY
        """The core that takes the request collects here the clients that it has to interrupt."""
        self.charge: Callable[[Endpoint, int], object] = _charge_nobody
        """Is called with the time that the core has worked on the request. The code that submits it sets this."""

    def complete(self) -> Delivery | None:
        """Called by the core: result and completion go into the client's memory."""
        endpoint = self.request.endpoint
        if endpoint.gone:
            return Delivery.ORPHANED
        if self.answered:  # a duplicate: the client's ring has room for one completion of each submission
            return Delivery.SPURIOUS
        self.answered = True
        self.charge(endpoint, self.finished_ns - self.started_ns)
        if self.latencies is not None:
            waited_ns = max(0, self.started_ns - self.request.submitted_ns)
            self.latencies.add(self.op, waited_ns, self.finished_ns - self.started_ns)
        if self.result is None:
            status, out_len = int(status_of(self.error)), 0
            endpoint.note_failure(self.op)
        elif self.result:
            status, out_len = self.request.store(self.result)
        else:
            status, out_len = OK, 0
        endpoint.complete([(self.request.cookie, status, out_len, self.started_ns, self.finished_ns)])
        self.dirty.add(endpoint)
        return None

    def refuse(self, error: BaseException | None) -> None:
        """Completes the request with this error, because no core took it, and interrupts the client."""
        self.error = error
        self.complete()
        self.request.endpoint.fire()
