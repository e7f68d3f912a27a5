"""Code that knows nothing of schedules is stepped into, statement by statement."""

from __future__ import annotations

import threading

import pytest

from simaccel.testing import (
    ModelError,
    Run,
    ScheduleFailure,
    explore,
)
from tests.testing import stepped_code


class Counting:
    """A model of code that is stepped into, statement by statement."""

    step_into = (stepped_code.Counter,)

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, run: Run) -> None:
        counter = stepped_code.Counter()

        def check() -> None:
            assert counter.value == 2, f"counted {counter.value}"

        run.actor("left", getattr(counter, self.method))
        run.actor("right", getattr(counter, self.method))
        run.at_end(check)


@pytest.mark.parametrize("method", ["add", "add_if"])
def test_code_that_is_stepped_into_needs_no_change_to_fail(method: str) -> None:
    before = stepped_code.Counter.add.__code__
    with pytest.raises(ScheduleFailure, match="counted 1"):
        explore(Counting(method), 1)
    assert stepped_code.Counter.add.__code__ is before


@pytest.mark.parametrize("method", ["add_under_lock", "add_acquiring", "add_yielding"])
def test_a_lock_of_stepped_code_is_waited_for_by_giving_way(method: str) -> None:
    assert explore(Counting(method), 2).schedules > 2


def test_stepped_code_still_locks_outside_of_actors() -> None:
    class Outside(Counting):
        def __call__(self, run: Run) -> None:
            stepped_code.Counter().add_under_lock()
            super().__call__(run)

    explore(Outside("add_under_lock"), 0)
    lock = threading.Lock()
    with lock:
        assert not lock.acquire(blocking=False)


def test_step_into_something_without_source_is_refused() -> None:
    class Bad(Counting):
        step_into = (7,)  # type: ignore[assignment]

    with pytest.raises(ModelError, match="step_into 7"):
        explore(Bad("add"))
