"""What the engine needs of an accelerator, of its clock, and of whoever drives jobs. `sim` fits this; so may others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol


class Clock(Protocol):
    """Time in ns. A virtual clock also has `jump() -> bool`: do what is due next, False if nothing ever is."""

    @property
    def virtual(self) -> bool: ...

    def now_ns(self) -> int: ...


class Timer(Protocol):
    """A call that is due."""

    def cancel(self) -> None: ...


class Request(Protocol):
    """An operation on its way to the accelerator.

    The engine fills in `op`, `payload`, `aux` and `session`. The accelerator may set `kernel` and `key` for itself,
    sets the three times if it has any, then `result` or `error`, and calls `complete` once, from any thread. A truthy
    answer of `complete` says that nobody wanted the completion (1: any more, 2: ever). An accelerator that completes
    many at once may call `complete_all` of their class instead.
    """

    op: str
    payload: bytes
    aux: bytes
    session: Any
    kernel: Any
    key: Any
    submitted_ns: int
    started_ns: int
    finished_ns: int
    result: bytes | None
    error: BaseException | None

    def complete(self) -> Any: ...


class Accelerator(Protocol):
    """An accelerator that the engine can run. `simaccel.testing.check_accelerator` tells whether one fits."""

    @property
    def clock(self) -> Any: ...

    @property
    def free_slots(self) -> int:
        """How many requests `submit` would take now."""
        ...

    def session(self, op: str, key: object, **params: Any) -> Any:
        """Load a key once, for any number of requests."""
        ...

    def prepare(self, request: Any) -> None:
        """Check a request, and copy what the caller may change. Raises; nothing has happened then."""
        ...

    def submit(self, request: Any) -> bool:
        """Take a prepared request, or answer False for a full ring. Never blocks."""
        ...

    def poll(self, quota: int = 0) -> int:
        """Complete what is ready, in this thread; how many that was."""
        ...

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """An engine begins: on_space(n) tells it of n freed slots; polled: nothing completes but in `poll`."""
        ...

    def detach(self, on_space: Callable[[int], None]) -> None:
        """The engine ends. Does nothing for one that is not attached, so that it may be called again."""
        ...

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polled: call fn once, when there is something to poll for, also if that is now."""
        ...

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Call fn at that time of the clock, in any thread."""
        ...


class BatchCallback(ABC):
    """A callback that many completions at once may call once.

    Only a subclass, or a class that is registered here, is one: a `call_all` by chance, as a Mock has, does not count.
    Neither method may raise; where `call_all` does, each is called alone, so that some may be called twice.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, arg: Any) -> object:
        """Tell of one completion. Any thread."""

    @abstractmethod
    def call_all(self, args: list[Any]) -> object:
        """The same as to call it with each of these, in their order. Any thread."""


class Source(Protocol):
    """What somebody who waits must keep going: an engine that is polled, or whose device is on a virtual clock."""

    @property
    def clock(self) -> Any: ...

    @property
    def polled(self) -> bool: ...

    def poll(self, quota: int = 0) -> int: ...

    def notify_once(self, fn: Callable[[], object]) -> None: ...


class Driver(Protocol):
    """Whoever resumes jobs when they are woken, such as a scheduler."""

    def keep_going(self, source: Source) -> None:
        """A job of yours waits for this source: while all wait, poll it or jump its clock. May be told again."""
        ...
