"""Fault rules: they decide which request meets which fault. And the rulebook of a device: those that are installed.

A rule is a function from a request to a verdict. Rules are asked at the submit, in the order in which they were
installed, and the first verdict other than Pass wins. `When` is the rule for everyday use.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hotpath.submittable import Submittable
from sim.errors import UsageError
from sim.faults.verdicts import KINDS, PASS, Pass, Verdict
from sim.session import Session
from sim.timing.quantities import check_count, check_ns

Rule = Callable[[Submittable], Verdict]


class View(Protocol):
    """What a rule may know of the device, besides the request."""

    def now_ns(self) -> int:
        """The time of the device's clock."""
        ...

    def outstanding(self) -> int:
        """How many slots are taken, not counting that of the request in question."""
        ...


@dataclass(frozen=True, slots=True)
class When:
    """A verdict, and the conditions under which a request gets it.

    Immutable. It may be installed many times, and each installation counts separately. A request matches if all
    conditions that are given hold:

    - `op`: the request is of that kernel.
    - `session`: the request uses that session. Give the Session, or its number.
    - `depth`: at least this many requests are in flight, this one included.
    - `from_ns`, `until_ns`: the request is submitted in that window, which counts from the rule's installation.

    The requests that match are counted from 1. Of these, the following get the verdict:

    - `nth`: only the one with that number. `every`: each whose number is a multiple of it.
    - `probability`: each with that probability. The seed decides the draws.
    - `count`: at most this many.

    Raises UsageError for values that don't make sense.
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
            check_count("session", self.session)
        for name in ("nth", "every", "depth", "count"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.nth is not None and self.every is not None:
            raise UsageError(f"nth={self.nth} and every={self.every}: use one of the two")
        if self.probability is not None and not (
            isinstance(self.probability, int | float)
            and not isinstance(self.probability, bool)
            and 0 <= self.probability <= 1
        ):
            raise UsageError(f"probability {self.probability!r}: use a number from 0 to 1")
        check_ns("from", self.from_ns)
        if self.until_ns is not None:
            check_ns("until", self.until_ns)
            if self.until_ns <= self.from_ns:
                raise UsageError(f"from {self.from_ns} ns until {self.until_ns} ns: until must be later")

    def bind(self, view: View, rng: random.Random) -> Rule:
        """The rule as a function. Its counts and its window begin now."""
        return _Bound(self, view, rng)


class _Bound:
    """A When that is installed, with its counts."""

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
        # Drawn for every match, even when the count is used up, so that no later draw depends on the count.
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


class Installed:
    """A rule that is installed on a device."""

    __slots__ = ("fired", "given", "removed", "rule")

    def __init__(self, given: object, rule: Rule) -> None:
        self.given = given
        """What the user gave, for messages."""
        self.rule = rule
        self.fired = 0
        """How many faults it has decided on."""
        self.removed = False


class Rulebook:
    """The rules of a device, in their order. They are asked at each submit, by one thread at a time. That thread holds
    no lock of the device."""

    def __init__(self, view: View, stream: Callable[[str], random.Random]) -> None:
        """`stream(name)` returns the random numbers for the use of that name."""
        self._view = view
        self._stream = stream
        self._made = 0
        # Always replaced and never changed, so a submit in another thread goes on with the tuple that it has.
        self._installed: tuple[Installed, ...] = ()

    def add(self, given: object) -> Installed:
        """Install a rule, which is asked after the present ones. Raises UsageError for anything that is not a rule."""
        installed = self._bind(given)
        self._installed += (installed,)
        return installed

    def remove(self, installed: Installed) -> None:
        """Stop asking this rule. Calling it again does nothing."""
        installed.removed = True
        self._installed = tuple(other for other in self._installed if other is not installed)

    def consult(self, request: Submittable) -> tuple[Verdict, Installed] | None:
        """The first verdict other than Pass, and the rule that gave it. None if all rules pass.

        Raises UsageError for a rule that raises, or does not return a verdict.
        """
        for installed in self._installed:
            try:
                verdict: Any = installed.rule(request)
            except Exception as error:
                raise UsageError(
                    f"the fault rule {installed.given!r} raised {error!r} for {request!r}: "
                    "a rule returns a verdict; nothing was submitted"
                ) from error
            if verdict is PASS or isinstance(verdict, Pass):
                continue
            if not isinstance(verdict, Verdict) or KINDS.get(verdict.kind) is not type(verdict):
                raise UsageError(
                    f"the fault rule {installed.given!r} answered {verdict!r} for {request!r}: "
                    "a rule returns a verdict, such as Fail() or Pass(); nothing was submitted"
                )
            installed.fired += 1
            return verdict, installed
        return None

    def _bind(self, given: object) -> Installed:
        if isinstance(given, Verdict) and not isinstance(given, Pass):
            given = When(given)
        # Each rule has random numbers of its own, by the order of installation. So one rule more changes no draw of the
        # rules before it.
        self._made += 1
        if isinstance(given, When):
            return Installed(given, given.bind(self._view, self._stream(f"fault {self._made}")))
        if isinstance(given, type) or not callable(given):
            raise UsageError(
                f"a fault rule of {given!r}: give a function from a request to a verdict, a When, a verdict, "
                "or text such as 'corrupt:op=sha256,every=100'"
            )
        return Installed(given, given)
