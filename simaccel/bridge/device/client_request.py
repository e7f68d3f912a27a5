"""A submission of a client as the device works on it: decoded, checked, and with its input read.

`decode` makes one `ClientRequest` of each submission, and it is the same record wherever the request then runs: in the
server's thread (`inline`), in a worker thread (`workers`), or on a device core (`cores`).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from sim.errors import ResetError
from sim.kernels import Kernel
from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.schemes import UnsupportedScheme
from simaccel.bridge.wire import CHECKSUM_WORD, CompletionStatus

OK = int(CompletionStatus.OK)
"""A plain int, because on the hot path a member of an enum is slower to test and to pack."""


class Route(Enum):
    """Where a request runs as long as there is no timing model and no fault."""

    INLINE = auto()
    """In the server's thread, because the request takes less time than handing it over would."""
    WORKER = auto()
    """In a worker thread, because the request computes for long, and without the GIL."""
    CORE = auto()
    """On a device core."""


class ClientRequest:
    """One decoded submission. Its input was copied, and all its places in the client's memory were checked."""

    __slots__ = (
        "aux",
        "cookie",
        "endpoint",
        "kernel",
        "key",
        "out_max",
        "out_off",
        "payload",
        "route",
        "sealed",
        "submitted_ns",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        route: Route,
        cookie: int,
        kernel: Kernel,
        key: Any,
        payload: bytes,
        aux: bytes,
        out_off: int,
        out_max: int,
        sealed: bool,
        submitted_ns: int,
    ) -> None:
        self.endpoint = endpoint
        self.route = route
        self.cookie = cookie
        self.kernel = kernel
        self.key = key
        self.payload = payload
        self.aux = aux
        self.out_off = out_off
        self.out_max = out_max
        self.sealed = sealed
        """Whether the kernel's result ends in a checksum, see `kernels.sealed`."""
        self.submitted_ns = submitted_ns
        """When the client submitted it. The client says so itself, and may say any number."""

    def perform(self) -> tuple[int, int]:
        """Does the work in the calling thread and stores the result. Returns its status and its length."""
        try:
            result = self.kernel.run(self.payload, self.aux, self.key)
        except Exception as error:  # what a kernel raises is a failure of the request, as on the device core
            self.endpoint.note_failure(self.kernel.name)
            return status_of(error), 0
        return self.store(result) if result else (OK, 0)

    def store(self, result: bytes) -> tuple[int, int]:
        """Writes a result into the client's memory. Returns the request's status and the result's length."""
        size_bytes = len(result)
        out_len = size_bytes - CHECKSUM_WORD.size if self.sealed else size_bytes
        if out_len > self.out_max:
            self.endpoint.note_failure(self.kernel.name)
            return CompletionStatus.TOO_LONG, 0
        self.endpoint.memory.mapping[self.out_off : self.out_off + size_bytes] = result
        return OK, out_len


def status_of(error: BaseException | None) -> CompletionStatus:
    """What a client is told of the error that a kernel or the device core ended with."""
    if isinstance(error, UnsupportedScheme):
        return CompletionStatus.UNSUPPORTED
    return CompletionStatus.RESET if isinstance(error, ResetError) else CompletionStatus.FAILED
