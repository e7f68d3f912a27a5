"""Jobs, and the engine that makes a device operation pause one."""

import hotpath  # noqa: F401, I001 - first: it chooses the compiled modules or the Python ones

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.errors import (
    BlocksLoopWarning,
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
from engine.jobs.job import Job
from engine.jobs.pause import block_pauses, current_job, pause_job
from engine.jobs.start import start_job
from engine.jobs.states import JobState
from engine.jobs.thread import cleanup_pool, init_pool
from engine.offload.retry_setting import Retry
from engine.offload.statistics import EngineStatistics

__all__ = [
    "BlocksLoopWarning",
    "ClosedError",
    "DeadlineError",
    "Engine",
    "EngineError",
    "EngineStatistics",
    "Job",
    "JobCancelled",
    "JobState",
    "NoJobsError",
    "OperationError",
    "Retry",
    "RingFullError",
    "Scheduler",
    "StalledError",
    "UsageError",
    "block_pauses",
    "cleanup_pool",
    "current_job",
    "init_pool",
    "pause_job",
    "start_job",
]
