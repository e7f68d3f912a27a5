"""The fields of a request, `Submittable`. A device and its submitters share them.

The engine derives its operations from this class, and the device its own requests. Neither package knows the other.
So compiled code of both finds the fields at the same places, and need not look them up by name. Those look-ups took a
sixth of the time of an operation.
"""

from __future__ import annotations

from typing import Any


class Submittable:
    """The fields of a request. The class of whatever is submitted to a device is derived from this one.

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

    The Python of the device takes any object that has all this. Where it is compiled, another object is a TypeError.
    """

    __slots__ = (
        "aux",
        "error",
        "finished_ns",
        "kernel",
        "key",
        "op",
        "payload",
        "result",
        "session",
        "started_ns",
        "submitted_ns",
    )

    def __init__(self) -> None:
        # Only the types. Derived classes set the fields themselves, and do not call this.
        self.op: str
        self.payload: bytes
        self.aux: bytes
        self.session: Any
        self.kernel: Any
        self.key: Any
        self.submitted_ns: int
        self.started_ns: int
        self.finished_ns: int
        self.result: bytes | None
        self.error: BaseException | None

    def complete(self) -> Any:
        """Called by the device. Returns what became of the completion, a `sim.Delivery`; None means DELIVERED."""
        raise NotImplementedError  # pragma: no cover - all have their own
