"""How requests get onto the ring: they are checked, put into a slot, and announced by the doorbell.

A submit has a fast path and a slow one. The fast path holds the lock for a few stores, and calls nothing meanwhile. The
slow path is taken if the ring is full, or if the gate has a refusal or a hook. For a full ring `submit` returns False,
and the caller decides what to do: an engine pauses the job with EAGAIN.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from hotpath.choice import COMPILED
from hotpath.submittable import Submittable
from sim.errors import SimError, UsageError, fresh
from sim.gate import Gate
from sim.kernels import Kernels
from sim.ring import SubmissionRing
from sim.session import Session, check_session
from sim.statistics import Counters
from sim.worker import Worker


class Submission:
    """The submitting side of an accelerator, with its kernels. Any thread may call all of it."""

    def __init__(
        self,
        ring: SubmissionRing,
        gate: Gate,
        counters: Counters,
        now_ns: Callable[[], int],
        max_payload_bytes: int,
    ) -> None:
        """Raises UsageError unless `max_payload_bytes` is a whole number, 1 or more."""
        if not isinstance(max_payload_bytes, int) or max_payload_bytes < 1:
            raise UsageError(f"max_payload_bytes={max_payload_bytes!r}: use a whole number, 1 or more")
        self.kernels = Kernels()
        self.max_payload_bytes = max_payload_bytes
        self.worker: Worker | None = None
        """What the doorbell wakes; None in virtual time, and for an assistant, which wakes it later."""
        self._ring = ring
        self._gate = gate
        self._counters = counters
        self._now_ns = now_ns
        self._by_name = self.kernels.by_name
        self._session_ids = count(1)

    def session(self, op: str, key: object, **params: Any) -> Session:
        """As `Accelerator.session`."""
        opened = Session.open(self.kernels.get(op), key, **params)
        # Each accelerator numbers its sessions from 1. A fault rule names a session by its number, which must not
        # depend on the sessions that other parts of the process have opened.
        return Session(opened.kernel, opened.key, next(self._session_ids))

    def prepare(self, request: Submittable) -> None:
        """As `Accelerator.prepare`."""
        try:
            kernel = self._by_name[request.op]
        except (KeyError, TypeError):
            kernel = self.kernels.get(request.op)  # it raises an error that says what is wrong
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
            assert session is not None  # if it were None, check_session would have raised
            key = session.key
        if kernel.check is not None:
            kernel.check(payload, aux, key)
        request.kernel = kernel
        request.key = key

    def submit(self, request: Submittable) -> bool:
        """As `Accelerator.submit`."""
        # The hot path. `enqueue`, `doorbell` and the ring's `push` are written out in this one function, which takes
        # three fifths of the time that calling them would take. `acquire` and `release` would take half the time of the
        # `with`, but a Ctrl-C between `acquire` and a `try` would leave the lock locked. While the lock is held nothing
        # is called, so CPython runs no signal handler then. A signal handler may submit too.
        ring, gate = self._ring, self._gate
        request.submitted_ns = self._now_ns()
        try:
            if COMPILED:
                # Compiled code gives the GIL away only where it calls Python, so nothing can come between these steps,
                # and they need no lock. All other code that holds it is compiled too, or runs only once a hook is
                # installed. The `with` would take a tenth of the time of an operation.
                if fast := not gate.checks_submits and ring.push(request):
                    ring.rung = ring.tail
            else:
                with gate.lock:
                    taken = (tail := ring.tail) - ring.reaped
                    if fast := taken < ring.depth and not gate.checks_submits:
                        ring.slots[tail & ring.mask] = request
                        ring.tail = ring.rung = tail + 1
                        if taken >= ring.high_water:
                            ring.high_water = taken + 1
            if not fast:
                if not self._push_slowly(request):
                    return False
                if not self._announce():
                    return True
            worker = self.worker
            if worker is not None and (sleep := worker.asleep) and sleep != worker.rung and worker.wake():
                self._counters.doorbells += 1
        except SimError:  # refused: nothing was submitted
            raise
        except BaseException:
            self._announce_again()
            raise
        return True

    def enqueue(self, request: Submittable) -> bool:
        """As `Accelerator.enqueue`."""
        request.submitted_ns = self._now_ns()
        with self._gate.lock:
            if not self._gate.checks_submits and self._ring.push(request):
                return True
        return self._push_slowly(request)

    def _push_slowly(self, request: Submittable) -> bool:
        """Raise the refusal, or give the request to the hook, or put it onto the ring. Returns False if that is full.

        The caller must not hold the lock, because the hook asks fault rules, which are not our code.
        """
        refusal, hook, ring = self._gate.refusal, self._gate.hook, self._ring
        if refusal is not None:
            raise fresh(refusal)
        if ring.outstanding < ring.depth:
            if hook is not None:
                return hook.arrive(request)
            with self._gate.lock:  # a slot has just become free, or the device was just plugged in
                if not self._gate.checks_submits and ring.push(request):
                    return True
        counters = self._counters
        counters.ring_full += 1
        if self.worker is not None and ring.rung != ring.head:
            # Threads that mean to assist have filled the ring. The worker goes on now, so the caller need not wait.
            self.worker.wake()
        if counters.full_since_ns is None:
            counters.full_since_ns = request.submitted_ns
        if hook is not None:
            hook.note("full", None, request.op)
        return False

    def doorbell(self) -> None:
        """As `Accelerator.doorbell`."""
        try:
            if self._announce() and self.worker is not None and self.worker.wake():
                self._counters.doorbells += 1
        except BaseException:
            self._announce_again()
            raise

    def _announce_again(self) -> None:
        """Announce once more what is on the ring, after an exception such as Ctrl-C that may have prevented it.

        Otherwise the requests there would wait for the next doorbell, and if the ring is full, nobody will ring it.
        """
        with self._gate.lock:
            self._ring.rung = self._ring.tail
        if self.worker is not None:
            self.worker.wake()

    def _announce(self) -> bool:
        """Make the device see what is on the ring. Returns False if a fault makes the doorbell fail this time."""
        hook, ring = self._gate.hook, self._ring
        if hook is not None and hook.swallow_ring():
            return False
        with self._gate.lock:
            ring.rung = ring.tail
        return True


def _copied(what: str, value: object) -> bytes:
    try:
        return memoryview(value).tobytes()  # type: ignore[arg-type]
    except TypeError:
        cure = "encode it first" if isinstance(value, str) else "give bytes, bytearray, memoryview or an array"
        raise UsageError(f"a {what} of type {type(value).__name__}: {cure}") from None
