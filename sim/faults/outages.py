"""Faults of the device as a whole: what it holds and loses until somebody says so, its reset, its removal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sim.errors import RemovedError, ResetError, SimError
from sim.faults.rulebook import Installed
from sim.faults.verdicts import Hold, Verdict
from sim.request import Submittable

if TYPE_CHECKING:
    from sim.device import Device, Scheduled
    from sim.trace import Trace


class Outages:
    """What the slow path of a device remembers of its requests, and how all of it ends at once.

    All belongs to the thread that steps the device, but for `held` and `plug_in`, which any may call.
    """

    def __init__(self, device: Device, producers: threading.RLock) -> None:
        self.trace: Trace | None = None
        self._device = device
        self._producers = producers
        self._marks: dict[int, tuple[Verdict, Installed]] = {}  # by the ids of requests that were not fetched yet
        self.kept: dict[Scheduled, Installed] = {}  # which complete only when told, or never
        self.overtaken: dict[Scheduled, int] = {}  # which complete behind so many others
        self.echoes: set[Scheduled] = set()
        self._rings_to_swallow = 0
        self._not_before_ns = 0

    def note(self, what: str, request: Submittable | None = None, detail: str = "") -> None:
        """Put it into the trace, if there is one."""
        if self.trace is not None:
            self.trace.add(self._device.clock.now_ns(), what, request, detail)

    def release(self, rule: Installed | None = None) -> None:
        """Let go what is held, by this rule or by any; and make a stuck doorbell ring."""
        device = self._device
        ring = device.ring
        with self._producers:
            self._rings_to_swallow = 0
            ring.rung = ring.tail
        for scheduled, owner in list(self.kept.items()):
            if isinstance(scheduled.verdict, Hold) and (rule is None or owner is rule):
                scheduled.due_ns = max(scheduled.due_ns, device.clock.now_ns())
                device.schedule(scheduled)
                del self.kept[scheduled]  # after that: what is in both places completes once

    @property
    def held(self) -> int:
        """Requests that wait for a release."""
        return sum(isinstance(scheduled.verdict, Hold) for scheduled in list(self.kept))

    def reset(self) -> None:
        """Fail all that is in flight; the device goes on, with all its units free."""
        self._fail_all("reset", ResetError("the device was reset while this was in flight"))

    def remove(self) -> None:
        """Fail all that is in flight, and refuse what comes."""
        removed = RemovedError("the device was removed: nothing can be submitted to it")
        with self._producers:
            self._device.change_refusal(removed, instead_of=None)
        self._fail_all("remove", RemovedError("the device was removed while this was in flight"))

    def plug_in(self) -> None:
        """The end of `remove`."""
        seen = self._device.refusal
        if isinstance(seen, RemovedError):
            with self._producers:
                plugged = self._device.change_refusal(None, instead_of=seen)
            if plugged:
                self.note("plug-in")

    def _fail_all(self, what: str, error: SimError) -> None:
        self.note(what)
        ring = self._device.ring
        with self._producers:
            ring.rung = ring.tail
        self._device.fail_all(error)
        self._device.units.reset()

    def victims(self, scheduled: list[Scheduled]) -> list[Submittable]:
        """For who fails all: the requests of what was scheduled, and those that are kept here."""
        self._rings_to_swallow = self._not_before_ns = 0
        victims = [one for one in (*scheduled, *self.kept) if not one.landed and one not in self.echoes]
        return [one.request for one in victims]

    def forget_marks(self, requests: list[Submittable]) -> None:
        """These will never be fetched."""
        for request in requests:
            self._marks.pop(id(request), None)
