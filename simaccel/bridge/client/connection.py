"""A remote accelerator's end of its rings: what is in flight, and how it completes.

The reaper, which hands out completions, is the same class as in a device in our own process. So counts, interrupts and
polling are the same. There are two steps. `drain` takes completions off the shared ring. It calls no owner, so any
thread may do it at any time. `deliver` is the interrupt: it hands the completions out, in the reader's thread.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from hotpath.submittable import Submittable
from sim.clock import RealClock
from sim.completion import Reaper
from sim.errors import ClosedError, ResetError, SimError, fresh
from sim.gate import Gate
from sim.interrupt import Coalescing, Interrupt
from sim.ring import CompletionRing, SubmissionRing
from sim.statistics import Counters
from sim.unraisable import ForeignCalls
from simaccel.bridge import wire
from simaccel.bridge.client.session import Opening
from simaccel.bridge.client.shared import Completion, SharedRings
from simaccel.bridge.remote import NoDeviceError
from simaccel.bridge.wire import MAX_ENTRIES, CompletionStatus


class RequestFailed(SimError):
    """The device completed the request with a failure. `status` says which kind. The device does not tell more."""

    def __init__(self, op: str, status: int) -> None:
        names = {member.value: member.name for member in CompletionStatus}
        super().__init__(f"{op}: the device says {names.get(status, status)}")
        self.status = status


class Connection:
    """One connection with its rings. Any thread may call every method except `deliver`."""

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
        """How many completions had a cookie that belongs to no request in flight."""
        self.severed = False
        """Whether the shared memory is unmapped."""
        self._free = list(range(rings.layout.entries))
        self._in_flight: dict[int, Submittable] = {}
        self._opening: dict[int, Opening] = {}
        """Sessions that are being opened. They take slots, but are not requests."""
        self._serial = 0
        self._forgotten: deque[int] = deque()
        self.make_locks()
        # A send must not block: the garbage collector may forget a session anywhere.
        rings.control.setblocking(False)
        self._tell_device()

    def make_locks(self) -> None:
        """Makes the locks. In the child of a fork it makes new ones, because threads of the parent may hold the old."""
        self.gate.lock = threading.RLock()
        self._drainers = threading.Lock()
        self.reaper.lock = threading.RLock()
        self.changed = threading.Condition()
        """Notified when something has completed or was reaped, and when the connection has ended."""

    # Submitting

    @property
    def free_slots(self) -> int:
        """How many entries may be pushed now."""
        return self.ring.depth - self.ring.outstanding - len(self._opening)

    def push(self, entry: Submittable | Opening, code: int, key: int, payload: bytes, aux: bytes) -> bool:
        """Puts an entry onto the ring and rings the doorbell. Returns False if the ring is full. Does not block.

        Raises the reason of the refusal, if nothing may be pushed any more; then nothing has happened.
        """
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
            # The result may overwrite the input, because the device has read all of that before it writes.
            out_max = layout.slot_bytes
            rings.submit(cookie, code, 0, key, slot, len(payload), slot, out_max, aux_off, len(aux), now_ns)
            try:
                if rings.ring_doorbell():
                    self.counters.doorbells += 1
            except OSError:
                # A device whose doorbell can't be rung is not ours. The reader sees the end of the connection, and
                # fails this request together with all others.
                rings.hang_up()
        return True

    def forget(self, key: int) -> None:
        """Tells the device that a session is not used any more. If that is not possible now, the next call does it."""
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
            except OSError:  # the device is gone, and with it everything it knew
                return

    # Completing

    def drain(self) -> None:
        """Takes completions off the ring and copies their results. Their slots stay taken until they are reaped."""
        opening = len(self._opening)
        error: NoDeviceError | None = None
        with self._drainers:
            if self.severed:
                return
            now_ns = self.clock.now_ns()
            try:
                completions = self.rings.reap()
                if completions:
                    self.rings.note_wake(now_ns)
                for completion in completions:
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
            status = CompletionStatus.TOO_LONG
        if status:
            request.error = _failure(request.op, status)
        else:
            request.result = bytes(self.rings.bytes[slot : slot + out_len])
        self._free.append(index)
        # The device may say anything, so its times are limited to between our own submission and now.
        request.started_ns = started_ns = min(max(started_ns, request.submitted_ns), now_ns)
        request.finished_ns = finished_ns = min(max(finished_ns, started_ns), now_ns)
        self.counters.busy_ns += finished_ns - started_ns
        self.completions.entries.append(request)

    def _tell_device(self) -> None:
        """Tells the device what it can't see itself, for `simaccel stat`.

        Called only when one of these counts has changed, which is rare. Pauses are not among them, because a connection
        does not know the engine's jobs.
        """
        with self._drainers:
            if not self.severed:
                self.rings.tell(full=self.counters.ring_full, orphaned=self.counters.orphaned, stray=self.strays)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def deliver(self) -> None:
        """The interrupt: hands out what was drained, or notifies those who poll. Only for the reader's thread."""
        while self.completions.entries:
            if self.interrupt.masked:
                self.interrupt.notify()
                break
            with self.reaper.lock:
                if not self.completions.entries:  # another thread masked the interrupt and polled, just now
                    break
                self.counters.count_batch(len(self.completions.entries))
                self.interrupt.fired += 1
                orphaned = self.counters.orphaned
                self.reaper.handle_interrupt(self.clock.now_ns())
            if self.counters.orphaned != orphaned:
                self._tell_device()
        self._tell()

    def poll(self, quota: int) -> int:
        """Hands out at most `quota` completions in this thread, or with 0 all of them. Returns how many."""
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
        """Whether completions wait to be reaped, or the count of reaped ones is not `reaped` any more."""
        return bool(self.completions.entries) or self.ring.reaped != reaped

    # End

    def refuse(self, why: SimError) -> None:
        """Refuses every push from now on, for this reason. The first reason stays."""
        with self.gate.lock:
            self.gate.change_refusal(ClosedError(str(why)), instead_of=None)

    def lose(self, error: SimError) -> None:
        """Fails everything in flight with that error. It is handed out by `deliver` or `poll`."""
        self.refuse(error)
        with self._drainers:
            now_ns = self.clock.now_ns()
            for opening in self._opening.values():
                opening.status = CompletionStatus.FAILED
                opening.answered.set()
            self._opening.clear()
            for cookie, request in tuple(self._in_flight.items()):
                request.result, request.error = None, error
                request.started_ns = request.finished_ns = now_ns
                # Not `append`: after a call CPython runs signal handlers, and none may run before the next line.
                self.completions.entries += (request,)
                del self._in_flight[cookie]
        self._tell()

    def sever(self) -> None:
        """Unmaps the shared memory. `lose` must have been called before."""
        with self._drainers:
            self.severed = True
            self.rings.unmap()

    def disown(self) -> None:
        """For the child of a fork, where nothing is mapped: closes the fds, which would outlive the parent's."""
        self.make_locks()
        self.severed = True
        self._in_flight.clear()
        self._opening.clear()
        self.gate.refusal = ClosedError(
            f"this accelerator belongs to the parent process, {os.getppid()}: connect again after the fork"
        )
        _FOREIGN.append(self.rings)
        self.rings.close()


_FOREIGN: list[SharedRings] = []
"""Rings of the parent, never freed: that would unmap addresses that belong to something else in this process."""


def _failure(op: str, status: int) -> SimError:
    if status == CompletionStatus.RESET:
        return ResetError("the device was reset while this request was in flight")
    return RequestFailed(op, status)
