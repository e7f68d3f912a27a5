"""A stackful job is stepped into: what gives way then is the job's greenlet, not the actor's own."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from simaccel.testing import ScheduleFailure, explore, replay
from tests.testing import stepped_jobs
from tests.testing.stepped_jobs import Jobs


@pytest.mark.parametrize("count", [1, 2])
def test_a_plain_function_has_the_schedules_of_its_async_twin(count: int) -> None:
    plain = explore(Jobs(stepped_jobs.call, count), 1)
    twin = explore(Jobs(stepped_jobs.call_async, count), 1)
    assert plain.complete
    assert plain.schedules > 5 * count
    assert (plain.schedules, plain.steps) == (twin.schedules, twin.steps)


def test_a_lost_wake_up_in_a_plain_function_is_found_and_replayed() -> None:
    with pytest.raises(ScheduleFailure, match="stuck") as found:
        explore(Jobs(stepped_jobs.call_wrong))
    with pytest.raises(ScheduleFailure, match="stuck"):
        replay(Jobs(stepped_jobs.call_wrong), found.value.schedule)


def test_what_a_stepped_job_raises_is_the_actors_failure() -> None:
    with pytest.raises(ScheduleFailure, match="RuntimeError: done before the pause"):
        explore(Jobs(stepped_jobs.call_raising))


def test_jobs_that_are_cut_off_in_the_midst_leave_nothing_running() -> None:
    """A check that fails while the job's greenlet has the turn ends the run there."""
    seen: list[int] = []

    class Cut(Jobs):
        def __call__(self, run: Any) -> None:
            super().__call__(run)
            run.always(self.check)
            self.steps = 0

        def check(self) -> None:
            self.steps += 1
            seen.append(self.steps)
            assert self.steps < 6, "cut off"

    with pytest.raises(ScheduleFailure, match="cut off"):
        explore(Cut(stepped_jobs.call))
    assert max(seen) == 6
    gc.collect()
    explore(Jobs(stepped_jobs.call), 0)
