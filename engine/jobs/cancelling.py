"""Cancelling a job to its end, for what drives jobs."""

from __future__ import annotations

from engine.jobs.job import Job

CANCELS = 100
"""How often to cancel a job that pauses again and again in its clean-up. After that the garbage collector gets it."""


def cancel_until_ended(job: Job) -> None:
    """Cancel the job until it has ended, but not more than CANCELS times. Raises what `Job.cancel` raises."""
    for _ in range(CANCELS):
        if job.cancel():
            break
