"""The states of a job, as one table. The code follows it; the tests and the diagram in docs/design.md are made from it.

Rules:

- Only `pause` leads to PAUSED, and only a resume or a cancel leaves it.
- A job that is cancelled runs once more, to clean up. It may end as CANCELLED, but it may also return a value, raise
  another exception or pause again.
- FINISHED and CANCELLED are ends. FINISHED holds a value or the job's own exception.

C has RUNNING, PAUSING, PAUSED and STOPPING. PAUSING and STOPPING last only while it switches stacks. What we call a
finished job is, in C, no job any more but an idle slot of the pool.
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
"""(state, event) -> state. Any other step is refused with a UsageError, and changes nothing. There is one exception: to
cancel a job that has ended is allowed, and does nothing."""
