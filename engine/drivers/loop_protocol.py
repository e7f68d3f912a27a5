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
    """Awaited before an operation or a job begins. It is for libraries such as trio, in which every call must notice
    that its task is cancelled. None for others."""
    turn: Callable[[], Awaitable[None]] | None
    """Awaited if a job has ended without a pause. It is for libraries such as trio, in which every call must let other
    tasks run. None for others. It must not raise, because the job already has a result."""

    def call_soon(self, fn: Callable[[], object]) -> bool:
        """Call fn in the loop. Any thread. Returns False if the loop has ended; then no task is left to wake."""
        ...

    def call_when_idle(self, fn: Callable[[], object]) -> bool:
        """Call fn when all tasks wait, if the library can tell when that is. Otherwise the same as `call_soon`.

        The steps of virtual time are made in this way. So whatever a task does after a wake happens at the time of that
        wake. There may be only one such call at a time.
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
