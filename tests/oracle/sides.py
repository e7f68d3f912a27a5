"""The two sides of a comparison of wait contexts: an API, the contexts made with it, and what their cleanups saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from engine import openssl as jobs
from tests.oracle.errors import DisagreementError
from tests.oracle.libcrypto import load
from tests.oracle.wait_door import LibcryptoWaitDoor, WaitDoor
from waitctx import openssl as simaccel_door

KEYS = ("a key", "another key", "a third key", "".join(["a", " key"]))
"""The last key equals the first, but is another object, because keys are compared by identity."""
FUNCTIONS = tuple(cast("Callable[[Any], object]", function) for function in (len, repr, str))
"""Functions that serve as callbacks. libcrypto stores callbacks, and never calls them."""
QUESTIONS = ("get_all_fds", "get_changed_fds", "get_status", "get_callback")


@dataclass(slots=True)
class Side:
    """A door with its contexts. Contexts are named by number, so that one program fits both sides."""

    name: str
    door: WaitDoor
    resume_once: Callable[[Any], None]
    """Let a job on that context pause and be resumed: the one thing that resets the list of changes."""
    contexts: list[Any] = field(default_factory=list)
    cleanups: list[tuple[object, ...]] = field(default_factory=list)
    """(number of ctx, number of key, fd, custom data) of each cleanup that ran, in order."""

    def new(self) -> int:
        """Make a context, and return its number."""
        self.contexts.append(self.door.ASYNC_WAIT_CTX_new())
        return len(self.contexts) - 1

    def call(self, name: str, ctx: int, *operands: Any) -> object:
        """ASYNC_WAIT_CTX_<name> on a context, or 'resume'."""
        if name == "resume":
            self.resume_once(self.contexts[ctx])
            return None
        return getattr(self.door, f"ASYNC_WAIT_CTX_{name}")(self.contexts[ctx], *operands)

    def cleanup(self, ctx: Any, key: object, fd: int, custom_data: object) -> None:
        """A cleanup that notes its call."""
        self.cleanups.append((place(ctx, self.contexts), place(key, KEYS), fd, custom_data))

    def view(self, ctx: int) -> dict[str, object]:
        """Everything that can be asked of a context; asking changes nothing."""
        answers = {name: self.call(name, ctx) for name in QUESTIONS}
        return {**answers, **{f"get_fd of key {n}": self.call("get_fd", ctx, key) for n, key in enumerate(KEYS)}}


def place(thing: object, things: Sequence[object]) -> int:
    """The index of this very object in a sequence; -1 if it is not there."""
    return next((n for n, known in enumerate(things) if known is thing), -1)


def simaccel_side() -> Side:
    """Our own C door."""
    return Side("simaccel", simaccel_door, _resume_once)


def libcrypto_side() -> Side:
    """The real libcrypto. OracleMissingError if there is none."""
    door = LibcryptoWaitDoor(load())
    return Side("libcrypto", door, door.resume_once)


def _resume_once(ctx: Any) -> None:
    status, job, _ = jobs.ASYNC_start_job(None, ctx, lambda _: jobs.ASYNC_pause_job(), None)
    ended = jobs.ASYNC_start_job(job, None, _ignored, None)
    if (status, ended) != (jobs.ASYNC_PAUSE, (jobs.ASYNC_FINISH, None, 1)):
        raise DisagreementError(f"simaccel: a job that pauses once answered {status} and {ended}")


def _ignored(_: bytes | None) -> int:
    raise AssertionError("a resume must ignore the function that it is given")
