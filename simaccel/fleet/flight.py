"""A request on its way through a fleet: one flight, and an attempt for each member that it is given to.

A flight has at most one current attempt. Whoever takes that attempt out of the flight, under the fleet's lock, decides
what becomes of it: its completion, or the watch that gives the member up. So the owner is told exactly once, even if
an attempt that was given up completes later.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from hotpath.submittable import Submittable
from simaccel.fleet.member import Member

ORPHANED = 1
"""What a device is told when nobody waits for its completion any more. See `engine.protocol.Request`."""


class Flight:
    """One request of an owner. Its fields are guarded by the fleet's lock."""

    __slots__ = ("attempt", "doubts", "error", "request", "rounds", "tried")

    def __init__(self, request: Any) -> None:
        self.request = request
        self.attempt: Attempt | None = None
        self.tried: list[Member] = []
        """Members that have failed it in this round, or that were given up while they had it."""
        self.rounds = 0
        """How often all members were tried. A member that failed may succeed in a later round."""
        self.doubts: list[Member] = []
        """Those of the members in `tried` that may not have been at fault."""
        self.error: BaseException | None = None
        """The last error. The owner gets it if no member is left."""


class Attempt(Submittable):
    """A flight at one member: this is the request that the member gets."""

    __slots__ = ("completed", "flight", "member", "on_complete")

    def __init__(
        self, flight: Flight, member: Member, session: Any, on_complete: Callable[[Attempt], int | None]
    ) -> None:
        request = flight.request
        self.op: str = request.op
        self.payload: bytes = request.payload
        self.aux: bytes = request.aux
        self.session = session
        self.submitted_ns = self.started_ns = self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.completed = False
        self.flight = flight
        self.member = member
        self.on_complete = on_complete

    def complete(self) -> int | None:
        """Called by the member."""
        self.completed = True
        return self.on_complete(self)

    def wake(self) -> None:
        """Called by a faulty member that wakes the owner for nothing."""
        if (wake := getattr(self.flight.request, "wake", None)) is not None:
            wake()


class Probe(Submittable):
    """A request of the fleet's own, which asks whether a member is alive."""

    def __init__(self, op: str, on_complete: Callable[[Probe], None]) -> None:
        self.op = op
        self.payload = self.aux = b""
        self.session = None
        self.submitted_ns = self.started_ns = self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.completed = False
        self.on_complete = on_complete

    def complete(self) -> None:
        """Called by the member."""
        self.completed = True
        self.on_complete(self)


_numbers = count(1)


class FleetSession:
    """A key that was loaded into every member, with a session of its own in each. Equal only to itself."""

    __slots__ = ("__weakref__", "by_member", "key", "number", "op", "params")

    def __init__(self, op: str, key: object, params: dict[str, Any]) -> None:
        self.op = op
        self.key = key
        """Kept, because a member that comes back must be given it again."""
        self.params = params
        self.number = next(_numbers)
        self.by_member: dict[Member, Any] = {}

    def __repr__(self) -> str:
        return f"<FleetSession {self.number} of {self.op}>"
