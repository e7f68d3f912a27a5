"""The hook that stepped code calls before each statement, to give way, and instead of calls that would block.

If the code takes a lock by `with` or `acquire`, it waits for the lock by giving way. os.sched_yield and time.sleep
become spins. If code that is not stepped blocks, everything blocks, so step into it too.
"""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simaccel.testing.exploration.run import Run

_LOCKS = (type(Lock()), type(RLock()))


class StepHook:
    """The hook of one exploration. cell[0] is the present run, or None."""

    def __init__(self, cell: list[Run | None]) -> None:
        self._cell = cell

    def __call__(self, label: str) -> None:
        run = self._cell[0]
        if run is not None:
            run.step(label)

    def entered(self, manager: Any, label: str) -> Any:
        """Replaces the context manager of a `with`. If it is a lock, this waits until the lock is free."""
        run = self._cell[0]
        if run is not None and run.stepping and isinstance(manager, _LOCKS):
            while not manager.acquire(blocking=False):
                run.wait(label, _Free(manager))
            return _Held(manager)
        return manager

    def acquire(self, acquire: Any, label: str, /, *args: Any, **options: Any) -> Any:
        """Replaces a call of a method `acquire`."""
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
        """Replaces a call of os.sched_yield or time.sleep."""
        run = self._cell[0]
        if run is None or not run.stepping:
            call(*args)
        else:
            run.spin(label)


class _Free:
    """The condition that a lock is free."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __call__(self) -> bool:
        if self._lock.acquire(blocking=False):
            self._lock.release()
            return True
        return False


class _Held:
    """The context manager for a lock that was already taken. Leaving it releases the lock."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *raised: object) -> None:
        self._lock.release()
