"""What stepped code calls: to give way in front of a statement, and instead of blocking.

A lock that it takes by `with` or `acquire` is waited for by giving way; os.sched_yield and time.sleep are spins. Code
that is not stepped and blocks, blocks everything: step into it too.
"""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simaccel.testing.exploration.run import Run

_LOCKS = (type(Lock()), type(RLock()))


class Hook:
    """Of one exploration; cell[0] is the run that goes on, or None."""

    def __init__(self, cell: list[Run | None]) -> None:
        self._cell = cell

    def __call__(self, label: str) -> None:
        run = self._cell[0]
        if run is not None:
            run.step(label)

    def entered(self, manager: Any, label: str) -> Any:
        """The context manager of a `with`: a lock only once it is free."""
        run = self._cell[0]
        if run is not None and run.stepping and isinstance(manager, _LOCKS):
            while not manager.acquire(blocking=False):
                run.wait(label, _Free(manager))
            return _Held(manager)
        return manager

    def acquire(self, acquire: Any, label: str, /, *args: Any, **options: Any) -> Any:
        """A call of something's acquire method."""
        run, lock = self._cell[0], getattr(acquire, "__self__", None)
        if run is None or not run.stepping or not isinstance(lock, _LOCKS):
            return acquire(*args, **options)
        blocking = args[0] if args else options.get("blocking", True)
        timeout = args[1] if len(args) > 1 else options.get("timeout", -1)
        while not lock.acquire(blocking=False):
            if not blocking:
                return False
            if timeout > 0:
                run.spin(label)
                return lock.acquire(blocking=False)
            run.wait(label, _Free(lock))
        return True

    def spin(self, call: Any, label: str, /, *args: Any) -> None:
        """A call of os.sched_yield or time.sleep."""
        run = self._cell[0]
        if run is None or not run.stepping:
            call(*args)
        else:
            run.spin(label)


class _Free:
    """Whether a lock could be taken."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __call__(self) -> bool:
        if self._lock.acquire(blocking=False):
            self._lock.release()
            return True
        return False


class _Held:
    """A lock that was taken on entry: `with` lets go of it."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *raised: object) -> None:
        self._lock.release()
