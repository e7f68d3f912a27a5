"""The slot queue by itself: who may submit, who gets a free slot, and what is left after an exception."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from engine.offload.operation import Operation
from engine.offload.slot_queue import SlotQueue
from tests.engine.bells import Bell, operation_in


class Slots:
    """Stands for an accelerator."""

    free_slots = 0


class Queue:
    """A slot queue, and operations that met a full ring."""

    def __init__(self, count: int) -> None:
        self.accel = Slots()
        self.slots = SlotQueue(self.accel)  # type: ignore[arg-type]
        self.flight: dict[Operation, None] = {}
        self.operations: list[Operation] = []
        self.bells: list[Bell] = []
        for _ in range(count):
            self.add()
            self.slots.join(self.operations[-1])

    def add(self, *errors: BaseException) -> Operation:
        """One that has not joined."""
        operation, bell = operation_in(self.flight, Bell(*errors))
        self.operations.append(operation)
        self.bells.append(bell)
        return operation

    def free(self, slots: int) -> None:
        """So many are free now."""
        self.accel.free_slots = slots
        self.slots.freed(slots)

    def check(self, turns: list[int], waiting: list[int]) -> None:
        """Who has a turn, and knows it, and who waits, in which order."""
        assert [operation.turn for operation in self.operations] == [
            number in turns for number in range(len(self.operations))
        ]
        assert self.slots.turns == {self.operations[number] for number in turns}
        assert list(self.slots.waiting) == [self.operations[number] for number in waiting]
        for number in turns:
            assert self.bells[number].calls[-1:] == ["nudge"]


def test_free_slots_go_to_those_who_came_first() -> None:
    queue = Queue(4)
    queue.check([], [0, 1, 2, 3])
    queue.free(2)
    queue.check([0, 1], [2, 3])
    queue.slots.freed(2)  # the same two
    queue.check([0, 1], [2, 3])
    assert [bell.calls for bell in queue.bells] == [["nudge"], ["nudge"], [], []]


def test_who_may_submit() -> None:
    queue = Queue(2)
    newcomer = queue.add()
    assert [queue.slots.may_submit(one) for one in queue.operations] == [False, False, False]
    queue.free(1)
    assert [queue.slots.may_submit(one) for one in queue.operations] == [True, False, False]
    queue.free(2)
    assert [queue.slots.may_submit(one) for one in queue.operations] == [True, True, False]
    queue.accel.free_slots = 3
    assert queue.slots.may_submit(newcomer)
    for operation in queue.operations:
        queue.slots.leave(operation)
    queue.accel.free_slots = 0
    assert queue.slots.may_submit(newcomer)  # nobody waits: the ring will tell


def test_who_joins_while_a_slot_is_free_gets_it_at_once() -> None:
    queue = Queue(0)
    queue.accel.free_slots = 1
    first, second = queue.add(), queue.add()
    queue.slots.join(first)
    queue.slots.join(second)
    queue.check([0], [1])


def test_who_joins_again_keeps_its_place() -> None:
    queue = Queue(3)
    queue.slots.join(queue.operations[0])
    queue.check([], [0, 1, 2])


def test_who_found_its_slot_taken_is_first_again() -> None:
    queue = Queue(3)
    queue.free(2)
    queue.accel.free_slots = 1  # another engine has taken one
    queue.slots.join(queue.operations[0])
    queue.check([1], [0, 2])


class Granted(OrderedDict[Operation, None]):
    """The queue as it is if another thread gives the turn just before the move to its front."""

    def move_to_end(self, key: Operation, last: bool = True) -> None:
        del self[key]
        super().move_to_end(key, last)


def test_who_gets_its_next_turn_on_its_way_to_the_front_is_no_error() -> None:
    queue = Queue(1)
    queue.free(1)
    queue.accel.free_slots = 0
    queue.slots.waiting = Granted()
    queue.slots.join(queue.operations[0])
    queue.check([], [])


@pytest.mark.parametrize("leaves", [0, 1, 2])
def test_who_leaves_holds_no_place_and_no_turn(leaves: int) -> None:
    queue = Queue(3)
    queue.free(1)
    queue.slots.leave(queue.operations[leaves])
    queue.check([1] if leaves == 0 else [0], [[2], [2], [1]][leaves])


def test_who_is_done_gets_no_turn_and_the_next_one_does() -> None:
    queue = Queue(2)
    queue.operations[0].done = True
    queue.free(1)
    queue.check([1], [])
    assert queue.bells[0].calls == []


def test_a_callback_that_raises_is_reported_and_has_its_turn(reported: list[BaseException]) -> None:
    queue = Queue(0)
    error = ValueError("of the callback")
    for errors in ((error,), ()):
        queue.slots.join(queue.add(*errors))
    queue.free(2)
    queue.check([0, 1], [])
    assert reported == [error]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_exception_in_between_comes_out_and_all_get_their_turns(error: type[BaseException]) -> None:
    queue = Queue(1)
    queue.slots.join(queue.add(error()))
    queue.slots.join(queue.add())
    with pytest.raises(error):
        queue.free(2)
    queue.check([0, 1], [2])
    assert [bell.calls for bell in queue.bells] == [["nudge"], ["nudge", "nudge"], []]


def test_who_was_perhaps_not_told_of_its_turn_is_first_again() -> None:
    queue = Queue(0)
    queue.slots.join(queue.add(KeyboardInterrupt(), MemoryError()))
    queue.slots.join(queue.add())
    with pytest.raises(MemoryError):
        queue.free(1)
    queue.check([], [0, 1])
    assert queue.bells[1].calls == []
    queue.slots.freed(1)
    queue.check([0], [1])


def test_who_was_not_told_and_has_given_up_meanwhile_is_in_no_queue() -> None:
    queue = Queue(0)
    operation = queue.add()

    def gives_up() -> None:
        operation.done = True
        raise KeyboardInterrupt

    queue.bells[0].nudge = gives_up  # type: ignore[method-assign]
    queue.accel.free_slots = 1
    with pytest.raises(KeyboardInterrupt):
        queue.slots.join(operation)
    queue.check([], [])


class Raced(OrderedDict[Operation, None]):
    """The queue as it is if another thread takes the first one between the look and the next step, once."""

    def __init__(self, how: BaseException, queue: Any) -> None:
        super().__init__(queue)
        self.how: BaseException | None = how

    def __iter__(self) -> Iterator[Operation]:
        how, self.how = self.how, None
        if how is not None:
            raise how
        return super().__iter__()


@pytest.mark.parametrize("how", [RuntimeError("changed during iteration"), StopIteration(), KeyError("gone")])
def test_another_thread_that_is_faster_is_no_error(how: BaseException) -> None:
    queue = Queue(2)
    queue.slots.waiting = Raced(how, queue.slots.waiting)
    queue.free(1)
    queue.check([0], [1])
