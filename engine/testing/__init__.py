"""Tools to test code that pauses: schedules, models, misuse of wait contexts and jobs."""

from engine.testing.exploration import (
    EndlessError,
    Exploration,
    Model,
    ModelError,
    NondeterministicError,
    Run,
    Schedule,
    ScheduleError,
    ScheduleFailure,
    Spin,
    StuckError,
    Wait,
    explore,
    replay,
)
from engine.testing.manual import ManualAccelerator

__all__ = [
    "EndlessError",
    "Exploration",
    "ManualAccelerator",
    "Model",
    "ModelError",
    "NondeterministicError",
    "Run",
    "Schedule",
    "ScheduleError",
    "ScheduleFailure",
    "Spin",
    "StuckError",
    "Wait",
    "explore",
    "replay",
]
