"""A remote accelerator's end of its rings: what is in flight, and how it completes.

The reaper is that of a device in one's own process, so it counts, interrupts and polls alike. Two steps lead
to it: `drain` takes over what the device has completed, which any thread may do at any time, as it calls nobody;
`deliver` is the interrupt, in the reader's thread.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from sim.clock import RealClock
from sim.completion import Reaper
from sim.errors import ClosedError, ResetError, SimError, fresh
from sim.gate import Gate
from sim.interrupt import Coalescing, Interrupt
from sim.report import ForeignCalls
from sim.request import Submittable
from sim.ring import CompletionRing, SubmissionRing
from sim.statistics import Counters
from simaccel.bridge import wire
from simaccel.bridge.client.session import Opening
from simaccel.bridge.client.shared import Completion, SharedRings
from simaccel.bridge.remote import NoDeviceError
from simaccel.bridge.wire import MAX_ENTRIES, Status


class RequestFailed(SimError):
    """The device completed the request with a failure. The status says which kind; the reason stays on the device."""

    def __init__(self, op: str, status: int) -> None:
        names = {member.value: member.name for member in Status}
        super().__init__(f"{op}: the device says {names.get(status, status)}")
        self.status = status


class Connection:
    """One connection with its rings. Any thread may call all of it, but for `deliver`."""

    def __init__(self, rings: SharedRings) -> None:
        entries = rings.layout.entries
        self.clock = RealClock()
        self.gate = Gate()
        self.ring = SubmissionRing(entries)
        self.completions = CompletionRing(entries)
        self.interrupt = Interrupt(Coalescing())
        self.counters = Counters(self.clock.now_ns())
        self.foreign = ForeignCalls(self.counters, virtual=False)
        self.reaper = Reaper(self.ring, self.completions, self.interrupt, self.counters, self.clock, self.gate)
        self.rings = rings
        self.strays = 0
        """Completions with a cookie that nobody has."""
        self.severed = False
        """Whether there is no memory to look at any more."""
        self._free = list(range(rings.layout.entries))
        self._in_flight: dict[int, Submittable] = {}
        self._opening: dict[int, Opening] = {}
        """Sessions on their way. They take slots, but are no requests."""
        self._serial = 0
        self._forgotten: deque[int] = deque()
        self.make_locks()
        # A send must not wait: sessions are forgotten by the garbage collector, anywhere.
        rings.control.setblocking(False)
        self._tell_device()

    def make_locks(self) -> None:
        """Also anew in the child of a fork, where they may be held by threads that are not there."""
        self.gate.lock = threading.RLock()
        self._drainers = threading.Lock()
        self.reaper.lock = threading.RLock()
        self.changed = threading.Condition()
        """Notified when something completed, was reaped, or the connection has ended."""

    # Submitting

    @property
    def free_slots(self) -> int:
        """How many may be pushed."""
        return self.ring.depth - self.ring.outstanding - len(self._opening)

    def push(self, entry: Submittable | Opening, code: int, key: int, payload: bytes, aux: bytes) -> bool:
        """Put it onto the ring and ring the doorbell. False: the ring is full. Raises the refusal, if there is one."""
        rings, ring, layout = self.rings, self.ring, self.rings.layout
        with self.gate.lock:
            if self.gate.refusal is not None:
                raise fresh(self.gate.refusal)
            now_ns = self.clock.now_ns()
            if self.free_slots <= 0:
                if not isinstance(entry, Opening):
                    self.counters.ring_full += 1
                    if self.counters.full_since_ns is None:
                        self.counters.full_since_ns = now_ns
                    self._tell_device()
                return False
            index = self._free.pop()
            slot = rings.slot(index)
            aux_off = slot + len(payload)
            rings.bytes[slot:aux_off] = payload
            rings.bytes[aux_off : aux_off + len(aux)] = aux
            self._serial += 1
            cookie = self._serial * MAX_ENTRIES + index
            if isinstance(entry, Opening):
                self._opening[cookie] = entry
            else:
                entry.submitted_ns = now_ns
                self._in_flight[cookie] = entry
                ring.tail += 1
                ring.high_water = max(ring.high_water, ring.outstanding)
            # The result may lie where the input was: the device has read all of that before it writes.
            out_max = layout.slot_bytes
            rings.submit(cookie, code, 0, key, slot, len(payload), slot, out_max, aux_off, len(aux), now_ns)
            try:
                if rings.ring_doorbell():
                    self.counters.doorbells += 1
            except OSError:
                # Who has a doorbell that can't be rung is no device. The reader sees the end of the connection, and
                # fails this request with all others.
                rings.hang_up()
        return True

    def forget(self, key: int) -> None:
        """Tell the device that a session is no longer used; or the next time, if it does not listen now."""
        self._forgotten.append(key)
        while True:
            try:
                number = self._forgotten.popleft()
            except IndexError:
                return
            try:
                self.rings.control.send(wire.forget(number))
            except BlockingIOError:
                self._forgotten.appendleft(number)
                return
            except OSError:  # the device has gone, and has forgotten everything
                return

    # Completing

    def drain(self) -> None:
        """Take over what the device has completed: results are copied; slots stay taken until they are reaped."""
        opening = len(self._opening)
        error: NoDeviceError | None = None
        with self._drainers:
            if self.severed:
                return
            now_ns = self.clock.now_ns()
            try:
                for completion in self.rings.reap():
                    self._take_over(completion, now_ns)
            except NoDeviceError as wild:
                error = wild
        if error is not None:
            self.lose(error)
        elif opening:
            self._tell()

    def _take_over(self, completion: Completion, now_ns: int) -> None:
        cookie, status, out_len, started_ns, finished_ns = completion
        index = cookie % MAX_ENTRIES
        request = self._in_flight.pop(cookie, None)
        if request is None:
            opening = self._opening.get(cookie)
            if opening is None:
                self.strays += 1
                self.rings.tell(stray=self.strays)
                return
            opening.status = status
            opening.answered.set()
            self._free.append(index)
            del self._opening[cookie]
            return
        slot = self.rings.slot(index)
        if out_len > self.rings.layout.slot_bytes:
            status = Status.TOO_LONG
        if status:
            request.error = _failure(request.op, status)
        else:
            request.result = bytes(self.rings.bytes[slot : slot + out_len])
        self._free.append(index)
        # The device may say anything. What it says of times has to lie between our own submission and now.
        request.started_ns = started_ns = min(max(started_ns, request.submitted_ns), now_ns)
        request.finished_ns = finished_ns = min(max(finished_ns, started_ns), now_ns)
        self.counters.busy_ns += finished_ns - started_ns
        self.completions.entries.append(request)

    def _tell_device(self) -> None:
        """Tell the device what it can't see itself, for `simaccel stat`. Only called where one of these has changed,
        which is rare. Pauses are not among them: jobs are the engine's, and we do not know of them."""
        with self._drainers:
            if not self.severed:
                self.rings.tell(full=self.counters.ring_full, orphaned=self.counters.orphaned, stray=self.strays)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def deliver(self) -> None:
        """The interrupt: hands out what was drained, or tells whoever polls. In the reader's thread."""
        while self.completions.entries:
            if self.interrupt.masked:
                self.interrupt.notify()
                break
            with self.reaper.lock:
                self.counters.count_batch(len(self.completions.entries))
                self.interrupt.fired += 1
                orphaned = self.counters.orphaned
                self.reaper.handle_interrupt(self.clock.now_ns())
            if self.counters.orphaned != orphaned:
                self._tell_device()
        self._tell()

    def poll(self, quota: int) -> int:
        """Hand out at most `quota` completions in this thread, 0 for all; how many it was."""
        self.drain()
        with self.reaper.lock:
            self.counters.polls += 1
            orphaned = self.counters.orphaned
            reaped = self.reaper.reap(quota)
        if self.counters.orphaned != orphaned:
            self._tell_device()
        self._tell()
        return reaped

    def moved(self, reaped: int) -> bool:
        """Whether something waits to be reaped, or other than so many were."""
        return bool(self.completions.entries) or self.ring.reaped != reaped

    # End

    def refuse(self, why: SimError) -> None:
        """Take no more."""
        with self.gate.lock:
            self.gate.change_refusal(ClosedError(str(why)), instead_of=None)

    def lose(self, error: SimError) -> None:
        """All that is in flight fails with that error; whoever delivers or polls hands it out."""
        self.refuse(error)
        with self._drainers:
            now_ns = self.clock.now_ns()
            for opening in self._opening.values():
                opening.status = Status.FAILED
                opening.answered.set()
            self._opening.clear()
            while self._in_flight:
                _, request = self._in_flight.popitem()
                request.result, request.error = None, error
                request.started_ns = request.finished_ns = now_ns
                self.completions.entries.append(request)
        self._tell()

    def sever(self) -> None:
        """Give back the shared memory. What is in flight must be lost before."""
        with self._drainers:
            self.severed = True
            self.rings.unmap()

    def disown(self) -> None:
        """In the child of a fork the rings are not mapped, and the connection must not outlive the parent's."""
        self.make_locks()
        self.severed = True
        self._in_flight.clear()
        self._opening.clear()
        self.gate.refusal = ClosedError(
            f"this accelerator belongs to the parent process, {os.getppid()}: connect anew behind the fork"
        )
        _FOREIGN.append(self.rings)
        self.rings.close()


_FOREIGN: list[SharedRings] = []
"""Kept for good: to unmap what is not mapped here might hit what has come to lie there since."""


def _failure(op: str, status: int) -> SimError:
    if status == Status.RESET:
        return ResetError("the device was reset while this request was in flight")
    return RequestFailed(op, status)
