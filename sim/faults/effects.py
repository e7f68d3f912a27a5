"""What a fault can do to a device and its requests. The handlers of the verdicts are made of these steps.

A request can be delayed, parked, overtaken, woken for nothing, and completed. For the device as a whole, what it holds
can be released, and it can be reset, removed and plugged in. Only the thread that steps the device may call these
methods, except where a docstring says otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hotpath.submittable import Submittable
from sim.device import Device
from sim.errors import RemovedError, ResetError, SimError
from sim.faults.rules import Installed
from sim.ring import Echo
from sim.schedule import Scheduled
from sim.trace import Tracer


class Effects:
    """The effects on one device, and the state that they need."""

    def __init__(self, device: Device, rng: random.Random) -> None:
        """`rng` decides which byte and which bit of a result are corrupted."""
        self.device = device
        self.rng = rng
        self.trace: Tracer | None = None
        self.rings_to_swallow = 0
        """How many of the next rings of the doorbell have no effect. Changed under the gate's lock."""
        self.not_before_ns = 0
        """Nothing starts before this time."""

    def note(self, what: str, request: Submittable | None = None, *details: object) -> None:
        """Put an event into the trace, if there is one. Any thread."""
        if self.trace is not None:
            self.trace.add(self.device.clock.now_ns(), what, request, *details)

    # One request

    def later(self, scheduled: Scheduled, by_ns: int) -> None:
        """Make the request due `by_ns` later, and put it onto the schedule."""
        scheduled.due_ns += by_ns
        self.device.schedule.add(scheduled)

    def park(self, scheduled: Scheduled, owner: Installed | None) -> None:
        """Keep the request off the schedule, so that it is never due.

        It completes after a release of `owner` or of everything. With None as its owner it never completes.
        """
        self.device.schedule.parked[scheduled] = owner

    def overtake(self, scheduled: Scheduled, past: int) -> None:
        """Let the request complete as soon as `past` others have completed, or when it is due, whichever is first."""
        self.device.schedule.overtaken[scheduled] = past

    def echo(self, scheduled: Scheduled, after_ns: int) -> None:
        """Let the request complete a second time, `after_ns` later."""
        echo = Scheduled(scheduled.request, scheduled.due_ns)
        echo.worked = echo.is_echo = True
        self.later(echo, after_ns)

    def land_echo(self, echo: Scheduled, now_ns: int) -> None:
        """Put the second completion of a request onto the completion ring."""
        self.device.interrupt.pend(now_ns)
        completions, second = self.device.completions, Echo(echo.request)
        echoes = completions.echoes + 1
        # From here on nothing is called and nothing can fail, so it lands exactly once.
        completions.entries += (second,)  # type: ignore[arg-type]  # the ring holds echoes too; a reap tells them apart
        completions.echoes, echo.landed = echoes, True

    def wake(self, request: Submittable) -> None:
        """Wake the waiter of this request, and those who wait for something to poll, although nothing has completed."""
        self.note("false-wake", request)
        wake = getattr(request, "wake", None)
        if wake is not None:
            self.device.foreign.call(wake)
        if self.device.interrupt.masked:
            self.device.interrupt.notify()

    def complete(self, scheduled: Scheduled, now_ns: int, *, interrupts: bool = True) -> None:
        """Put the request onto the completion ring, then the requests that were held back until this one was there.

        Without `interrupts` no interrupt tells of this request.
        """
        device, schedule = self.device, self.device.schedule
        complete = [scheduled]
        for scheduled in complete:
            request = scheduled.request
            request.finished_ns = scheduled.due_ns
            if interrupts:
                device.interrupt.pend(now_ns)
            interrupts = True
            device.land(scheduled)
            self.note("complete", request, "ok" if request.error is None else type(request.error).__name__)
            if scheduled is not complete[0]:
                schedule.remove(scheduled)
            for late, left in list(schedule.overtaken.items()):
                if left > 1:
                    schedule.overtaken[late] = left - 1
                    continue
                del schedule.overtaken[late]  # if an exception comes now, it completes when it is due
                late.due_ns = now_ns
                complete.append(late)

    def after(self, after_ns: int, call: Callable[[], object]) -> None:
        """Make this call `after_ns` later; at once if that is 0."""
        if after_ns:
            self.at(after_ns, call)
        else:  # not by a timer: a request that takes no time would be complete before the timer is called
            call()

    def at(self, after_ns: int, call: Callable[[], object]) -> None:
        """Make this call `after_ns` later, and always by a timer, so that the device first ends what it does now."""
        self.device.timers.call_at(self.device.clock.now_ns() + after_ns, call)

    # The device as a whole

    @property
    def held(self) -> int:
        """How many parked requests wait for a release. Any thread."""
        return sum(owner is not None for owner in list(self.device.schedule.parked.values()))

    def release(self, rule: Installed | None = None) -> None:
        """Let the requests that this rule holds complete; with None, those of all rules. Free a stuck doorbell."""
        device, parked = self.device, self.device.schedule.parked
        with device.gate.lock:
            self.rings_to_swallow = 0
            device.ring.rung = device.ring.tail
        for scheduled, owner in list(parked.items()):
            if owner is not None and (rule is None or owner is rule):
                scheduled.due_ns = max(scheduled.due_ns, device.clock.now_ns())
                device.schedule.add(scheduled)
                del parked[scheduled]  # deleted last: if an exception leaves it in both places, it completes once

    def reset(self) -> None:
        """Fail all that is in flight. The device goes on, and all its units are free."""
        self._fail_all("reset", ResetError("the device was reset while this was in flight"))

    def remove(self) -> None:
        """Fail all that is in flight, and refuse every submit."""
        gate = self.device.gate
        removed = RemovedError("the device was removed: nothing can be submitted to it")
        with gate.lock:
            gate.change_refusal(removed, instead_of=None)
        self._fail_all("remove", RemovedError("the device was removed while this was in flight"))

    def plug_in(self) -> None:
        """Undo `remove`. Does nothing if the device is not removed. Any thread."""
        gate = self.device.gate
        seen = gate.refusal
        if isinstance(seen, RemovedError):
            with gate.lock:
                plugged_in = gate.change_refusal(None, instead_of=seen)
            if plugged_in:
                self.note("plug-in")

    def _fail_all(self, what: str, error: SimError) -> None:
        self.note(what)
        ring = self.device.ring
        with self.device.gate.lock:
            ring.rung = ring.tail
        self.device.fail_all(error)
        self.device.units.reset()
