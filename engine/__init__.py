"""Jobs, and the engine that makes a device operation pause one."""

from engine.errors import (
    ClosedError,
    DeadlineError,
    EngineError,
    JobCancelled,
    NoJobsError,
    OperationError,
    RingFullError,
    StalledError,
    UsageError,
)
from engine.job import Job
from engine.pause import block_pauses, current_job, pause_job
from engine.pool import cleanup_pool, init_pool
from engine.start import start_job
from engine.states import JobState
from engine.version import __version__

__all__ = [
    "ClosedError",
    "DeadlineError",
    "EngineError",
    "Job",
    "JobCancelled",
    "JobState",
    "NoJobsError",
    "OperationError",
    "RingFullError",
    "StalledError",
    "UsageError",
    "__version__",
    "block_pauses",
    "cleanup_pool",
    "current_job",
    "init_pool",
    "pause_job",
    "start_job",
]
