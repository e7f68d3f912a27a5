"""What each fault does: one handler for each verdict, and the table of the handlers.

A handler has a method for each stage of a request's way. It overrides those of the stages where its fault changes
something:

    check      the rule has decided, in the thread that submits: is this verdict possible on this device?
    submit     before the request gets a slot
    submitted  it has a slot, and the doorbell has not rung
    fetch      the device has fetched it, and it has no unit yet
    start      it has its unit and its times: normally it goes onto the schedule
    due        it is due, with its work done: normally it goes onto the completion ring

An exception may come between any two steps, and then the stage is entered again. So a handler first causes the effect
and then forgets the fault, or it does things that do no harm if they are done twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Generic, TypeVar

from hotpath.submittable import Submittable
from sim.errors import DeviceError, RejectedError
from sim.faults.effects import Effects
from sim.faults.rules import Installed
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
from sim.schedule import Scheduled

V = TypeVar("V", bound=Verdict)

DRAWN_OFFSETS = 1 << 24
"""A random offset is drawn below this, which is the largest size of a result, and taken modulo the result's length."""


class Handler(Generic[V]):
    """The base of all handlers: it does what happens to a request without a fault. Handlers have no state."""

    def check(self, effects: Effects, verdict: V) -> None:
        """Raises UsageError for a verdict that is impossible on this device, such as one about a unit it lacks."""

    def submit(self, effects: Effects, verdict: V, request: Submittable) -> bool:
        """Returns whether the request may have a slot. May raise RejectedError."""
        return True

    def submitted(self, effects: Effects, verdict: V) -> None:
        """Called when the request has its slot."""

    def fetch(self, effects: Effects, verdict: V, now_ns: int) -> None:
        """Called just before the request gets a unit."""

    def start(self, effects: Effects, verdict: V, scheduled: Scheduled, rule: Installed) -> None:
        """Put the request onto the schedule."""
        effects.device.schedule.add(scheduled)

    def due(self, effects: Effects, verdict: V, scheduled: Scheduled, now_ns: int) -> None:
        """Complete the request."""
        effects.complete(scheduled, now_ns)


class _Fail(Handler[Fail]):
    def start(self, effects: Effects, verdict: Fail, scheduled: Scheduled, rule: Installed) -> None:
        scheduled.worked = True
        scheduled.request.error = DeviceError(verdict.status)
        effects.device.schedule.add(scheduled)


class _Corrupt(Handler[Corrupt]):
    def due(self, effects: Effects, verdict: Corrupt, scheduled: Scheduled, now_ns: int) -> None:
        scheduled.fault = None  # done first, because to corrupt the result a second time would undo it
        self._corrupt(effects, verdict, scheduled.request)
        effects.complete(scheduled, now_ns)

    def _corrupt(self, effects: Effects, verdict: Corrupt, request: Submittable) -> None:
        drawn_offset, drawn_bit = effects.rng.random(), effects.rng.random()
        if not request.result:
            return
        result = bytearray(request.result)
        offsets = verdict.offsets or (int(drawn_offset * DRAWN_OFFSETS),)
        mask = verdict.mask or 1 << int(drawn_bit * 8)
        for position in {offset % len(result) for offset in offsets}:
            result[position] ^= mask
        request.result = bytes(result)
        # The offsets and not the positions: the length of an ECDSA signature depends on its nonce, which no seed
        # decides, so the positions differ from run to run.
        effects.note("corrupt", request, "+".join(map(str, offsets)), f"{mask:#04x}")


class _Lose(Handler[Lose]):
    def start(self, effects: Effects, verdict: Lose, scheduled: Scheduled, rule: Installed) -> None:
        scheduled.worked = True
        effects.park(scheduled, None)


class _Hold(Handler[Hold]):
    def start(self, effects: Effects, verdict: Hold, scheduled: Scheduled, rule: Installed) -> None:
        if rule.removed:  # the rule was uninstalled before the device fetched this request
            effects.device.schedule.add(scheduled)
        else:
            effects.park(scheduled, rule)


class _Delay(Handler[Delay]):
    def start(self, effects: Effects, verdict: Delay, scheduled: Scheduled, rule: Installed) -> None:
        effects.later(scheduled, verdict.by_ns)


class _Reorder(Handler[Reorder]):
    def due(self, effects: Effects, verdict: Reorder, scheduled: Scheduled, now_ns: int) -> None:
        scheduled.fault = None
        effects.overtake(scheduled, verdict.past)
        effects.later(scheduled, verdict.within_ns)


class _Duplicate(Handler[Duplicate]):
    def due(self, effects: Effects, verdict: Duplicate, scheduled: Scheduled, now_ns: int) -> None:
        effects.complete(scheduled, now_ns)
        effects.echo(scheduled, verdict.after_ns)


class _SpuriousWake(Handler[SpuriousWake]):
    def start(self, effects: Effects, verdict: SpuriousWake, scheduled: Scheduled, rule: Installed) -> None:
        effects.device.schedule.add(scheduled)
        effects.after(verdict.after_ns, partial(effects.wake, scheduled.request))


class _EarlyWake(Handler[EarlyWake]):
    def due(self, effects: Effects, verdict: EarlyWake, scheduled: Scheduled, now_ns: int) -> None:
        scheduled.fault = None
        effects.wake(scheduled.request)
        effects.later(scheduled, verdict.by_ns)


class _LoseInterrupt(Handler[LoseInterrupt]):
    def due(self, effects: Effects, verdict: LoseInterrupt, scheduled: Scheduled, now_ns: int) -> None:
        effects.complete(scheduled, now_ns, interrupts=False)


class _StickDoorbell(Handler[StickDoorbell]):
    def submitted(self, effects: Effects, verdict: StickDoorbell) -> None:
        with effects.device.gate.lock:
            effects.rings_to_swallow += verdict.rings


class _PartialBatch(Handler[PartialBatch]):
    def start(self, effects: Effects, verdict: PartialBatch, scheduled: Scheduled, rule: Installed) -> None:
        effects.device.schedule.add(scheduled)
        effects.not_before_ns = effects.device.clock.now_ns() + verdict.for_ns


class _Reject(Handler[Reject]):
    def submit(self, effects: Effects, verdict: Reject, request: Submittable) -> bool:
        effects.note("reject", None, request.op, "fatal" if verdict.fatal else "eagain")
        if verdict.fatal:
            raise RejectedError(f"the device rejected {request.op} at its submit, because a fault rule says so")
        return False


class _StallUnit(Handler[StallUnit]):
    def check(self, effects: Effects, verdict: StallUnit) -> None:
        if verdict.unit is not None:
            effects.device.units.check(verdict.unit)

    def fetch(self, effects: Effects, verdict: StallUnit, now_ns: int) -> None:
        units = effects.device.units
        units.stall(units.next_unit if verdict.unit is None else verdict.unit, now_ns + verdict.for_ns)


class _Reset(Handler[Reset]):
    def start(self, effects: Effects, verdict: Reset, scheduled: Scheduled, rule: Installed) -> None:
        effects.at(verdict.after_ns, effects.reset)
        scheduled.worked = True
        effects.park(scheduled, None)  # if it were on the schedule, it could complete before the reset


class _Remove(Handler[Remove]):
    def start(self, effects: Effects, verdict: Remove, scheduled: Scheduled, rule: Installed) -> None:
        effects.at(verdict.after_ns, effects.remove)
        scheduled.worked = True
        effects.park(scheduled, None)


HANDLERS: dict[type[Verdict], Handler[Any]] = {
    Fail: _Fail(),
    Corrupt: _Corrupt(),
    Lose: _Lose(),
    Hold: _Hold(),
    Delay: _Delay(),
    Reorder: _Reorder(),
    Duplicate: _Duplicate(),
    SpuriousWake: _SpuriousWake(),
    EarlyWake: _EarlyWake(),
    LoseInterrupt: _LoseInterrupt(),
    StickDoorbell: _StickDoorbell(),
    PartialBatch: _PartialBatch(),
    Reject: _Reject(),
    StallUnit: _StallUnit(),
    Reset: _Reset(),
    Remove: _Remove(),
}
"""The handler of each kind of fault. `verdicts.KINDS` has exactly these kinds."""
