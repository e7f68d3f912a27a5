"""What the engine needs of an accelerator, of its clock and of a driver of jobs. `sim.Accelerator` is one that fits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol


class Clock(Protocol):
    """Time in ns. A virtual clock also has `jump() -> bool`, which does what is due next, or returns False."""

    @property
    def virtual(self) -> bool: ...

    def now_ns(self) -> int: ...


class Timer(Protocol):
    """A call that will be made at some time."""

    def cancel(self) -> None: ...


class Tracer(Protocol):
    """Is told of what happens to operations. Any thread may call it, and it must not block."""

    def add(self, time_ns: int, what: str, request: Any = None, *details: object) -> None:
        """Something happened to an operation. `engine.offload.traced` lists the words and their details."""
        ...

    def identify(self, kind: str, thing: object, name: str) -> int:
        """A number from 1 for this thing of that kind: the same as long as it lives. `name` is shown with it."""
        ...


class Request(Protocol):
    """An operation on its way to the accelerator.

    The engine sets `op`, `payload`, `aux` and `session`. The accelerator may use `kernel` and `key` for itself. It sets
    the three times if it has any, then `result` or `error`, and then calls `complete` once, in any thread. `complete`
    returns None; or 1 if nobody waits for the completion any more (orphaned); or 2 if the request had completed before
    (spurious). An accelerator that completes many requests at once may call `complete_all` of their class instead.
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
    """An accelerator that the engine can run. `simaccel.testing.check_accelerator` tells whether one fits.

    It may also have an attribute `assistant`: an `Assistant`, or None.
    """

    @property
    def clock(self) -> Any: ...

    @property
    def free_slots(self) -> int:
        """How many requests `submit` can take now."""
        ...

    def session(self, op: str, key: object, **params: Any) -> Any:
        """Load a key once, for any number of requests."""
        ...

    def prepare(self, request: Any) -> None:
        """Check a request, and copy what its caller may change later. If this raises, nothing has happened."""
        ...

    def submit(self, request: Any) -> bool:
        """Take a prepared request, or return False if the ring is full. Never blocks."""
        ...

    def poll(self, quota: int = 0) -> int:
        """Complete at most `quota` requests that are ready, or all if it is 0, in this thread. Returns how many."""
        ...

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """Connect an engine. From now on, call `on_space(n)` when n slots become free.

        With `polled`, complete requests only in `poll`.
        """
        ...

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Disconnect an engine. Does nothing if it is not attached, so it may be called twice."""
        ...

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Call fn once: now if there is something to poll for, else as soon as there is. Only for polled engines."""
        ...

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Call fn at this time of the clock, in any thread."""
        ...


class BatchCallback(ABC):
    """A callback that may be called once for many completions.

    It must be an instance of a subclass, or of a class that was registered here. An object that merely has a method
    `call_all`, as every Mock has, is called once for each completion. Neither method may raise. If `call_all` raises,
    the callback is called for each of the completions, so for some of them it may be called twice.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, arg: Any) -> object:
        """Tell of one completion. Any thread."""

    @abstractmethod
    def call_all(self, args: list[Any]) -> object:
        """Tell of many completions. It has the effect of a call with each of these, in this order. Any thread."""


class Source(Protocol):
    """Something that a driver of jobs must keep going while they wait: an engine that is polled or in virtual time."""

    @property
    def clock(self) -> Any: ...

    @property
    def polled(self) -> bool: ...

    def poll(self, quota: int = 0) -> int: ...

    def notify_once(self, fn: Callable[[], object]) -> None: ...


class Assistant(Source, Protocol):
    """What lets a thread that is about to wait do the accelerator's work itself, instead of waking the accelerator.

    Drivers keep it going as they do an engine that is polled: they call `poll` while all their jobs wait, and
    `notify_once` before they sleep. `polled` is True. `poll` may complete requests of any thread.
    """

    def submit(self, request: Any) -> bool:
        """Like `Accelerator.submit`. The accelerator may leave the request until the next `poll`, `notify_once` or
        `hand_over`. The caller sees to it that one of them is called before it waits for anything."""
        ...

    def submit_for_others(self, request: Any) -> bool:
        """Like `submit`, for an engine that is polled: its callers do not poll, but other threads do."""
        ...

    def hand_over(self) -> None:
        """Let the accelerator do by itself what is left. Any thread."""
        ...


class Driver(Protocol):
    """What resumes jobs when they are woken, such as a scheduler."""

    def keep_going(self, source: Source) -> None:
        """Poll this source, or jump its clock, while all jobs wait: a job of this driver waits for it.

        May be called any number of times for one source.
        """
        ...

    def cancelled(self, job: Any) -> None:
        """This job was cancelled by code that is not this driver's, such as a signal handler. Either it has ended, or
        it has paused once more and may wait for something else: look at it again.

        Comes in the driver's own thread, between any two of its steps, even while it sleeps.
        """
        ...
