"""The hook of a device with fault rules or a trace: it asks the rules, and makes each request meet its fault.

From text to effect there is one way. `text` makes rules. `rules` decides at the submit which verdict a request meets.
The injector remembers the verdict until the device comes to the request. At each stage it calls the verdict's handler
from `handlers`, which uses `effects`.

No lock of the device is held while a rule or an observer is called. So they may call everything of the accelerator,
except that they must not submit.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from hotpath.submittable import Submittable
from sim.device import Device
from sim.errors import RemovedError, UsageError, fresh
from sim.faults.effects import Effects
from sim.faults.handlers import HANDLERS
from sim.faults.rules import Installed, Rulebook
from sim.faults.verdicts import Verdict
from sim.schedule import Scheduled


class Fault(NamedTuple):
    """The verdict that a request will meet, and the rule that gave it."""

    verdict: Verdict
    rule: Installed


class Injector:
    """The hook of one device. See `sim.gate.Hook` for the threads in which it is called."""

    def __init__(self, device: Device, rulebook: Rulebook, rng: random.Random) -> None:
        self.effects = effects = Effects(device, rng)
        self.note = effects.note
        self.counts: dict[str, int] = {}
        """How many times requests have met each kind of fault."""
        self.observers: list[Callable[[Verdict, Submittable], object]] = []
        """Each is called at the submit of a request that will meet a fault, with the verdict and the request."""
        self._device = device
        self._rulebook = rulebook
        self._asking = threading.RLock()
        self._asked = False
        """Whether the thread that holds this lock is asking the rules at this moment."""
        self._faults: dict[int, Fault] = {}
        """The faults of the requests that were submitted and not fetched yet, by id() of the request."""

    def disown(self) -> None:
        """In the child of a fork: take a new lock."""
        self._asking = threading.RLock()
        self._asked = False

    # Submitting

    def arrive(self, request: Submittable) -> bool:
        """Ask the rules, and put the request onto the ring.

        Returns False if the ring is full by now, or if a rule rejects the request with EAGAIN. Raises RejectedError if
        a rule says so, and UsageError for a rule that raises, does not return a verdict, or submits. In all these cases
        nothing was submitted. Only one thread at a time asks the rules, in the order in which requests get their slots.
        """
        with self._asking:
            if self._asked:
                raise UsageError(
                    f"{request.op} was submitted while this thread was asking the fault rules about another submit: "
                    "rules and observers of faults must not submit, nor may a signal handler that runs inside of one"
                )
            self._asked = True
            try:
                return self._arrive(request)
            finally:
                self._asked = False

    def _arrive(self, request: Submittable) -> bool:
        gate, effects = self._device.gate, self.effects
        found = self._rulebook.consult(request)
        if found is None:
            fault = None
        else:
            fault = Fault(*found)
            verdict, handler = fault.verdict, HANDLERS[type(fault.verdict)]
            handler.check(effects, verdict)
            self.counts[verdict.kind] = self.counts.get(verdict.kind, 0) + 1
            for observe in self.observers:
                self._device.foreign.call(partial(observe, verdict, request))
            if not handler.submit(effects, verdict, request):
                return False
        pushed = self._push(request, fault)
        if gate.refusal is not None and not pushed:  # a rule, or another thread, has closed the accelerator meanwhile
            raise fresh(gate.refusal)
        if pushed and fault is not None:
            handler.submitted(effects, verdict)
        return pushed

    def _push(self, request: Submittable, fault: Fault | None) -> bool:
        """Put the request onto the ring, and remember its fault. Returns False for a full ring and for a refusal."""
        gate, ring, key = self._device.gate, self._device.ring, id(request)
        trace = self.effects.trace
        with gate.lock:
            if gate.refusal is not None or ring.outstanding >= ring.depth:
                return False
            if trace is not None:
                trace.number(request)
                self.note("submit", request, request.op, len(request.payload), len(request.aux))
                if fault is not None:
                    self.note("fault", request, fault.verdict.kind)
            # From here on nothing is called, so no signal handler can run in between.
            tail = ring.tail
            taken = tail - ring.reaped
            if gate.refusal is not None or taken >= ring.depth:  # a signal handler ran during one of the calls above
                return False
            if fault is not None:
                self._faults[key] = fault
            ring.slots[tail & ring.mask] = request
            ring.tail = tail + 1
            if taken >= ring.high_water:
                ring.high_water = taken + 1
        return True

    def swallow_ring(self) -> bool:
        """Returns whether this ring of the doorbell has no effect."""
        effects = self.effects
        with self._device.gate.lock:
            if effects.rings_to_swallow <= 0:
                return False
            effects.rings_to_swallow -= 1
        self.note("doorbell-stuck")
        return True

    # Stepping

    def assign(self, request: Submittable, now_ns: int) -> None:
        """Give a request its unit and times, and do what its fault does at the start."""
        device, effects = self._device, self.effects
        scheduled = device.placing  # left there by a step that an exception has ended
        if scheduled is None:
            self.note("fetch", request)
            fault = self._faults.get(id(request))
            if fault is not None:
                HANDLERS[type(fault.verdict)].fetch(effects, fault.verdict, now_ns)
            unit, busy_ns = device.units.next_unit, device.counters.busy_ns
            scheduled = device.place(request, max(now_ns, effects.not_before_ns), fault)
            service_ns = device.counters.busy_ns - busy_ns
            self.note("start", request, "at", request.started_ns, "unit", unit, "for", service_ns)
        self._faults.pop(id(request), None)
        refusal = device.gate.refusal
        if isinstance(refusal, RemovedError):  # it was submitted just before the device was removed
            scheduled.worked = True
            request.error = fresh(refusal)
            scheduled.fault = None
        fault = scheduled.fault
        if fault is None:
            device.schedule.add(scheduled)
        else:
            HANDLERS[type(fault.verdict)].start(effects, fault.verdict, scheduled, fault.rule)

    def retire(self, now_ns: int) -> None:
        """Complete what is due, or do what the fault of the request does when it is due."""
        schedule = self._device.schedule
        while (scheduled := schedule.first_due(now_ns)) is not None:
            self._retire(scheduled, now_ns)
            schedule.remove_first(scheduled)

    def _retire(self, scheduled: Scheduled, now_ns: int) -> None:
        effects, fault = self.effects, scheduled.fault
        self._device.schedule.overtaken.pop(scheduled, None)
        if scheduled.is_echo:
            effects.land_echo(scheduled, now_ns)
        elif fault is None:
            effects.complete(scheduled, now_ns)
        else:
            HANDLERS[type(fault.verdict)].due(effects, fault.verdict, scheduled, now_ns)

    def forget(self, requests: Iterable[Submittable]) -> None:
        """Forget the faults of these requests, which fail, and the faults that later requests were to meet."""
        self.effects.rings_to_swallow = self.effects.not_before_ns = 0
        for request in requests:
            self._faults.pop(id(request), None)
