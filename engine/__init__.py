"""Jobs, and the engine that makes a device operation pause one."""

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
from engine.job import Job
from engine.pause import block_pauses, current_job, pause_job
from engine.pool import cleanup_pool, init_pool
from engine.retry import Retry
from engine.scheduler import Scheduler
from engine.start import start_job
from engine.states import JobState
from engine.statistics import EngineStatistics
from engine.version import __version__

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
    "__version__",
    "block_pauses",
    "cleanup_pool",
    "current_job",
    "init_pool",
    "pause_job",
    "start_job",
]
