"""The rules that are installed on a device, in their order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sim.errors import UsageError
from sim.faults.rules import Rule, View, When
from sim.faults.text import parse_faults
from sim.faults.verdicts import KINDS, PASS, Pass, Verdict
from sim.request import Submittable


class Installed:
    """A rule on a device. `fired` counts the faults it has decided."""

    __slots__ = ("fired", "given", "removed", "rule")

    def __init__(self, given: object, rule: Rule) -> None:
        self.given = given
        self.rule = rule
        self.fired = 0
        self.removed = False


class Rulebook:
    """Asked at each submit, by one thread at a time, which holds no lock of the device."""

    def __init__(self, view: View, stream: Callable[[str], random.Random]) -> None:
        self._view = view
        self._stream = stream
        self._made = 0
        # Replaced, never changed: a submit on another thread goes on with the list that it has.
        self._installed: tuple[Installed, ...] = ()

    def add(self, given: object) -> list[Installed]:
        """Install a rule, or the rules of a text, behind those that are there. UsageError for what is neither."""
        added = [self._bind(rule) for rule in (parse_faults(given) if isinstance(given, str) else [given])]
        self._installed += tuple(added)
        return added

    def remove(self, installed: Installed) -> None:
        """Ask it no more. Calling again does nothing."""
        installed.removed = True
        self._installed = tuple(other for other in self._installed if other is not installed)

    def consult(self, request: Submittable) -> tuple[Verdict, Installed] | None:
        """The first verdict that isn't Pass, and whose it is. UsageError for a rule that raises or answers nonsense."""
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
        # A stream for each rule, by the order of installation: a rule more shifts nothing in those before it.
        self._made += 1
        if isinstance(given, When):
            return Installed(given, given.bind(self._view, self._stream(f"fault {self._made}")))
        if isinstance(given, type) or not callable(given):
            raise UsageError(
                f"a fault rule of {given!r}: give a function from a request to a verdict, a When, a verdict, "
                "or text such as 'corrupt:op=sha256,every=100'"
            )
        return Installed(given, given)
