"""A submission of a client on its way through the device."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sim.errors import ResetError
from sim.kernels import Kernel
from sim.request import Delivery
from sim.session import Session
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.device.schemes import UnsupportedScheme
from simaccel.bridge.wire import CHECKSUM, CHECKSUM_WORD, Status

Completion = tuple[int, int, int, int, int]
"""Cookie, status, length, start and end."""


class Endpoint:
    """Where a client's completions go. Several threads may complete, so there is a lock."""

    __slots__ = ("completed", "failed", "gone", "interrupt", "interrupts", "lock", "memory", "outstanding", "submitted")

    def __init__(self, memory: Memory, interrupt: int) -> None:
        self.memory = memory
        self.interrupt = interrupt
        """An eventfd, closed by `close`."""
        self.lock = threading.Lock()
        self.gone = False
        self.submitted = 0
        self.completed = 0
        self.failed = 0
        self.interrupts = 0
        self.outstanding = 0
        """Fetched and not completed. Counted down under the lock."""

    def complete(self, cookie: int, status: int, out_len: int, started_ns: int, finished_ns: int) -> None:
        """Adds a completion to the client's ring."""
        with self.lock:
            self.memory.complete(cookie, status, out_len, started_ns, finished_ns)
            self.outstanding -= 1
            if status:
                self.failed += 1
            else:
                self.completed += 1

    def complete_all(self, completions: list[Completion]) -> None:
        """Adds completions to the client's ring."""
        with self.lock:
            failed = self.memory.complete_all(completions)
            self.outstanding -= len(completions)
            self.failed += failed
            self.completed += len(completions) - failed

    def fire(self) -> None:
        """Interrupts the client, unless it polls or is gone."""
        # The lock is also the fence between our store of the completion index and the look at what the client wants.
        with self.lock:
            if self.gone:
                return
            self.memory.count(self.submitted, self.completed, self.failed)
            if self.memory.wants_interrupts:
                self.interrupts += 1
                # A counter that is full shows that the client does not read it, and is readable anyway.
                with suppress(BlockingIOError):
                    os.eventfd_write(self.interrupt, 1)

    def close(self) -> None:
        """The client is gone; what is in flight completes for nobody."""
        with self.lock:
            self.gone = True
            os.close(self.interrupt)


def _for_nothing(endpoint: Endpoint, took_ns: int) -> None:
    """What was never given to the device has cost it nothing."""


_NOBODY: set[Endpoint] = set()


class Operation:
    """What the device core sees as a request: it fits `sim.request.Submittable`."""

    __slots__ = (
        "answered",
        "aux",
        "charge",
        "cookie",
        "dirty",
        "endpoint",
        "error",
        "finished_ns",
        "flags",
        "kernel",
        "key",
        "op",
        "out_max",
        "out_off",
        "payload",
        "result",
        "session",
        "started_ns",
        "submitted_ns",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        cookie: int,
        kernel: Kernel,
        key: Any,
        payload: bytes,
        aux: bytes,
        out_off: int,
        out_max: int,
        flags: int,
        submitted_ns: int,
    ) -> None:
        self.answered = False
        self.endpoint = endpoint
        self.cookie = cookie
        self.kernel = kernel
        self.op = kernel.name
        self.key = key
        self.payload = payload
        self.aux = aux
        self.out_off = out_off
        self.out_max = out_max
        self.flags = flags
        self.session: Session | None = None
        self.submitted_ns = submitted_ns
        self.started_ns = 0
        self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.dirty: set[Endpoint] = _NOBODY
        """Where to note that the client is to be interrupted; set by the unit that takes the operation."""
        self.charge: Callable[[Endpoint, int], object] = _for_nothing
        """Told what the device has spent on it; set by who gives it to the device."""

    def complete(self) -> Delivery | None:
        """Called by the device: result and completion go into the client's memory."""
        endpoint = self.endpoint
        if endpoint.gone:
            return Delivery.ORPHANED
        if self.answered:  # a duplicate: the client's ring has room for one completion of each submission
            return Delivery.SPURIOUS
        self.answered = True
        self.charge(endpoint, self.finished_ns - self.started_ns)
        status: int = Status.OK
        out_len = 0
        result = self.result
        if result is None:
            status = _status_of(self.error)
        elif result:
            # A sealed kernel's result ends in its checksum.
            out_len = len(result) - CHECKSUM_WORD.size if self.flags & CHECKSUM else len(result)
            if out_len > self.out_max:
                status, out_len = Status.TOO_LONG, 0
            else:
                endpoint.memory.write(self.out_off, result)
        endpoint.complete(self.cookie, status, out_len, self.started_ns, self.finished_ns)
        self.dirty.add(endpoint)
        return None

    def refuse(self, error: BaseException | None) -> None:
        """The device did not take it."""
        self.error = error
        self.complete()
        self.endpoint.fire()


def _status_of(error: BaseException | None) -> Status:
    if isinstance(error, UnsupportedScheme):
        return Status.UNSUPPORTED
    return Status.RESET if isinstance(error, ResetError) else Status.FAILED
