"""The child of a fork gets a copy of each object, but no threads, and locks that may stay locked for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class DisownedInChild(Generic[T]):
    """The living objects of one class. In the child of a fork, disown(object) is called for each of them, once."""

    __slots__ = ("_alive", "_disown")

    def __init__(self, disown: Callable[[T], object]) -> None:
        self._disown = disown
        self._alive: WeakSet[T] = WeakSet()
        os.register_at_fork(after_in_child=self._after_fork_in_child)

    def add(self, alive: T) -> None:
        """Disown this object in every child from now on, until `discard` or until it is garbage."""
        self._alive.add(alive)

    def discard(self, closed: T) -> None:
        """Leave this object alone in later children. Does nothing if it was not added."""
        self._alive.discard(closed)

    def _after_fork_in_child(self) -> None:
        for alive in list(self._alive):
            self._disown(alive)
        self._alive.clear()
