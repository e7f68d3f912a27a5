"""The rules of openssl/async.h, each tied to the test that shows it. docs/conformance.md is made from this list.

A test carries its rules as decorators, so a rule without a test can't be written down, and a test that goes takes its
rules along.
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
    """What simaccel does: 'agrees', or what else and why, as a cell of the table."""


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
    """Does it to libcrypto, in a child process."""
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
