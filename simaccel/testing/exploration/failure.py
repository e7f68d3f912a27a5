"""`ScheduleFailure`: what `explore` raises when the code under test fails under some schedule.

It stands apart from the other errors of an exploration because it carries the schedule, and reading a schedule raises
one of those errors.
"""

from __future__ import annotations

import os
from pathlib import Path

from simaccel.testing.exploration.picture import picture
from simaccel.testing.exploration.schedule import Schedule


class ScheduleFailure(AssertionError):
    """The code under test fails under some schedule. `__cause__` is what it raised.

    `schedule` is the shortest failing schedule that was found, `diagram` shows it as text, and `schedules` says how
    many schedules were run until the first one failed. `reason` is the first line of what it raised.
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
        self.reason = reason

    @property
    def picture(self) -> str:
        """The schedule as an SVG."""
        return picture(self.schedule.model, self.schedule.steps, self.reason)

    def save_all(self, file: str | os.PathLike[str]) -> list[Path]:
        """Write the schedule to that file, and beside it the same as a picture (.svg) and for Perfetto (.pftrace).

        Returns the three files. Raises OSError if one can't be written.
        """
        from simaccel.testing.exploration.timeline import save_timeline  # which needs numpy

        path = Path(file)
        drawn, timeline = path.with_suffix(".svg"), path.with_suffix(".pftrace")
        self.schedule.save(path)
        drawn.write_text(self.picture, encoding="utf-8")
        save_timeline(timeline, self.schedule.model, self.schedule.steps, self.reason)
        return [path, drawn, timeline]
