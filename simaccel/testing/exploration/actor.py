"""An actor of a model, and what it gives way with."""

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
    """Yielded: the step `label` is taken once condition() holds. The condition must change nothing."""

    label: str
    condition: Callable[[], object]


class Spin(NamedTuple):
    """Yielded: the step `label` looks again at what another actor must change first."""

    label: str


Body = Generator[str | Wait | Spin, None, Any]


class Actor:
    """To the code under test a thread of its own: it has its own jobs."""

    __slots__ = ("at", "body", "condition", "daemon", "done", "glet", "name", "own", "spinning", "thread")

    def __init__(self, name: str, fn: Callable[..., Any], args: tuple[Any, ...], daemon: bool) -> None:
        self.name = name
        self.daemon = daemon
        self.at: Mark = (name, "begin")
        self.body: Body | None = None
        """The generator, of an actor that is one."""
        self.glet: greenlet | None = None
        """Of another actor: the greenlet to switch to, which may be that of a job that the actor runs."""
        self.own: greenlet | None = None
        """Of another actor: the greenlet of its function. The actor has ended when this one is dead, whichever greenlet
        it was that gave way last: a job's greenlet lives on in its pool."""
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & CO_GENERATOR:
            self.body = fn(*args)
        else:
            self.glet = self.own = greenlet(lambda: fn(*args))
        self.condition: Callable[[], object] | None = None
        self.spinning = False
        self.done = False
        self.thread = ThreadState()

    def ready(self) -> bool:
        """Whether it could take a step."""
        return not (self.done or self.spinning) and (self.condition is None or bool(self.condition()))
