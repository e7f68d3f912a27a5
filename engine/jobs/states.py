"""The states of a job, as one table. The code follows it; the tests and the diagram in docs/design.md are made from it.

Rules:

- Only `pause` leads to PAUSED, and only a resume or a cancel leaves it.
- A cancelled job runs once more, to clean up: it may end, but it may also return a value or pause again.
- FINISHED and CANCELLED are ends. FINISHED holds a value or the job's own exception.

C has RUNNING, PAUSING, PAUSED and STOPPING; PAUSING and STOPPING last only while it switches stacks, and a finished
job is no job there but an idle slot of the pool.
"""

from enum import Enum


class JobState(Enum):
    """The state of a job."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


TRANSITIONS: dict[tuple[JobState, str], JobState] = {
    (JobState.NEW, "start"): JobState.RUNNING,
    (JobState.NEW, "cancel"): JobState.CANCELLED,
    (JobState.RUNNING, "pause"): JobState.PAUSED,
    (JobState.RUNNING, "return"): JobState.FINISHED,
    (JobState.RUNNING, "raise"): JobState.FINISHED,
    (JobState.RUNNING, "raise JobCancelled"): JobState.CANCELLED,
    (JobState.PAUSED, "resume"): JobState.RUNNING,
    (JobState.PAUSED, "cancel"): JobState.RUNNING,
}
"""(state, event) -> state. Everything else is refused with a UsageError, and changes nothing. One exception: cancelling
a job that has ended is allowed, and does nothing."""
