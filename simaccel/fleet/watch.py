"""The watch of a fleet. It notices members that stall, and asks members that are down whether they are back.

In real time it is a thread, because making a connection and loading keys block. In virtual time it is a timer, which is
set only while something is in flight: a clock with nothing left to do must be able to stand still.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, Protocol

from sim import Accelerator
from sim.errors import SimError
from simaccel.fleet.failures import Blame, blame_for
from simaccel.fleet.flight import Attempt, Probe
from simaccel.fleet.member import Member

LOOKS = 4
"""How many times it looks during `patience_ns`."""
LOST = 4
"""A request counts as lost after this many times `patience_ns`, even if its member completes others."""


class Watched(Protocol):
    """What the watch needs of a fleet."""

    clock: Any
    members: list[Member]
    polled: bool

    @property
    def in_flight(self) -> int: ...

    def give_up(self, member: Member, why: str, *, gone: bool = False) -> None: ...

    def abandon(self, attempt: Attempt) -> None: ...

    def replace(self, member: Member, accel: Any) -> None: ...

    def welcome(self, member: Member) -> None: ...

    def serve_limbo(self) -> None: ...


class FleetWatch:
    """Watches one fleet. Its owner calls `start`, and `stop` at the end."""

    def __init__(self, fleet: Watched, keeper: Accelerator, patience_ns: int, retry_ns: int, probe: str) -> None:
        self.patience_ns = patience_ns
        self.retry_ns = retry_ns
        self.polled_ns = 0
        """When the fleet was last polled. A member can't complete anything while nobody polls."""
        self._fleet = fleet
        self._keeper = keeper
        self._probe = probe
        self._virtual = bool(fleet.clock.virtual)
        self._timer: Any = None
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="simaccel-fleet", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        if not self._virtual:
            self._thread.start()

    def stop(self) -> None:
        """Watch no more. Joins the thread."""
        self._ended = True
        self._news.set()
        self.rest()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # When it looks

    @property
    def _every_ns(self) -> int:
        return max(1, min(self.patience_ns // LOOKS, self.retry_ns))

    def _run(self) -> None:
        while not self._ended:
            self._news.wait(self._every_ns / 1e9)
            self._news.clear()
            if not self._ended:
                self.look()

    def arm(self) -> None:
        """Called when something is in flight. In virtual time, sets the timer for the next look."""
        if self._virtual and self._timer is None and self._fleet.in_flight:
            self._timer = self._keeper.call_at(self._fleet.clock.now_ns() + self._every_ns, self._tick)

    def rest(self) -> None:
        """Called when nothing is in flight any more. Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self.look()
        self.arm()

    def look_if_due(self) -> None:
        """In virtual time: ask the members that are down, if it is time. Called before each submit."""
        if self._virtual:
            now_ns = self._fleet.clock.now_ns()
            for member in self._fleet.members:
                if not member.up and now_ns >= member.retry_at_ns:
                    self._ask(member, now_ns)

    # What it does

    def look(self) -> None:
        """Look at every member once. May block in real time."""
        fleet = self._fleet
        now_ns = fleet.clock.now_ns()
        for member in fleet.members:
            if member.is_software:
                continue
            if member.up:
                self._check(member, self.polled_ns if fleet.polled else now_ns)
            elif member.answered:
                self._welcome(member)
            elif now_ns >= member.retry_at_ns:
                self._ask(member, now_ns)
        fleet.serve_limbo()

    def _check(self, member: Member, now_ns: int) -> None:
        """Check whether a member that is up still completes something."""
        attempts = list(member.outstanding)
        if (attempts or member.probe is not None) and now_ns - member.moved_ns > self.patience_ns:
            self._fleet.give_up(member, f"it has completed nothing for {self.patience_ns / 1e6:,.0f} ms")
            return
        for attempt in attempts:
            if not attempt.submitted_ns or now_ns - attempt.submitted_ns <= LOST * self.patience_ns:
                break  # this one and those after it are younger
            self._fleet.abandon(attempt)
        if not attempts and member.probe is None and not self._virtual and not self._fleet.polled:
            member.moved_ns = now_ns
            self._send_probe(member)

    def _ask(self, member: Member, now_ns: int) -> None:
        """Make a member that is down anew if it is gone for good, and send it a probe."""
        member.retry_at_ns = now_ns + self.retry_ns
        if member.make is not None and member.gone:
            try:
                self._fleet.replace(member, member.make())
            except SimError as error:
                member.why_down = str(error)
                return
            member.gone, member.probe = False, None
        if member.probe is not None and now_ns - member.probe.submitted_ns > LOST * self.patience_ns:
            member.probe = None  # lost
        if member.probe is None:
            self._send_probe(member)

    def _send_probe(self, member: Member) -> None:
        probe = Probe(self._probe, partial(self._answered, member))
        try:
            member.accel.prepare(probe)
        except Exception:  # it does not have the operation of the probe: the next requests will show whether it works
            if not member.up:
                self._welcome(member)
            return
        member.probe = probe
        try:
            taken = member.accel.submit(probe)
        except SimError as error:
            member.probe = None
            if blame_for(error) is Blame.GONE:
                self._fleet.give_up(member, str(error), gone=True)
            return
        if not taken:
            member.probe = None

    def _answered(self, member: Member, probe: Probe) -> None:
        """The member has completed a probe: in its thread, or in the one that polls."""
        member.moved_ns = self._fleet.clock.now_ns()
        if member.probe is probe:
            member.probe = None
        if probe.error is not None:
            if blame_for(probe.error) is Blame.GONE:
                self._fleet.give_up(member, str(probe.error), gone=True)
        elif not member.up:
            member.answered = True
            if self._virtual:
                self._welcome(member)
            else:
                self._news.set()  # loading keys may block, and a completion must not block

    def _welcome(self, member: Member) -> None:
        member.answered = False
        try:
            self._fleet.welcome(member)
        except SimError as error:
            member.why_down = str(error)
