"""The slot queue: operations that met a full ring, in the order in which they came.

When a slot of the ring becomes free, the first operation of the queue gets a turn, and its caller is woken. While any
operation waits, new ones join at the end. So nobody starves, and a woken caller finds its slot still free. There is one
exception: another engine on the same device may have taken the slot. The operation is then first in the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from engine.errors import comes_in_between
from engine.offload.operation import Operation
from engine.protocol import Accelerator
from engine.report import report_unraisable


class SlotQueue:
    """The queue of one engine. Any thread may call it: each step of an ordered dict or a set is atomic.

    It is an ordered dict and not a deque, because thousands of operations may wait and any of them may leave.
    """

    __slots__ = ("_accel", "turns", "waiting")

    def __init__(self, accel: Accelerator) -> None:
        self._accel = accel
        self.waiting: OrderedDict[Operation, None] = OrderedDict()
        self.turns: set[Operation] = set()

    def may_submit(self, operation: Operation) -> bool:
        """Whether it may submit now: it is its turn, or nobody waits and there is a free slot that is nobody's turn."""
        if operation.turn:
            return True
        if self.waiting:
            return False
        return not self.turns or self._accel.free_slots > len(self.turns)

    def join(self, operation: Operation) -> None:
        """Wait for a turn: first in the queue if it had its turn and found the slot taken, else last."""
        if operation.turn:
            self.turns.discard(operation)
            operation.turn = False
            self.waiting[operation] = None
            with suppress(KeyError):  # it got its next turn at once
                self.waiting.move_to_end(operation, last=False)
        else:
            self.waiting[operation] = None  # keeps its place if it has one
        self._grant()  # a slot may have become free before it was in the queue

    def leave(self, operation: Operation) -> None:
        """It got its slot, or gave up. An unused turn goes to the next."""
        self.turns.discard(operation)
        operation.turn = False
        self.waiting.pop(operation, None)
        if self.waiting:
            self._grant()

    def freed(self, slots: int) -> None:
        """The device says that so many slots became free."""
        try:
            if self.waiting:
                self._grant()
        except BaseException:  # such as Ctrl-C: nobody else will grant the turns that are left
            self._grant()
            raise

    def _grant(self) -> None:
        """Give as many turns as there are free slots that are nobody's turn yet.

        Called after each change. It looks at the state and not at the change, so that no slot is missed, and a slot
        that two changes tell of is given once.
        """
        waiting, turns = self.waiting, self.turns
        while waiting and self._accel.free_slots > len(turns):
            try:
                operation = next(iter(waiting))
                # There is no call between these two, so no exception can come and leave it in neither place.
                del waiting[operation]
                operation.turn = True
            except (KeyError, RuntimeError, StopIteration):  # another thread was faster
                continue
            try:
                turns.add(operation)
                if operation.done:  # settled or given up, perhaps after its `leave`: nobody will use this turn
                    turns.discard(operation)
                    operation.turn = False
                    continue
                operation.waker.nudge()
            except BaseException as error:
                if comes_in_between(error):
                    self._take_back(operation)
                    raise
                # The callback itself raised. The others must still get their turns, and this thread's caller must not
                # get an exception that is not its own.
                report_unraisable(error, "a callback that told of a free slot", operation)

    def _take_back(self, operation: Operation) -> None:
        """It may not have been told of its turn: put it back, first in the queue."""
        operation.turn = False
        self.waiting[operation] = None
        self.waiting.move_to_end(operation, last=False)
        self.turns.discard(operation)
        if operation.done:
            self.waiting.pop(operation, None)
