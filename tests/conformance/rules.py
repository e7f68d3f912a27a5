"""The rules of openssl/async.h, each with the test that shows it. docs/conformance.md is made from this list.

A rule is a decorator of a test. So there is no rule without a test, and if a test is removed, its rules are too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Test = TypeVar("_Test", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a call does, and whether both sides do it."""

    call: str
    text: str
    test: str
    """module:function of the test that shows it."""
    verdict: str
    """What simaccel does, for the cell of the table: 'agrees', or what it does instead and why."""


REGISTRY: list[Rule] = []


def agrees(call: str, text: str) -> Callable[[_Test], _Test]:
    """Both sides do this; the test runs on both."""
    return _register(call, text, "agrees")


def differs(call: str, text: str, why: str) -> Callable[[_Test], _Test]:
    """simaccel does something else, on purpose."""
    return _register(call, text, f"**differs**: {why}")


def _register(call: str, text: str, verdict: str) -> Callable[[_Test], _Test]:
    def note(test: _Test) -> _Test:
        REGISTRY.append(Rule(call, text, f"{test.__module__}:{test.__name__}", verdict))
        return test

    return note


@dataclass(frozen=True, slots=True)
class Misuse:
    """Something that C leaves undefined."""

    name: str
    in_c: Callable[[], object]
    """A function that does it to libcrypto, in a child process."""
    ends: str
    """How that child ends: a signal, or what it saw if nothing stopped it."""


MISUSES: list[Misuse] = []


def undefined(
    call: str, text: str, in_c: Callable[[], object], ends: str, raises: type[Exception]
) -> Callable[[_Test], _Test]:
    """Undefined in C; simaccel raises, and goes on unharmed, which is what the test shows."""
    MISUSES.append(Misuse(in_c.__name__, in_c, ends))
    seen = f"ends in {ends}" if ends.startswith("SIG") else "goes on, corrupted"
    return _register(call, f"{text}: undefined, libcrypto {seen}", f"**raises** `{raises.__name__}`")
