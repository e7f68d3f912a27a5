"""The submitting side of an accelerator: requests checked, put onto the ring, and announced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import Any

from sim.device import Device
from sim.errors import UsageError, fresh
from sim.kernels import Kernels
from sim.request import Submittable
from sim.session import Session, check_session
from sim.worker import Worker


class SubmissionSide:
    """What of an accelerator takes requests. Any thread may call all of it."""

    def __init__(self, device: Device, max_payload_bytes: int) -> None:
        if not isinstance(max_payload_bytes, int) or max_payload_bytes < 1:
            raise UsageError(f"max_payload_bytes={max_payload_bytes!r}: use a whole number, 1 or more")
        self.kernels = Kernels()
        self.max_payload_bytes = max_payload_bytes
        self._device = device
        self._by_name = self.kernels.by_name
        self._now_ns = device.clock.now_ns
        self._producers = threading.RLock()
        """Held for a few steps at a time, and never while something is called that is not ours. An RLock for what may
        come in between, such as a signal handler or a finalizer that submits."""
        self._session_ids = count(1)
        self._worker: Worker | None = None

    def session(self, op: str, key: object, **params: Any) -> Session:
        """Load a key once, for any number of requests of that kernel. UsageError where it does not fit."""
        opened = Session.open(self.kernels.get(op), key, **params)
        # Numbered anew: what a fault rule calls session 1 must not depend on what else the process has opened.
        return Session(opened.kernel, opened.key, next(self._session_ids))

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Add a kernel of your own: any function from bytes to bytes. It runs in the worker thread.

        What it raises fails the request, and nothing else.
        """
        self.kernels.register(name, function, replace=replace)

    def prepare(self, request: Submittable) -> None:
        """Check a request and find its kernel. Raises UsageError, and then nothing has happened.

        A payload that isn't bytes is copied here, so the caller may change it afterwards.
        """
        try:
            kernel = self._by_name[request.op]
        except (KeyError, TypeError):
            kernel = self.kernels.get(request.op)  # which says what is wrong
        payload, aux = request.payload, request.aux
        if type(payload) is not bytes:
            request.payload = payload = _copied("payload", payload)
        if type(aux) is not bytes:
            request.aux = aux = _copied("aux", aux)
        if len(payload) + len(aux) > self.max_payload_bytes:
            raise UsageError(
                f"a payload of {len(payload) + len(aux):,} bytes: the device takes at most "
                f"{self.max_payload_bytes:,}; split it, or give the accelerator a larger max_payload_bytes"
            )
        session = request.session
        key = None
        if session is not None or kernel.load is not None:
            check_session(kernel, session)
            assert session is not None  # or check_session would have raised
            key = session.key
        if kernel.check is not None:
            kernel.check(payload, aux, key)
        request.kernel = kernel
        request.key = key

    def submit(self, request: Submittable) -> bool:
        """Put a prepared request onto the ring and ring the doorbell. False: the ring is full. Never blocks.

        Raises ClosedError after `close` and in the child of a fork, RejectedError if a fault rule says so, and
        UsageError if a fault rule raises, or is being asked in this thread. Nothing was submitted then.
        """
        # `enqueue`, `doorbell` and the ring's `push` in one, and the hot path of all three: written out it takes three
        # fifths of the time. The lock's own methods would take half of the `with`, but a Ctrl-C that comes between
        # `acquire` and a `try` leaves it locked. With the lock nothing is called: where nothing is called CPython runs
        # no signal handler, and a handler may submit as well.
        device = self._device
        ring = device.ring
        request.submitted_ns = self._now_ns()
        with self._producers:
            taken = (tail := ring.tail) - ring.reaped
            if fast := taken < ring.depth and not device.checks_submits:
                ring.slots[tail & ring.mask] = request
                ring.tail = ring.rung = tail + 1
                if taken >= ring.high_water:
                    ring.high_water = taken + 1
        if not fast:
            if not self._push_slowly(request):
                return False
            if not self._announce():
                return True
        worker = self._worker
        if worker is not None and (sleep := worker.asleep) and sleep != worker.rung and worker.wake():
            device.counters.doorbells += 1
        return True

    def enqueue(self, request: Submittable) -> bool:
        """Put a prepared request onto the ring, where it waits for the doorbell. False: the ring is full.

        Raises as `submit`.
        """
        device = self._device
        request.submitted_ns = self._now_ns()
        with self._producers:
            if not device.checks_submits and device.ring.push(request):
                return True
        return self._push_slowly(request)

    def _push_slowly(self, request: Submittable) -> bool:
        """Refuse the request, or say that the ring is full, or let it meet the fault rules on its way there.

        By who does not hold the lock of the producers: the rules are asked here.
        """
        device = self._device
        refusal, slow, ring = device.refusal, device.slow, device.ring
        if refusal is not None:
            raise fresh(refusal)
        if ring.outstanding < ring.depth:
            if slow is not None:
                return slow.arrive(request)
            with self._producers:  # a slot has fallen free, or a device was plugged in, just now
                if not device.checks_submits and ring.push(request):
                    return True
        counters = device.counters
        counters.ring_full += 1
        if counters.full_since_ns is None:
            counters.full_since_ns = request.submitted_ns
        if slow is not None:
            slow.note("full", None, request.op)
        return False

    def doorbell(self) -> None:
        """Announce what was enqueued, and wake the device if it sleeps."""
        if self._announce() and self._worker is not None and self._worker.wake():
            self._device.counters.doorbells += 1

    def _announce(self) -> bool:
        """Make the device see what is on the ring. False if a fault swallows this ring of the doorbell."""
        device = self._device
        if device.slow is not None and device.slow.swallow_ring():
            return False
        ring = device.ring
        with self._producers:
            ring.rung = ring.tail
        return True

    @property
    def free_slots(self) -> int:
        """How many requests the ring would take now."""
        ring = self._device.ring
        return ring.depth - ring.outstanding

    @property
    def depth(self) -> int:
        """Slots of the submission ring."""
        return self._device.ring.depth

    @property
    def in_flight(self) -> int:
        """Requests submitted whose completion was not reaped yet."""
        return self._device.ring.outstanding


def _copied(what: str, value: object) -> bytes:
    try:
        return memoryview(value).tobytes()  # type: ignore[arg-type]
    except TypeError:
        cure = "encode it first" if isinstance(value, str) else "give bytes, bytearray, memoryview or an array"
        raise UsageError(f"a {what} of type {type(value).__name__}: {cure}") from None
