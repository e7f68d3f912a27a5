"""Every order of the steps of a model: see `explore`."""

from engine.testing.exploration.actor import Spin, Wait
from engine.testing.exploration.errors import (
    EndlessError,
    ModelError,
    NondeterministicError,
    ScheduleError,
    ScheduleFailure,
    StuckError,
)
from engine.testing.exploration.explore import Exploration, explore, replay
from engine.testing.exploration.run import Model, Run
from engine.testing.exploration.schedule import Schedule

__all__ = [
    "EndlessError",
    "Exploration",
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
