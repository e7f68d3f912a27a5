"""What a scheduler does with what a start or a resume raises: who fails alone, and what comes out of the run."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from engine import Scheduler, pause_job
from engine.jobs.states import JobState
from tests.engine.ways import own_ctx
from waitctx import Status, WaitCtx

pytestmark = pytest.mark.python_source  # it puts parts of its own in place of ours


def test_a_job_whose_arguments_do_not_fit_fails_alone() -> None:
    async def takes_one(value: int) -> int:
        await pause_job()
        return value

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(takes_one, *args) for args in ((), (1,), (1, 2))]
        scheduler.run()
        assert jobs[1].result() == 1
        for job in (jobs[0], jobs[2]):
            with pytest.raises(TypeError, match="takes_one"):
                job.result()


def test_what_a_job_raises_for_the_whole_program_comes_out_and_the_others_stay() -> None:
    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(fn) for fn in (sys.exit, pause_job)]
        with pytest.raises(SystemExit):
            scheduler.run()
        assert scheduler.unfinished == jobs[1:]
        assert not scheduler._seats.busy
        scheduler.run()
        assert jobs[1].done


class Raises:
    """Stands for a job. Its start and its resume raise `error`, before anything has begun or when it has ended."""

    def __init__(self, error: BaseException, state: JobState, ends: bool = False) -> None:
        self.state = state
        self.wait_ctx: WaitCtx | None = None
        self.waiting = None
        self.error: BaseException | None = error
        self.cancels = 0
        self._ends = ends

    @property
    def done(self) -> bool:
        return self.state in (JobState.FINISHED, JobState.CANCELLED)

    def start(self) -> None:
        error, self.error = self.error, None
        if self._ends or error is None:
            self.state = JobState.FINISHED
        if error is not None:
            raise error

    resume = start

    def fail_to_start(self, error: BaseException) -> None:
        self.state = JobState.FINISHED

    def cancel(self) -> bool:
        self.cancels += 1
        self.state = JobState.CANCELLED
        return True


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_exception_before_a_job_has_begun_comes_out_and_the_next_run_starts_it(error: type[BaseException]) -> None:
    with Scheduler() as scheduler:
        job: Any = Raises(error(), JobState.NEW)
        scheduler._new.append(job)
        with pytest.raises(error):
            scheduler.run()
        assert scheduler.unfinished == [job]
        scheduler.run()
        assert job.done
        assert not scheduler._seats.busy


def test_an_exception_before_a_job_has_gone_on_comes_out_and_it_keeps_its_seat() -> None:
    with Scheduler() as scheduler:
        job: Any = Raises(KeyboardInterrupt(), JobState.PAUSED)
        seat = scheduler._seats.take(job)
        with pytest.raises(KeyboardInterrupt):
            scheduler._resume(seat)
        assert (seat.job, job.state, job.cancels) == (job, JobState.PAUSED, 0)
        scheduler._resume(seat)
        assert (seat.job, job.state) == (None, JobState.FINISHED)
        scheduler._resume(seat)  # nobody sits there


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_job_that_has_ended_leaves_its_seat_also_if_what_it_raised_comes_out(error: type[BaseException]) -> None:
    with Scheduler() as scheduler:
        job: Any = Raises(error(), JobState.PAUSED, ends=True)
        seat = scheduler._seats.take(job)
        if error is ValueError:
            scheduler._resume(seat)
        else:
            with pytest.raises(error):
                scheduler._resume(seat)
        assert seat.job is None
        assert job.cancels == 0


def test_a_job_that_can_not_go_on_is_ended() -> None:
    with Scheduler() as scheduler:
        job: Any = Raises(ValueError("its context was closed"), JobState.PAUSED)
        seat = scheduler._seats.take(job)
        scheduler._resume(seat)
        assert (seat.job, job.cancels) == (None, 1)
        finished: Any = Raises(ValueError("never"), JobState.FINISHED)
        seat = scheduler._seats.take(finished)
        scheduler._resume(seat)
        assert finished.error is not None


def test_an_error_of_a_job_that_is_woken_anyway_does_not_count() -> None:
    """It is resumed for another reason, so it has not been told of the failure yet."""

    def job() -> str:
        ctx = own_ctx()
        callback = ctx.callback
        assert callback is not None
        ctx.status = Status.ERR
        callback.fn(callback.arg)
        pause_job()
        pause_job()
        ctx.status = Status.UNSUPPORTED
        return "seen"

    with Scheduler() as scheduler:
        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == "seen"
