"""Fault rules: what decides which request meets which fault.

A rule is a function from a request to a verdict. Rules are asked at the submit, in the order in which they were
installed, and the first verdict that isn't Pass wins. `When` is the rule for everyday use.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sim.errors import UsageError
from sim.faults.verdicts import PASS, Pass, Verdict
from sim.request import Submittable
from sim.session import Session
from sim.timing.quantities import MAX_NS

Rule = Callable[[Submittable], Verdict]


class View(Protocol):
    """What a rule may know of the device, besides the request."""

    def now_ns(self) -> int: ...

    def outstanding(self) -> int:
        """Slots that are taken, that of the request in question not included."""
        ...


@dataclass(frozen=True, slots=True)
class When:
    """A verdict, and when it is given. Immutable; one may be installed any number of times, each counts for itself.

    A request matches if all that is given here holds:

    - `op`: it is of that kernel. `session`: it uses that session, given itself or by its number.
    - `depth`: with it, at least so many are in flight.
    - `from_ns`, `until_ns`: it is submitted in that time, counted from the rule's installation.

    And of those that match, counted from 1, the verdict is for:

    - `nth`: that one. `every`: each that is a multiple of it. `probability`: each with that probability, from the seed.
    - `count`: so many at most.
    """

    verdict: Verdict
    op: str | None = None
    session: Session | int | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    depth: int | None = None
    from_ns: int = 0
    until_ns: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.verdict, Verdict) or isinstance(self.verdict, Pass):
            raise UsageError(f"a fault of {self.verdict!r}: give a verdict, such as Fail()")
        if self.op is not None and (not isinstance(self.op, str) or not self.op):
            raise UsageError(f"op {self.op!r}: use the name of a kernel")
        if self.session is not None and not isinstance(self.session, Session):
            _check_count("session", self.session)
        for name in ("nth", "every", "depth", "count"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        if self.nth is not None and self.every is not None:
            raise UsageError(f"nth={self.nth} and every={self.every}: use one of the two")
        if self.probability is not None and not (
            isinstance(self.probability, int | float)
            and not isinstance(self.probability, bool)
            and 0 <= self.probability <= 1
        ):
            raise UsageError(f"probability {self.probability!r}: use a number from 0 to 1")
        _check_ns("from", self.from_ns)
        if self.until_ns is not None:
            _check_ns("until", self.until_ns)
            if self.until_ns <= self.from_ns:
                raise UsageError(f"from {self.from_ns} ns until {self.until_ns} ns: no time is in that window")

    def bind(self, view: View, rng: random.Random) -> Rule:
        """A rule that counts for itself, as of now."""
        return _Bound(self, view, rng)


class _Bound:
    """A When that was installed."""

    __slots__ = ("_fired", "_rng", "_seen", "_since_ns", "_view", "_when")

    def __init__(self, when: When, view: View, rng: random.Random) -> None:
        self._when = when
        self._view = view
        self._rng = rng
        self._since_ns = view.now_ns()
        self._seen = 0
        self._fired = 0

    def __call__(self, request: Submittable) -> Verdict:
        when = self._when
        if not self._matches(request):
            return PASS
        self._seen += 1
        # Drawn for every match, so that a count that is used up shifts nothing.
        unlucky = when.probability is None or self._rng.random() < when.probability
        if when.count is not None and self._fired >= when.count:
            return PASS
        if when.nth is not None and self._seen != when.nth:
            return PASS
        if when.every is not None and self._seen % when.every:
            return PASS
        if not unlucky:
            return PASS
        self._fired += 1
        return when.verdict

    def _matches(self, request: Submittable) -> bool:
        when = self._when
        if when.op is not None and request.op != when.op:
            return False
        if when.session is not None:
            session = request.session
            if session is None or (session.id if isinstance(when.session, int) else session) != when.session:
                return False
        if when.depth is not None and self._view.outstanding() + 1 < when.depth:
            return False
        if when.from_ns or when.until_ns is not None:
            age_ns = self._view.now_ns() - self._since_ns
            if age_ns < when.from_ns or (when.until_ns is not None and age_ns >= when.until_ns):
                return False
        return True

    def __repr__(self) -> str:
        return repr(self._when)


def _check_count(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{what} {value!r}: use a whole number, 1 or more")


def _check_ns(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NS:
        raise UsageError(f"{what} {value!r}: use a whole number of ns, 0 to {MAX_NS}")
