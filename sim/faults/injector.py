"""What requests meet while fault rules or a trace are installed: the slow path of a device.

It runs beside the device's own steps: a request arrives and the rules are asked, it is assigned, it is due, it is
handed out. A verdict is found at the submit and waits under the request's id until the device fetches the request.
`arrive` and `swallow_ring` belong to the submitting side, all else to the thread that steps the device. No lock of the
device is held while a rule or an observer is called, so they may use all of the accelerator; but they must not submit.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sim.device import Device, Scheduled
from sim.errors import DeviceError, RejectedError, RemovedError, UsageError, fresh
from sim.faults.outages import Outages
from sim.faults.rulebook import Installed, Rulebook
from sim.faults.verdicts import (
    Corrupt,
    Delay,
    Duplicate,
    EarlyWake,
    Fail,
    Hold,
    Lose,
    LoseInterrupt,
    PartialBatch,
    Reject,
    Remove,
    Reorder,
    Reset,
    SpuriousWake,
    StallUnit,
    StickDoorbell,
    Verdict,
)
from sim.request import Submittable
from sim.ring import Echo

DRAWN_OFFSETS = 1 << 24
"""Any byte of a result is drawn from so many, as large as a result can be, and then taken modulo its length."""


class SlowPath(Outages):
    """One device's. `counts` says how often each kind of fault was met."""

    def __init__(self, device: Device, rulebook: Rulebook, producers: threading.RLock, rng: random.Random) -> None:
        super().__init__(device, producers)
        self._asking = threading.RLock()
        self._asked = False
        """Whether the rules are being asked; by the thread that holds the lock above."""
        self.counts: dict[str, int] = {}
        self.observers: list[Callable[[Verdict, Submittable], object]] = []
        """Each is called at the submit, with a verdict that isn't Pass and its request."""
        self._rulebook = rulebook
        self._rng = rng
        self._meet: dict[type[Verdict], Callable[[Scheduled, Any, Installed], None]] = {
            Fail: self._meet_fail,
            Lose: self._meet_lose,
            Hold: self._meet_hold,
            Delay: self._meet_delay,
            SpuriousWake: self._meet_spurious_wake,
            PartialBatch: self._meet_partial_batch,
            Reset: self._meet_reset,
            Remove: self._meet_reset,
        }

    # Submitting

    def arrive(self, request: Submittable) -> bool:
        """Ask the rules, and put the request onto its ring. False if it is full meanwhile, or a rule says EAGAIN.

        Raises RejectedError if a rule says so, and UsageError for a rule that raises, returns nonsense or submits;
        nothing is submitted then. One thread at a time, in the order of the ring.
        """
        with self._asking:
            if self._asked:
                raise UsageError(
                    f"{request.op} was submitted while this thread asks the fault rules about another submit: "
                    "a rule, an observer of faults, and a signal handler in one of them, must not submit"
                )
            self._asked = True
            try:
                return self._arrive(request)
            finally:
                self._asked = False

    def disown(self, producers: threading.RLock) -> None:
        """In the child of a fork: new locks."""
        self._producers = producers
        self._asking = threading.RLock()
        self._asked = False

    def _arrive(self, request: Submittable) -> bool:
        device = self._device
        found = self._rulebook.consult(request)
        if found is not None:
            verdict, _ = found
            if isinstance(verdict, StallUnit) and verdict.unit is not None:
                device.units.check(verdict.unit)
            self.counts[verdict.kind] = self.counts.get(verdict.kind, 0) + 1
            for observe in self.observers:
                device.call_guarded(partial(observe, verdict, request))
            if isinstance(verdict, Reject):
                self.note("reject", None, f"{request.op} {'fatal' if verdict.fatal else 'eagain'}")
                if verdict.fatal:
                    raise RejectedError(f"the device rejected {request.op} at its submit, as a fault rule says")
                return False
        pushed = self._push(request, found)
        if device.refusal is not None and not pushed:  # a rule, or another thread, has closed it meanwhile
            raise fresh(device.refusal)
        if pushed and found is not None and isinstance(found[0], StickDoorbell):
            self._rings_to_swallow += found[0].rings
        return pushed

    def _push(self, request: Submittable, found: tuple[Verdict, Installed] | None) -> bool:
        """Put it onto the ring, with the fault that it will meet. False: the ring is full, or refuses."""
        device, key = self._device, id(request)
        ring = device.ring
        with self._producers:
            if device.refusal is not None or ring.outstanding >= ring.depth:
                return False
            if self.trace is not None:
                self.trace.number(request)
                self.note("submit", request, f"{request.op} {len(request.payload)} {len(request.aux)}")
                if found is not None:
                    self.note("fault", request, found[0].kind)
            # From here on nothing is called, so nothing comes in between.
            tail = ring.tail
            taken = tail - ring.reaped
            if device.refusal is not None or taken >= ring.depth:  # by a signal handler, in one of the calls above
                return False
            if found is not None:
                self._marks[key] = found
            ring.slots[tail & ring.mask] = request
            ring.tail = tail + 1
            if taken >= ring.high_water:
                ring.high_water = taken + 1
        return True

    def swallow_ring(self) -> bool:
        """Whether this ring of the doorbell has no effect."""
        with self._producers:
            if self._rings_to_swallow <= 0:
                return False
            self._rings_to_swallow -= 1
        self.note("doorbell-stuck")
        return True

    # Starting

    def assign(self, request: Submittable, now_ns: int) -> None:
        """As the device's own, for one request, which meets its fault."""
        device = self._device
        scheduled = device.placing  # of a step that was interrupted
        if scheduled is None:
            self.note("fetch", request)
            mark = self._marks.get(id(request))
            verdict = None if mark is None else mark[0]
            if isinstance(verdict, StallUnit):
                unit = device.units.next_unit if verdict.unit is None else verdict.unit
                device.units.stall(unit, now_ns + verdict.for_ns)
            scheduled = device.place(request, max(now_ns, self._not_before_ns), mark)
            self.note("start", request, f"at {request.started_ns}")
        mark = scheduled.mark
        self._marks.pop(id(request), None)
        if isinstance(device.refusal, RemovedError):  # it slipped in while the device went
            scheduled.worked = True
            request.error = fresh(device.refusal)
            mark = None
        meet = None if mark is None else self._meet.get(type(mark[0]))
        if mark is None or meet is None:
            scheduled.verdict = None if mark is None else mark[0]
            device.schedule(scheduled)
        else:
            meet(scheduled, *mark)

    def _meet_fail(self, scheduled: Scheduled, verdict: Fail, rule: Installed) -> None:
        scheduled.worked = True
        scheduled.request.error = DeviceError(verdict.status)
        self._device.schedule(scheduled)

    def _meet_lose(self, scheduled: Scheduled, verdict: Lose, rule: Installed) -> None:
        scheduled.worked = True
        self.kept[scheduled] = rule

    def _meet_hold(self, scheduled: Scheduled, verdict: Hold, rule: Installed) -> None:
        scheduled.verdict = verdict
        if rule.removed:  # its guard was left before the device came to fetch this
            self._device.schedule(scheduled)
        else:
            self.kept[scheduled] = rule

    def _meet_delay(self, scheduled: Scheduled, verdict: Delay, rule: Installed) -> None:
        scheduled.due_ns += verdict.by_ns
        self._device.schedule(scheduled)

    def _meet_spurious_wake(self, scheduled: Scheduled, verdict: SpuriousWake, rule: Installed) -> None:
        self._device.schedule(scheduled)
        self._in(verdict.after_ns, partial(self._wake, scheduled.request))

    def _meet_partial_batch(self, scheduled: Scheduled, verdict: PartialBatch, rule: Installed) -> None:
        self._device.schedule(scheduled)
        self._not_before_ns = self._device.clock.now_ns() + verdict.for_ns

    def _meet_reset(self, scheduled: Scheduled, verdict: Reset | Remove, rule: Installed) -> None:
        end = self.reset if isinstance(verdict, Reset) else self.remove
        self._device.timers.call_at(self._device.clock.now_ns() + verdict.after_ns, end)
        self._meet_lose(scheduled, Lose(), rule)  # or it could complete before

    def _in(self, after_ns: int, call: Callable[[], object]) -> None:
        if after_ns:
            self._device.timers.call_at(self._device.clock.now_ns() + after_ns, call)
        else:  # not by a timer: what takes no time would be complete before it
            call()

    def _wake(self, request: Submittable) -> None:
        """Wake whoever waits for it, and whoever waits for something to poll, for nothing."""
        self.note("false-wake", request)
        wake = getattr(request, "wake", None)
        if wake is not None:
            self._device.call_guarded(wake)
        if self._device.interrupt.masked:
            self._device.interrupt.notify()

    # Completing

    def retire(self, now_ns: int) -> None:
        """As the device's own, but each request meets its fault."""
        device = self._device
        while (scheduled := device.first_due(now_ns)) is not None:
            self._meet_end(scheduled, now_ns)
            device.leave_schedule(scheduled)

    def _meet_end(self, scheduled: Scheduled, now_ns: int) -> None:
        device, verdict = self._device, scheduled.verdict
        self.overtaken.pop(scheduled, None)
        if scheduled in self.echoes:
            device.interrupt.pend(now_ns)
            completions, second = device.completions, Echo(scheduled.request)
            echoes = completions.echoes + 1
            # From here on nothing is called and nothing can fail: it lands once.
            completions.entries += (second,)  # type: ignore[arg-type]  # `reap` sorts them out again
            completions.echoes, scheduled.landed = echoes, True
            self.echoes.discard(scheduled)
        elif isinstance(verdict, Reorder):
            scheduled.verdict = None
            self.overtaken[scheduled] = verdict.past
            self._later(scheduled, verdict.within_ns)
        elif isinstance(verdict, EarlyWake):
            scheduled.verdict = None
            self._wake(scheduled.request)
            self._later(scheduled, verdict.by_ns)
        else:
            if isinstance(verdict, Corrupt):
                scheduled.verdict = None  # or it would be corrupted back
                self._corrupt(scheduled.request, verdict)
            self._complete(scheduled, now_ns, told=not isinstance(verdict, LoseInterrupt))
            if isinstance(verdict, Duplicate):
                echo = Scheduled(scheduled.request, scheduled.due_ns)
                echo.worked = True
                self.echoes.add(echo)
                self._later(echo, verdict.after_ns)

    def _later(self, scheduled: Scheduled, after_ns: int) -> None:
        scheduled.due_ns += after_ns
        self._device.schedule(scheduled)

    def _complete(self, scheduled: Scheduled, now_ns: int, told: bool) -> None:
        """Put it onto the completion ring, and after it those that it was the last to overtake."""
        device = self._device
        complete = [scheduled]
        for scheduled in complete:
            request = scheduled.request
            request.finished_ns = scheduled.due_ns
            if told:
                device.interrupt.pend(now_ns)
            told = True
            device.land(scheduled)
            self.note("complete", request, "ok" if request.error is None else type(request.error).__name__)
            if scheduled is not complete[0]:
                device.unschedule(scheduled)
            for late, left in list(self.overtaken.items()):
                if left > 1:
                    self.overtaken[late] = left - 1
                    continue
                del self.overtaken[late]  # with an exception before it lands, it completes when it is due
                late.due_ns = now_ns
                complete.append(late)

    def _corrupt(self, request: Submittable, verdict: Corrupt) -> None:
        drawn_offset, drawn_bit = self._rng.random(), self._rng.random()
        if not request.result:
            return
        result = bytearray(request.result)
        offsets = verdict.offsets or (int(drawn_offset * DRAWN_OFFSETS),)
        mask = verdict.mask or 1 << int(drawn_bit * 8)
        for position in {offset % len(result) for offset in offsets}:
            result[position] ^= mask
        request.result = bytes(result)
        # Not the positions: an ECDSA signature's length depends on its nonce, which no seed decides.
        self.note("corrupt", request, f"{'+'.join(map(str, offsets))} {mask:#04x}")

    def reap(self, batch: list[Any], seen: int) -> int:
        """Hand out a batch of completions, some of which come a second time."""
        requests = [entry for entry in batch if type(entry) is not Echo]
        for request in requests:
            self.note("wake", request)
        return self._device.hand_out(requests, len(batch) - len(requests), seen)
