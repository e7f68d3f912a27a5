"""Who gets the next slot: operations that met a full ring, in the order in which they came.

A slot that falls free is one operation's turn, and its waiter is woken. While anybody waits, newcomers queue up behind,
so that nobody starves and no wake-up finds its slot taken - unless another engine on the same device took it; then the
operation keeps its place in front.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from engine.errors import comes_in_between
from engine.offload.operation import Operation
from engine.protocol import Accelerator
from engine.report import report_unraisable


class SpaceQueue:
    """The queue of one engine. Any thread: each step of an ordered dict or a set is atomic.

    An ordered dict and not a deque, because operations leave from anywhere in it: thousands may wait.
    """

    __slots__ = ("_accel", "turns", "waiting")

    def __init__(self, accel: Accelerator) -> None:
        self._accel = accel
        self.waiting: OrderedDict[Operation, None] = OrderedDict()
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
            self.waiting[operation] = None
            with suppress(KeyError):  # it was its turn again at once
                self.waiting.move_to_end(operation, last=False)
        else:
            self.waiting[operation] = None  # keeps its place if it has one
        self._grant()  # a slot may have fallen free since the full ring, with nobody in the queue to tell

    def leave(self, operation: Operation) -> None:
        """It got its slot, or gave up. A turn that was not used goes to the next."""
        self.turns.discard(operation)
        operation.turn = False
        self.waiting.pop(operation, None)
        if self.waiting:
            self._grant()

    def freed(self, slots: int) -> None:
        """So many slots have fallen free, says the device."""
        try:
            if self.waiting:
                self._grant()
        except BaseException:  # one that came in between: nobody else will grant the turns that are left
            self._grant()
            raise

    def _grant(self) -> None:
        """Give as many turns as there are slots that nobody has a turn for.

        It looks at how things are and not at what has changed, and is called behind each change: so none is missed, and
        a slot that two changes tell of is given once.
        """
        waiting, turns = self.waiting, self.turns
        while waiting and self._accel.free_slots > len(turns):
            try:
                operation = next(iter(waiting))
                # With no call between these two no exception can come, after which it would be in neither place.
                del waiting[operation]
                operation.turn = True
            except (KeyError, RuntimeError, StopIteration):  # another thread was faster
                continue
            try:
                turns.add(operation)
                if operation.done:  # settled or given up, perhaps just now and past `leave`: nobody will take this turn
                    turns.discard(operation)
                    operation.turn = False
                    continue
                operation.waker.nudge()
            except BaseException as error:
                if comes_in_between(error):
                    self._take_back(operation)
                    raise
                # The callback's own: the others must not miss their turns, nor this caller pay for it.
                report_unraisable(error, "a callback that told of a free slot", operation)

    def _take_back(self, operation: Operation) -> None:
        """It may not have been told of its turn: it is first in the queue again."""
        operation.turn = False
        self.waiting[operation] = None
        self.waiting.move_to_end(operation, last=False)
        self.turns.discard(operation)
        if operation.done:
            self.waiting.pop(operation, None)
