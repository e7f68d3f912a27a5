"""What an exploration raises. The class says whose fault it is: the code under test's, the model's, the file's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import EngineError, UsageError

if TYPE_CHECKING:
    from simaccel.testing.exploration.schedule import Schedule


class ScheduleFailure(AssertionError):
    """The code under test fails under some schedule. `__cause__` is what it raised.

    `schedule` is the shortest found, `diagram` shows it, `schedules` says how many were run until the first failed.
    """

    def __init__(self, reason: str, schedule: Schedule, diagram: str, schedules: int, saved: str | None) -> None:
        where = f"saved as {saved}" if saved else "save it with explore(..., save=FILE)"
        super().__init__(
            f"{schedule.model} fails in the {schedules:,}. schedule: {reason}\n\n{diagram}\n\n"
            f"The schedule has {schedule.step_count} steps and {schedule.preemptions} preemptions; {where}."
        )
        self.schedule = schedule
        self.diagram = diagram
        self.schedules = schedules


class StuckError(AssertionError):
    """No actor can take a step, and some have not ended: a lost wake-up, or a deadlock."""


class EndlessError(AssertionError):
    """Actors go on and on without getting anywhere: a busy loop."""


class ModelError(UsageError):
    """The model can't be explored as it is written."""


class NondeterministicError(ModelError):
    """One schedule, run twice, went two ways: the model depends on time, randomness, a hash or a former run."""


class ScheduleError(EngineError, ValueError):
    """A schedule's text is damaged, of another version, or does not fit the model."""
