"""An actor of a model, and the objects with which it gives way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import CO_GENERATOR
from typing import Any, NamedTuple

from greenlet import greenlet

from engine.jobs.thread import ThreadState

Mark = tuple[str, str]
"""(actor, label) of a step, or ("?", "question = answer") of a choice."""
CHOICE = "?"


class Wait(NamedTuple):
    """An actor yields this to wait: its step `label` comes once condition() holds. The condition must change
    nothing."""

    label: str
    condition: Callable[[], object]


class Spin(NamedTuple):
    """An actor yields this to spin: its step `label` looks again, after another actor has moved."""

    label: str


Body = Generator[str | Wait | Spin, None, Any]


class Actor:
    """For the code under test an actor is a thread of its own, with jobs of its own."""

    __slots__ = ("at", "body", "condition", "daemon", "done", "glet", "name", "own", "spinning", "thread")

    def __init__(self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], daemon: bool) -> None:
        self.name = name
        self.daemon = daemon
        self.at: Mark = (name, "begin")
        self.body: Body | None = None
        """The generator, if the actor is one."""
        self.glet: greenlet | None = None
        """If the actor is no generator: the greenlet to switch to. It may be that of a job that the actor runs."""
        self.own: greenlet | None = None
        """If the actor is no generator: the greenlet of its function. The actor has ended when this greenlet is dead.
        The greenlet that gave way last may be another one, that of a job, and lives on in its pool."""
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & CO_GENERATOR:
            self.body = fn(*args)
        else:
            self.glet = self.own = greenlet(lambda: fn(*args))
        self.condition: Callable[[], object] | None = None
        self.spinning = False
        self.done = False
        self.thread = ThreadState()

    def ready(self) -> bool:
        """Whether the actor could take a step now."""
        return not (self.done or self.spinning) and (self.condition is None or bool(self.condition()))
