"""Schedules as a strategy of Hypothesis, which looks for one that fails, and shrinks it. Needs the package hypothesis.

    @given(schedules())
    def test_it(schedule):
        schedule.run(model)

`explore` runs every schedule up to a bound. This runs some schedules of a model that is too large for that. And a
schedule can be drawn together with other values.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from engine.errors import UsageError
from simaccel.testing.exploration.actor import Mark
from simaccel.testing.exploration.choosers import shown
from simaccel.testing.exploration.explore import run_with
from simaccel.testing.exploration.run import Model, Run


class DrawnSchedule:
    """Draws each decision when it comes. Shrinking tends to decisions that go on with the same actor."""

    def __init__(self, data: st.DataObject, preemptions: int | None) -> None:
        self.preemptions = preemptions
        self._data = data

    def run(self, model: Model, *, max_steps: int = 10_000) -> None:
        """Run the model once. Raises ScheduleFailure, with a diagram, if it fails."""
        run_with(model, self, max_steps)

    def take(self, options: tuple[Mark, ...], run: Run) -> int:
        """Draw a decision. The run calls this."""
        return self._data.draw(st.integers(0, len(options) - 1), label=shown(options))

    def __repr__(self) -> str:
        return "a schedule"


def schedules(preemptions: int | None = None) -> st.SearchStrategy[DrawnSchedule]:
    """Schedules with at most this many preemptions; None is any number."""
    if preemptions is not None and (not isinstance(preemptions, int) or preemptions < 0):
        raise UsageError(f"preemptions={preemptions!r}: use a whole number, or None for any number")

    @st.composite
    def drawn(draw: Any) -> DrawnSchedule:
        return DrawnSchedule(draw(st.data()), preemptions)

    return drawn()
