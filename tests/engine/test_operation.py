"""An operation by itself: who may end it, what it is after an exception in its wake, and what a batch tells."""

from __future__ import annotations

from typing import Any

import pytest

from engine import DeadlineError
from engine.offload.operation import ORPHANED, SPURIOUS, Operation
from engine.protocol import BatchCallback
from tests.engine.bells import Bell, operation_in

VERDICT = DeadlineError("past its deadline")


def test_the_first_to_end_it_wakes_and_all_others_are_told_that_it_is_gone() -> None:
    flight: dict[Operation, None] = {}
    for end, answers in (
        (Operation.complete, [None, SPURIOUS, SPURIOUS]),
        (lambda operation: operation.fail(VERDICT), [True, ORPHANED, SPURIOUS]),
        (Operation.abandon, [True, ORPHANED, SPURIOUS]),
    ):
        operation, bell = operation_in(flight)
        assert not operation.done
        assert [end(operation), operation.complete(), operation.complete()] == answers
        assert (operation.fail(VERDICT), operation.abandon()) == (False, False)
        assert (operation.done, operation.fired, operation.completed) == (True, True, True)
        assert bell.calls == ([] if end is Operation.abandon else ["wake"])
        assert operation.verdict is (VERDICT if answers[0] is True and bell.calls else None)
        assert not flight


def test_a_wake_without_a_completion_is_a_nudge_while_it_is_in_flight() -> None:
    operation, bell = operation_in({})
    operation.wake()
    operation.complete()
    operation.wake()
    assert bell.calls == ["nudge", "wake"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("verdict", [None, VERDICT])
def test_an_exception_before_the_wake_has_it_given_once_more(
    error: type[BaseException], verdict: Exception | None
) -> None:
    flight: dict[Operation, None] = {}
    operation, bell = operation_in(flight, Bell(error()))
    with pytest.raises(error):
        operation.complete() if verdict is None else operation.fail(verdict)
    assert bell.calls == ["wake", "wake"]
    assert (operation.done, operation.fired, operation.verdict) == (True, True, verdict)
    assert not flight


@pytest.mark.parametrize("verdict", [None, VERDICT])
def test_who_could_not_be_woken_twice_is_in_flight_again_for_another_to_end(verdict: Exception | None) -> None:
    flight: dict[Operation, None] = {}
    first = KeyboardInterrupt("first")
    operation, bell = operation_in(flight, Bell(first, MemoryError("second")))
    with pytest.raises(KeyboardInterrupt) as caught:
        operation.complete() if verdict is None else operation.fail(verdict)
    assert caught.value is first
    assert (operation.done, operation.completed, operation.verdict) == (False, False, None)
    assert list(flight) == [operation]
    assert operation.complete() is None
    assert bell.calls == ["wake"] * 3


@pytest.mark.parametrize(
    ("error", "fires_first"),
    [(KeyboardInterrupt(), True), (ValueError("the callback's own"), False), (ValueError("the same"), True)],
)
def test_who_was_woken_is_not_woken_again(error: BaseException, fires_first: bool) -> None:
    """A callback that raises an exception of its own was called, so its owner knows."""
    flight: dict[Operation, None] = {}
    operation, bell = operation_in(flight, Bell(error, fires_first=fires_first))
    with pytest.raises(type(error)):
        operation.complete()
    assert bell.calls == ["wake"]
    assert operation.done
    assert not flight


def test_it_shows_how_far_it_is() -> None:
    operation, _ = operation_in({})
    assert repr(operation) == "<operation echo of 3 bytes, not submitted>"
    operation.submitted = True
    assert repr(operation) == "<operation echo of 3 bytes, in flight>"
    operation.complete()
    assert repr(operation) == "<operation echo of 3 bytes, done>"


def test_a_new_operation_is_not_submitted_and_a_wake_is_promised() -> None:
    operation, bell = operation_in({})
    assert not any((operation.done, operation.fired, operation.submitted, operation.completed, operation.turn))
    assert operation.promised
    assert (operation.timer, operation.verdict, operation.error) == (None, None, None)
    assert (operation.op, operation.payload, operation.aux, operation.session) == ("echo", b"abc", b"", None)
    assert operation.waker is bell


def test_what_the_device_never_began_has_begun_at_0() -> None:
    """A device may fail it before it gives it a start, and count its times nevertheless."""
    operation, _ = operation_in({})
    assert operation.started_ns == 0


class Reports:
    """What `complete_all` reports."""

    def __init__(self) -> None:
        self.rows: list[tuple[Operation, Any]] = []

    def __call__(self, operation: Operation, outcome: object) -> None:
        self.rows.append((operation, outcome))


class Shared(BatchCallback):
    """A callback of many. Its call for all raises the first of `errors`, if there is one."""

    def __init__(self, *errors: BaseException) -> None:
        self.calls: list[list[Any]] = []
        self._errors = list(errors)

    def __call__(self, arg: Any) -> None:
        """Each bell wakes by itself here."""

    def call_all(self, args: list[Any]) -> None:
        self.calls.append(args)
        if self._errors:
            raise self._errors.pop(0)


def batch_of(*callbacks: Shared | None) -> tuple[list[Operation], list[Bell]]:
    """Operations in flight on these callbacks."""
    flight: dict[Operation, None] = {}
    pairs = [operation_in(flight) for _ in callbacks]
    for (_, bell), callback in zip(pairs, callbacks, strict=True):
        bell.batch_callback = callback
    return [operation for operation, _ in pairs], [bell for _, bell in pairs]


def test_a_batch_is_told_in_its_order_with_one_call_for_neighbours_on_one_callback() -> None:
    one, other, reports = Shared(), Shared(), Reports()
    operations, bells = batch_of(one, one, None, one, other, one)
    Operation.complete_all(operations, reports)
    assert one.calls == [[bells[0], bells[1], bells[3]], [bells[5]]]
    assert other.calls == [[bells[4]]]
    assert [bell.calls for bell in bells] == [[], [], ["wake"], [], [], []]
    assert all(operation.done and operation.completed for operation in operations)
    assert reports.rows == []


def test_a_batch_reports_what_is_gone_or_raises_and_tells_the_others() -> None:
    error, reports = ValueError("of a waker"), Reports()
    operations, bells = batch_of(None, None, None, None)
    bells[1]._errors.append(error)
    operations[2].abandon()
    Operation.complete_all(operations, reports)
    assert [bell.calls for bell in bells] == [["wake"], ["wake"], [], ["wake"]]
    assert reports.rows == [(operations[1], error), (operations[2], ORPHANED)]


def test_a_callback_that_fails_for_all_is_called_for_each_of_that_call_and_of_no_other() -> None:
    failure, own, reports = ValueError("of all"), ValueError("of one"), Reports()
    one, other = Shared(), Shared(failure)
    operations, bells = batch_of(other, other, one, None, other)
    bells[0]._errors.append(own)
    Operation.complete_all(operations, reports)
    assert [bell.calls for bell in bells] == [["wake"], ["wake"], [], ["wake"], []]
    assert one.calls == [[bells[2]]]
    assert other.calls == [[bells[0], bells[1]], [bells[4]]]
    assert reports.rows == [(operations[0], failure), (operations[0], own)]
