"""Policies: which member of a fleet takes the next request.

A policy sees one number for each member: how many requests it has in flight, or FULL for one that can take none. It
returns the number of the member, or -1 if none can take it. Equal calls in equal order give equal answers: the only
state is the place of the rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from hashlib import sha256
from typing import Protocol

from sim.errors import UsageError

FULL = 1 << 62
"""In flight at a member that can take no request: its ring is full, or it is down."""


class Policy(Protocol):
    """Chooses members. Belongs to one thread at a time."""

    def choose(self, in_flight: Sequence[int], op: str, key: int) -> int:
        """The member for a request of that operation. `key` is the same number for each request of a session."""
        ...


class LeastInFlight:
    """The member with the fewest in flight. If several have that number, the next after the one taken last."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, in_flight: Sequence[int], op: str, key: int) -> int:
        fewest = min(in_flight)
        if fewest >= FULL:
            return -1
        try:
            chosen = in_flight.index(fewest, self._last + 1)
        except ValueError:
            chosen = in_flight.index(fewest)
        self._last = chosen
        return chosen


class RoundRobin:
    """The members take turns. One that can take no request is skipped."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, in_flight: Sequence[int], op: str, key: int) -> int:
        count = len(in_flight)
        for step in range(1, count + 1):
            member = (self._last + step) % count
            if in_flight[member] < FULL:
                self._last = member
                return member
        return -1


class _Hashed:
    """The member depends on a name alone. Each name has its own order of members, and the first with room is chosen.

    The order is that of rendezvous hashing: when a member goes, only its own names move, and they spread over all
    others.
    """

    def __init__(self) -> None:
        self._orders: dict[str, list[int]] = {}

    def _first(self, name: str, in_flight: Sequence[int]) -> int:
        order = self._orders.get(name)
        if order is None or len(order) != len(in_flight):
            order = sorted(range(len(in_flight)), key=lambda member: sha256(f"{name} {member}".encode()).digest())
            if len(self._orders) >= 4_096:  # bounded, because names may be sessions, and sessions come and go
                self._orders.clear()
            self._orders[name] = order
        return next((member for member in order if in_flight[member] < FULL), -1)


class ByKey(_Hashed):
    """All requests of a session go to one member while it can take them, so what it caches for a key stays warm."""

    def choose(self, in_flight: Sequence[int], op: str, key: int) -> int:
        return self._first(f"{op} {key}", in_flight)


class ByOp(_Hashed):
    """All requests of an operation go to one member while it can take them, so long ones don't delay short ones."""

    def choose(self, in_flight: Sequence[int], op: str, key: int) -> int:
        return self._first(op, in_flight)


POLICIES: dict[str, type[LeastInFlight | RoundRobin | ByKey | ByOp]] = {
    "least-in-flight": LeastInFlight,
    "round-robin": RoundRobin,
    "by-key": ByKey,
    "by-op": ByOp,
}
"""By name."""


def make_policy(name: str) -> Policy:
    """A new policy of that name. Raises UsageError."""
    made = POLICIES.get(name) if isinstance(name, str) else None
    if made is None:
        close = get_close_matches(str(name), POLICIES, n=1, cutoff=0.4)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"policy {name!r}: {guess}use one of {', '.join(POLICIES)}")
    return made()
