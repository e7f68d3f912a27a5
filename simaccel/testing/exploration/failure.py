"""`ScheduleFailure`: what `explore` raises when the code under test fails under some schedule.

It stands apart from the other errors of an exploration because it carries the schedule, and reading a schedule raises
one of those errors.
"""

from __future__ import annotations

from simaccel.testing.exploration.schedule import Schedule


class ScheduleFailure(AssertionError):
    """The code under test fails under some schedule. `__cause__` is what it raised.

    `schedule` is the shortest failing schedule that was found, `diagram` shows it as text, and `schedules` says how
    many schedules were run until the first one failed.
    """

    def __init__(self, reason: str, schedule: Schedule, diagram: str, schedules: int, saved: str | None) -> None:
        where = f"saved as {saved}" if saved else "save it with explore(..., save=FILE)"
        super().__init__(
            f"{schedule.model} fails in schedule number {schedules:,}: {reason}\n\n{diagram}\n\n"
            f"The schedule has {schedule.step_count} steps and {schedule.preemptions} preemptions; {where}."
        )
        self.schedule = schedule
        self.diagram = diagram
        self.schedules = schedules
