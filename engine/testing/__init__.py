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
from engine.testing.misuse import Kind, Misuse, MisuseError, MisuseReport, detect_misuse

__all__ = [
    "EndlessError",
    "Exploration",
    "Kind",
    "ManualAccelerator",
    "Misuse",
    "MisuseError",
    "MisuseReport",
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
    "detect_misuse",
    "explore",
    "replay",
]
