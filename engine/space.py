"""Who gets the next slot: operations that met a full ring, in the order in which they came.

A slot that falls free is one operation's turn, and its waiter is woken. While anybody waits, newcomers queue up behind,
so that nobody starves and no wake-up finds its slot taken - unless another engine on the same device took it; then the
operation keeps its place in front.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from engine.operation import Operation
from engine.protocol import Accelerator


class SpaceQueue:
    """The queue of one engine. Any thread; deques and sets make each step of it atomic."""

    __slots__ = ("_accel", "turns", "waiting")

    def __init__(self, accel: Accelerator) -> None:
        self._accel = accel
        self.waiting: deque[Operation] = deque()
        self.turns: set[Operation] = set()

    def may_submit(self, operation: Operation) -> bool:
        """Whether it may try now: it is its turn, or nobody is before it and no free slot is promised away."""
        if operation.turn:
            return True
        if self.waiting:
            return False
        return not self.turns or self._accel.free_slots > len(self.turns)

    def join(self, operation: Operation) -> None:
        """Queue up: in front if it had its turn and found the slot taken, else behind the others."""
        if operation.turn:
            self.turns.discard(operation)
            operation.turn = False
            self.waiting.appendleft(operation)
        elif operation not in self.waiting:
            self.waiting.append(operation)
        # The slot may have fallen free between the full ring and the line above, with nobody in the queue to tell.
        free = self._accel.free_slots - len(self.turns)
        if free > 0:
            self.freed(free)

    def leave(self, operation: Operation) -> None:
        """It got its slot, or gave up. A turn that was not used goes to the next."""
        unused = operation.turn and not operation.submitted
        self.turns.discard(operation)
        operation.turn = False
        with suppress(ValueError):
            self.waiting.remove(operation)
        if unused:
            self.freed(1)

    def freed(self, slots: int) -> None:
        """So many slots have fallen free: wake as many waiters."""
        while slots > 0 and self.waiting:
            try:
                operation = self.waiting.popleft()
            except IndexError:
                return
            if operation.done:
                continue
            self.turns.add(operation)
            operation.turn = True
            slots -= 1
            operation.waker.nudge()
