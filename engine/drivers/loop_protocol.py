"""What `LoopDriver` needs of an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol


class Future(Protocol):
    """Something that one task awaits, and that code in the same loop sets."""

    def done(self) -> bool: ...

    def set_result(self, result: None) -> None: ...

    def __await__(self) -> Generator[Any, Any, None]: ...


class Handle(Protocol):
    """A call that a loop will make."""

    def cancel(self) -> None: ...


class EventLoop(Protocol):
    """What a `LoopDriver` needs of an event loop. All is for the loop's thread, except `call_soon`."""

    name: str
    raise_if_cancelled: Callable[[], Awaitable[None]] | None
    """Awaited before an operation or a job begins, in a library whose every call must notice that its task is
    cancelled."""
    turn: Callable[[], Awaitable[None]] | None
    """Awaited if a job has ended without a pause, in a library whose every call must let other tasks run. Must not
    raise, because the job has a result."""

    def call_soon(self, fn: Callable[[], object]) -> bool:
        """Call fn in the loop. Any thread. Returns False if the loop has ended; then no task is left to wake."""
        ...

    def call_when_idle(self, fn: Callable[[], object]) -> bool:
        """As `call_soon`, but where the library can tell when all tasks wait, fn is called only then.

        It moves virtual time. So what a task does when it is woken has the time at which it was woken. Only one such
        call at a time.
        """
        ...

    def hurry(self) -> None:
        """Make the call of `call_when_idle` soon, if it was not made yet."""
        ...

    def call_later(self, delay_s: float, fn: Callable[[], object]) -> Handle:
        """Call fn after this time, or in the next turn if it is 0."""
        ...

    def add_reader(self, fd: int, readable: Callable[[int], None], failed: Callable[[int, Exception], None]) -> None:
        """From now on, call `readable(fd)` in each turn in which the fd is readable.

        If the fd can't be watched, this raises, or calls `failed` with the reason later. Where the fd is watched
        already, nothing changes.
        """
        ...

    def remove_reader(self, fd: int) -> None:
        """Undo `add_reader`. The fd may be closed right after this."""
        ...

    def new_future(self) -> Future: ...

    def task_name(self) -> str:
        """The name of the running task, for messages."""
        ...
