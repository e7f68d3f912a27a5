"""The slot queue: the operations that found the ring full, in the order in which they came.

When a slot of the ring becomes free, the first operation of the queue gets a turn, and its caller is woken. While any
operation waits, new ones join at the end. So no operation starves, and a caller that is woken finds its slot still
free. There is one exception: another engine on the same device may have taken the slot. Then the operation becomes the
first of the queue again.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from engine.errors import comes_in_between
from engine.offload.operation import Operation
from engine.protocol import Accelerator
from engine.unraisable import report_unraisable


class SlotQueue:
    """The queue of one engine. Any thread may call it: each step of an ordered dict or a set is atomic.

    The queue is an ordered dict and not a deque, because thousands of operations may wait and any of them may leave.
    """

    __slots__ = ("_accel", "turns", "waiting")

    def __init__(self, accel: Accelerator) -> None:
        self._accel = accel
        self.waiting: OrderedDict[Operation, None] = OrderedDict()
        self.turns: set[Operation] = set()

    def may_submit(self, operation: Operation) -> bool:
        """Whether this operation may submit now. It may if it has a turn. It also may if no operation waits, and there
        are more free slots than turns that were not used yet."""
        if operation.turn:
            return True
        if self.waiting:
            return False
        return not self.turns or self._accel.free_slots > len(self.turns)

    def join(self, operation: Operation) -> None:
        """Wait for a turn. An operation that had a turn and found the slot taken joins as the first, others as the
        last."""
        if operation.turn:
            self.turns.discard(operation)
            operation.turn = False
            self.waiting[operation] = None
            with suppress(KeyError):  # another thread has just given it its next turn
                self.waiting.move_to_end(operation, last=False)
        else:
            self.waiting[operation] = None  # keeps its place if it has one
        self._grant()  # a slot may have become free before it was in the queue

    def leave(self, operation: Operation) -> None:
        """The operation got its slot, or gave up. If it has a turn that it did not use, the next one gets it."""
        self.turns.discard(operation)
        operation.turn = False
        self.waiting.pop(operation, None)
        if self.waiting:
            self._grant()

    def freed(self, slots: int) -> None:
        """Called by the device when this many slots became free."""
        try:
            if self.waiting:
                self._grant()
        except BaseException:  # such as Ctrl-C: nobody else will grant the turns that are left
            self._grant()
            raise

    def _grant(self) -> None:
        """Give a turn for each free slot for which nobody has a turn yet.

        This is called after each change. It looks at the state and not at the change. So no slot is missed, and a slot
        is given only once, even if two changes report it.
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
                if operation.done:  # it was settled, or its caller gave up: nobody will use this turn
                    turns.discard(operation)
                    operation.turn = False
                    continue
                operation.waker.nudge()
            except BaseException as error:
                if comes_in_between(error):
                    self._take_back(operation)
                    raise
                # The callback itself raised. The others must still get their turns, and the code that called us must
                # not get an exception that is not its own.
                report_unraisable(error, "a callback that told of a free slot", operation)

    def _take_back(self, operation: Operation) -> None:
        """Put an operation back, first in the queue, because it may not have been told of its turn."""
        operation.turn = False
        self.waiting[operation] = None
        self.waiting.move_to_end(operation, last=False)
        self.turns.discard(operation)
        if operation.done:
            self.waiting.pop(operation, None)
